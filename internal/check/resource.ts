/** What is judged of one Onload resource and of the nodes that it selects. Pure. */
import { counted } from "../cli/counted.ts";
import { firstFew } from "../cli/first-few.ts";
import type { DeepReadonly, KubeObject, Node } from "../api/core.ts";
import type { Onload } from "../api/onload.ts";
import { desiredModules } from "../operator/desired/modules.ts";
import { missingImages, type ModuleImages } from "../operator/kmm/images.ts";
import type { Kmm, SelectorInUse } from "../operator/kmm/kmm.ts";
import { chooseMapping, expressionsOf, imageFor } from "../operator/kmm/module-config.ts";
import { kernelStop, refusalAt, refusedNodes, refusedSystem } from "../operator/kmm/refused-kernel.ts";
import { regexpStop } from "../operator/kmm/regexp-stop.ts";
import { kernelOf } from "../api/kernel-tag.ts";
import { hasLabels } from "../api/label-selector.ts";
import { nodeStore } from "../operator/cache/indexes.ts";
import { causeOfRefusal } from "../operator/observe/refusal-remedy.ts";
import { triedText } from "../operator/rollout/unmapped.ts";
import type { PodTrial } from "../operator/view/pod-trial.ts";
import type { Read } from "./read.ts";
import { finderOf, type Finding, type Finder } from "./findings.ts";

/** Those for which onloadctl and Onload are built. */
const ARCHITECTURES: readonly string[] = ["amd64", "arm64"];
/** Label by which a namespace says which pods it takes (Pod Security Admission). */
const POD_SECURITY = "pod-security.kubernetes.io/enforce";
const MAX_NAMED = 5;
const NOT_IN_USE: SelectorInUse = { live: undefined, loaded: false, loadedBy: undefined, unlabelled: false };

/** What was read of one resource. */
export interface ResourceFacts {
  onload: DeepReadonly<Onload>;
  nodes: Read<readonly Node[]>;
  /** undefined: there is none of that name. */
  account: Read<KubeObject | undefined>;
  namespace: Read<KubeObject | undefined>;
  /** OpenShift only: the SCC by which the ServiceAccount may run the pods; undefined: there is none. */
  constraints?: Read<string | undefined>;
  /** Whether each Secret of spec.imagePullSecrets is there, by its name. */
  secrets?: ReadonlyMap<string, Read<boolean>>;
  /** What the API server says of its pods, if it was asked. */
  pods?: PodTrial;
  /** undefined if KMM does not say (before 2.4), or the Module is not there yet. */
  images: { onload: ModuleImages; sfc: ModuleImages } | undefined;
  kmm: Kmm;
}

/** All findings about a resource. */
export function judgeResource(facts: ResourceFacts): Finding[] {
  const { namespace, name } = facts.onload.metadata;
  const finder = (what: string): Finder => finderOf(`${namespace}/${name}: ${what}`);
  return [
    judgeAccount(facts, finder("ServiceAccount")),
    ...judgeConstraints(facts, finder("SCC")),
    judgeNamespace(facts, finder("namespace")),
    ...judgePods(facts, finder("pods")),
    ...judgeSecrets(facts, finder("pull secrets")),
    ...judgeBuildLogins(facts, finder("builds")),
    ...judgeNodes(facts, finder),
  ];
}

/** The ServiceAccount of a resource's pods. Resources of the original operator may have an empty name. */
export function accountOf({ spec }: DeepReadonly<Onload>): string {
  return spec.serviceAccountName || "default";
}

function judgeAccount({ onload, account }: ResourceFacts, finding: Finder): Finding {
  const name = accountOf(onload);
  if ("problem" in account) return finding("unknown", account.problem);
  if (account.value) return finding("ok", `"${name}" exists`);
  return finding("failed", `"${name}" does not exist; create it, and allow it privileged pods`);
}

function judgeConstraints({ onload, constraints }: ResourceFacts, finding: Finder): Finding[] {
  if (!constraints) return [];
  if ("problem" in constraints) return [finding("unknown", constraints.problem)];
  const name = accountOf(onload);
  if (constraints.value !== undefined) return [finding("ok", `"${name}" may use "${constraints.value}"`)];
  const remedy = `oc adm policy add-scc-to-user privileged -z ${name} -n ${onload.metadata.namespace}`;
  return [finding("failed", `"${name}" may use none that admits privileged pods in the node's network: ${remedy}`)];
}

/** Kubernetes pulls without a login if a Secret is missing, and says nothing. */
function judgeSecrets({ onload, secrets }: ResourceFacts, finding: Finder): Finding[] {
  if (!secrets || secrets.size === 0) return [];
  const all = [...secrets];
  const missing = all.flatMap(([name, read]) => ("value" in read && !read.value ? [name] : []));
  const inNamespace = `namespace "${onload.metadata.namespace}"`;
  if (missing.length > 0) {
    const names = firstFew(missing, MAX_NAMED, (name) => `"${name}"`);
    return [finding("failed", `${names} does not exist in ${inNamespace}; images are pulled without that login`)];
  }
  const problem = all.map(([, read]) => read).find((read) => "problem" in read);
  if (problem) return [finding("unknown", problem.problem)];
  const names = firstFew([...secrets.keys()], MAX_NAMED, (name) => `"${name}"`);
  return [finding("ok", `${names} in ${inNamespace}${all.length > 1 ? "; KMM takes the first alone" : ""}`)];
}

/** On OpenShift, the Secret that KMM gives a build takes the place of the logins that the builder has by itself. */
function judgeBuildLogins({ onload, constraints }: ResourceFacts, finding: Finder): Finding[] {
  const [secret] = onload.spec.imagePullSecrets ?? [];
  const isBuilt = onload.spec.onload.kernelMappings.some(({ build }) => build !== undefined);
  if (!constraints || !secret || !isBuilt) return [];
  const has = "a login for every registry that they use, the cluster's own and that of the Driver Toolkit included";
  return [
    finding(
      "warning",
      `OpenShift's builder has no logins of its own while spec.imagePullSecrets is set: Secret "${secret.name}" must have ${has}`,
    ),
  ];
}

function judgeNamespace({ namespace, onload }: ResourceFacts, finding: Finder): Finding {
  if ("problem" in namespace) return finding("unknown", namespace.problem);
  const name = onload.metadata.namespace ?? "";
  if (!namespace.value) return finding("failed", `"${name}" does not exist; create it`);
  if (namespace.value.metadata.deletionTimestamp !== undefined) return finding("failed", `"${name}" is being deleted`);
  const level = levelOf(namespace.value);
  if (level === undefined || level === "privileged") return finding("ok", `"${name}" admits privileged pods`);
  return finding(
    "failed",
    `"${name}" enforces Pod Security "${level}", which refuses the pods: kubectl label namespace ${name} ${POD_SECURITY}=privileged --overwrite`,
  );
}

function judgePods({ pods, namespace }: ResourceFacts, finding: Finder): Finding[] {
  if (!pods) return [];
  // What the namespace's label says has a finding of its own.
  const isTold = "value" in namespace && levelOf(namespace.value) !== undefined;
  const refusals = pods.refusals.filter((text) => !(isTold && causeOfRefusal(text) === "podSecurity"));
  if (refusals.length > 0) return refusals.map((text) => finding("failed", text));
  if (pods.gap !== undefined) return [finding("unknown", pods.gap)];
  return pods.refusals.length > 0 ? [] : [finding("ok", "The API server would take them")];
}

/** The level of Pod Security that a namespace enforces by its label. */
function levelOf(namespace: KubeObject | undefined): string | undefined {
  return namespace?.metadata.labels?.[POD_SECURITY];
}

function judgeNodes(facts: ResourceFacts, finder: (what: string) => Finder): Finding[] {
  const [nodes, architectures, kernels] = [finder("nodes"), finder("architectures"), finder("kernels")];
  if ("problem" in facts.nodes) return [nodes("unknown", facts.nodes.problem)];
  const selected = selectedOf(facts.onload, facts.nodes.value);
  if (selected.length === 0) return [nodes("warning", "No node has the labels of spec.selector")];
  const out = selected.filter((node) => node.spec?.unschedulable === true || !isReady(node));
  return [
    out.length === 0
      ? nodes("ok", `${counted(selected.length, "is", "are")} selected`)
      : nodes("warning", `${counted(selected.length, "is", "are")} selected; cordoned or not Ready: ${namesOf(out)}`),
    judgeArchitectures(selected, architectures),
    judgeKernels(facts, selected, facts.nodes.value, kernels),
    judgeImages(facts, selected, finder("module images")),
  ];
}

function judgeArchitectures(nodes: readonly Node[], finding: Finder): Finding {
  const foreign = nodes.filter((node) => !runsLinux(node));
  if (foreign.length > 0) {
    return finding(
      "failed",
      `Onload is for Linux, not for ${namesOf(foreign)}; correct spec.selector, or their labels`,
    );
  }
  const all = new Set(nodes.map(({ status }) => status?.nodeInfo?.architecture ?? "unknown"));
  const others = nodes.filter(({ status }) => !ARCHITECTURES.includes(status?.nodeInfo?.architecture ?? ""));
  if (others.length === 0) return finding("ok", [...all].join(", "));
  return finding("failed", `There are images for ${ARCHITECTURES.join(" and ")} only, not for ${namesOf(others)}`);
}

/** @param all nodes of the cluster: KMM can give up at one that the resource does not select */
function judgeKernels(
  { onload, kmm }: ResourceFacts,
  nodes: readonly Node[],
  all: readonly Node[],
  finding: Finder,
): Finding {
  const { onload: module } = desiredModules(onload, kmm);
  const kernels = kernelsOf(nodes);
  const selector = kmm.selectorFor(module, NOT_IN_USE);
  const applied = [{ ...module, spec: { ...module.spec, selector } }];
  const store = nodeStore(all);
  const stop = kernelStop(refusedNodes(store, kmm), applied) ?? regexpStop(store, applied, kmm);
  const refused =
    stop ?? kernels.map((kernel) => refusalAt(kernel, module, kmm)).find((refusal) => refusal !== undefined);
  if (refused) return finding("failed", `${refused.why}; ${refused.remedy}`);
  const choices = kernels.map((kernel) => ({ kernel, ...chooseMapping(module, kernel) }));
  const wrong = choices.find(({ problem }) => problem !== undefined);
  if (wrong) return finding("failed", `spec.onload.${wrong.problem}; correct it`);
  const unmapped = choices.filter(({ mapping }) => mapping === undefined).map(({ kernel }) => kernel);
  if (unmapped.length === 0) return finding("ok", `Every kernel has a mapping: ${firstFew(kernels, MAX_NAMED)}`);
  const tried = triedText(expressionsOf(module));
  const seen = `No entry of spec.onload.kernelMappings matches kernel ${firstFew(unmapped, MAX_NAMED)}${tried}`;
  return finding("failed", `${seen}; add one, or correct one`);
}

/** KMM 2.4 and later says which images there are; others find out when a node is to load them. */
function judgeImages({ onload, kmm, images }: ResourceFacts, nodes: readonly Node[], finding: Finder): Finding {
  const modules = desiredModules(onload, kmm);
  const wanted = kernelsOf(nodes).flatMap((kernel) => imageFor(modules.onload, kernel, kmm) ?? []);
  if (wanted.length === 0) return finding("unknown", "None can be chosen, because no kernel has a mapping");
  if (!images)
    return finding(
      "unknown",
      `KMM does not say whether they exist; registries are asked with --images. Needed: ${firstFew([...new Set(wanted)], MAX_NAMED)}`,
    );
  const missing = kernelsOf(nodes).flatMap((kernel) =>
    missingImages(
      [
        { module: modules.onload, images: images.onload },
        { module: modules.sfc, images: images.sfc },
      ],
      kernel,
      kmm,
    ),
  );
  if (missing.length === 0) return finding("ok", "KMM has found all of them");
  const [first] = missing;
  const names = firstFew([...new Set(missing.map(({ image }) => image))], MAX_NAMED);
  return first?.why === undefined
    ? finding("warning", `KMM has not found ${names} yet`)
    : finding("failed", `KMM does not find ${names}: ${first.why}; build and push them`);
}

/** The nodes that a resource selects. */
export function selectedOf({ spec }: DeepReadonly<Onload>, nodes: readonly Node[]): Node[] {
  return nodes.filter(({ metadata }) => hasLabels(spec.selector, metadata.labels ?? {}));
}

/** The kernel versions of Linux nodes, each once, in order. */
export function kernelsOf(nodes: readonly Node[]): string[] {
  return [...new Set(nodes.filter(runsLinux).map(kernelOf))].toSorted();
}

function runsLinux({ status }: Node): boolean {
  return refusedSystem(status?.nodeInfo?.operatingSystem) === undefined;
}

function isReady({ status }: Node): boolean {
  return status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;
}

function namesOf(nodes: readonly Node[]): string {
  return firstFew(
    nodes,
    MAX_NAMED,
    ({ metadata, status }) => `${metadata.name} (${status?.nodeInfo?.architecture ?? "?"})`,
  );
}
