/** Reads what `onloadctl check` judges, with the rights of whoever asks. Nothing is written. */
import type { AdmissionPolicy, DeepReadonly, KubeObject, Node, Pod, PolicyBinding } from "../api/core.ts";
import { kmmCapabilities, type ModuleImagesConfig } from "../api/kmm.ts";
import { KMM_IMAGE_OWNER_LABEL, onloadModuleName, sfcModuleName, type OnloadKey } from "../api/names.ts";
import { MODULE_IMAGES_CONFIGS, ONLOADS, SECURITY_CONTEXT_CONSTRAINTS, type Resource } from "../api/resources.ts";
import type { Onload } from "../api/onload.ts";
import { printable } from "../cli/printable.ts";
import { isAllowed } from "../kube/access-review.ts";
import type { Client } from "../kube/client.ts";
import { ApiError, isForbidden, isNotFound } from "../kube/errors.ts";
import { refusalText } from "../kube/refusal-text.ts";
import { bindCommand } from "../kube/rights-advice.ts";
import {
  NAMESPACES,
  NODES,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
  VALIDATING_ADMISSION_POLICIES,
  VALIDATING_ADMISSION_POLICY_BINDINGS,
} from "../kube/resource.ts";
import type { RawOnload } from "../operator/cache/caches.ts";
import { moduleImages } from "../operator/kmm/images.ts";
import { kmmFor } from "../operator/kmm/installed.ts";
import type { Kmm } from "../operator/kmm/kmm.ts";
import { readOnload } from "../operator/observe/preflight.ts";
import { readEvidence } from "../operator/view/evidence.ts";
import { rivalsText, servingOf } from "../operator/view/serving.ts";
import { tryPods, type PodTrial } from "../operator/view/pod-trial.ts";
import { unknownFieldsText } from "../operator/view/strict.ts";
import { refusedBecause, suppose } from "../operator/view/suppose.ts";
import {
  judgeCrds,
  judgeKmmOperator,
  judgePolicies,
  judgeServing,
  judgeVersion,
  type ServerVersion,
} from "./cluster.ts";
import { finderOf, type Finder, type Finding } from "./findings.ts";
import { installedOperators, rightsToOperate, type InstalledOperator } from "./operator-rights.ts";
import { kmmDeployments } from "./kmm.ts";
import { read, readAll, readCrds, type Read } from "./read.ts";
import { accountOf, judgeResource, type ResourceFacts } from "./resource.ts";
import { usesOf } from "./uses.ts";
import { judgeRights, toExamine, TO_DEPLOY, TO_LOOK, TO_LOOK_CLOSER, type Ask } from "./rights.ts";
import { subjectOf, usableConstraints, type SecurityContextConstraints } from "./security-context.ts";

/** What came of a check. */
export interface Checked {
  findings: Finding[];
  /** Every image that the resources need. */
  images: string[];
}

/** Operators of so many ServiceAccounts are looked at. */
const MAX_OPERATORS = 3;
/** OpenShift alone has it. */
const SCC_CRD = "securitycontextconstraints.security.openshift.io";
/** So many Secrets of a resource are looked at. */
const MAX_SECRETS = 20;
const VIEWER = `an administrator can give you these rights: ${bindCommand("viewer")}`;

/** In so many namespaces it is asked what the caller may do. */
const MAX_NAMESPACES = 50;

/**
 * Checks the cluster, and Onload resources of it.
 *
 * @param client whose refusals give no advice: the caller's rights are findings of their own, which say how to get them
 * @param supposed resources that are checked as if they were applied; undefined: those of the cluster
 * @param namespace of the resources; undefined: all
 * @throws ConnectionError if the API server does not answer; what it refuses is a finding
 */
export async function check(
  client: Client,
  supposed: readonly RawOnload[] | undefined,
  namespace: string | undefined,
  now: number,
  signal: AbortSignal,
): Promise<Checked> {
  const ask = asker(client, signal);
  const [version, crds, policies, bindings, nodes, evidence, kmmOperators, onloads] = await Promise.all([
    read(() =>
      client.transport.json<ServerVersion>({ method: "GET", path: "/version", action: "get /version", signal }),
    ),
    readCrds(client, signal),
    readAll<AdmissionPolicy>(client, VALIDATING_ADMISSION_POLICIES, signal),
    readAll<PolicyBinding>(client, VALIDATING_ADMISSION_POLICY_BINDINGS, signal),
    readAll<Node>(client, NODES, signal),
    readEvidence(client, signal),
    kmmDeployments(client, signal),
    supposed ? { value: [...supposed] } : readAll<RawOnload>(client, ONLOADS, signal, { namespace }),
  ]);
  const operators = installedOperators(evidence.deployments.items).slice(0, MAX_OPERATORS);
  const namespaces = "value" in onloads ? onloads.value.flatMap(({ metadata }) => metadata.namespace ?? []) : [];
  const serving = servingOf(evidence, now, namespaces);
  const rivals = [...new Set(namespaces.flatMap((each) => rivalsText(evidence, now, each) ?? []))];
  const examined = [...new Set(namespaces)].slice(0, MAX_NAMESPACES);
  const rights = [
    judgeRights(ask, "Your rights to look", {}, TO_LOOK, "failed", VIEWER),
    judgeRights(ask, "Your rights to look closer", {}, TO_LOOK_CLOSER, "warning", VIEWER),
    judgeRights(
      ask,
      "Your rights to deploy",
      {},
      TO_DEPLOY,
      "warning",
      `whoever writes Onload resources needs them; an administrator can give them: ${bindCommand("deployer")}`,
    ),
    ...(examined.length > 0
      ? [
          judgeRights(
            ask,
            "Your rights for doctor",
            {},
            toExamine(examined),
            "warning",
            `an administrator can give you these rights: ${bindCommand("doctor", examined.length === 1 ? examined[0] : undefined)}`,
          ),
        ]
      : []),
    ...operators.map((operator) => operatorsRights(ask, operator)),
  ];
  const capabilities = "value" in crds ? kmmCapabilities(crds.value) : undefined;
  const context: Context = {
    client,
    ask,
    nodes,
    kmm: kmmFor(capabilities),
    isSupposed: supposed !== undefined,
    isOpenShift: "value" in crds && crds.value.some(({ metadata }) => metadata.name === SCC_CRD),
    signal,
  };
  const findings = [
    judgeVersion(version),
    ...judgeCrds(crds),
    ...(capabilities ? [judgeKmmOperator(kmmOperators)] : []),
    judgePolicies(policies, bindings, { onloads, nodes, crds }),
    judgeServing(serving, rivals),
    ...(await Promise.all(rights)),
  ];
  const resources = await Promise.all(
    ("value" in onloads ? onloads.value : []).map((raw) => checkResource(context, raw)),
  );
  if ("problem" in onloads) findings.push(finderOf("Onload resources")("unknown", onloads.problem));
  return {
    findings: [...findings, ...resources.flatMap((each) => each.findings)],
    images: [...new Set(resources.flatMap((each) => each.images))],
  };
}

async function operatorsRights(ask: Ask, operator: InstalledOperator): Promise<Finding> {
  const { namespace, account } = operator;
  const finding = await judgeRights(
    ask,
    "The operator's rights",
    subjectOf(namespace, account),
    rightsToOperate(operator),
    "failed",
    `ServiceAccount "${printable(`${namespace}/${account}`, 150)}" needs them; install the operator again: onloadctl manifests install --image=IMAGE | kubectl apply --server-side --force-conflicts -f -`,
  );
  if (finding.result !== "unknown") return finding;
  return { ...finding, message: `${finding.message}; an administrator can run this check` };
}

/** What is the same for all resources. */
interface Context {
  client: Client;
  ask: Ask;
  nodes: Read<Node[]>;
  kmm: Kmm;
  /** Whether the resources are of a file. */
  isSupposed: boolean;
  isOpenShift: boolean;
  signal: AbortSignal;
}

async function checkResource(context: Context, given: RawOnload): Promise<Checked> {
  const { client, nodes, kmm, signal } = context;
  const { namespace = "", name } = given.metadata;
  const spec = finderOf(`${namespace}/${name}: spec`);
  const { raw, judged, isNew } = context.isSupposed
    ? await asApplied(context, given, spec)
    : { raw: given, judged: undefined, isNew: false };
  const { onload, problem } = readOnload(raw);
  const wrong: Finding[] = judged ? [judged] : [];
  if (judged?.result !== "failed") {
    // Fields of a resource of the cluster that this program does not know, a newer CRD knows.
    const fields = judged?.result === "unknown" ? unknownFieldsText(raw.spec) : undefined;
    for (const text of [problem?.message, fields]) if (text !== undefined) wrong.push(spec("failed", text));
  }
  if (!onload) {
    return { findings: wrong.length > 0 ? wrong : [spec("failed", "It cannot be read")], images: [] };
  }
  const one = (resource: Resource, ref: { namespace?: string; name: string }): Promise<Read<KubeObject | undefined>> =>
    read(() => client.get<KubeObject>(resource, ref, { signal }));
  const [account, constraints, secrets, itsNamespace, images] = await Promise.all([
    one(SERVICE_ACCOUNTS, { namespace, name: accountOf(onload) }),
    context.isOpenShift ? constraintsOf(context, namespace, accountOf(onload)) : undefined,
    secretsOf(context, onload),
    one(NAMESPACES, { name: namespace }),
    kmm.tellsImages ? imagesKnown(client, { namespace, name }, signal) : undefined,
  ]);
  // The pods of a resource that is applied have been tried by their controllers, and the status quotes what refuses them.
  const pods = context.isSupposed ? await podsOf(context, onload, account, isNew) : undefined;
  const known = { account, secrets, namespace: itsNamespace, images, ...(pods ? { pods } : {}) };
  const facts: ResourceFacts = { onload, nodes, kmm, ...known, ...(constraints ? { constraints } : {}) };
  const uses = usesOf(onload, "problem" in nodes ? [] : nodes.value, kmm);
  return { findings: [...wrong, ...judgeResource(facts)], images: uses.flatMap(({ image }) => image ?? []) };
}

/**
 * A resource as it would be if it were applied, and what the API server says of it. It says nothing if the caller may not
 * apply it, or if its namespace or its kind are not there yet, which are findings of their own.
 */
async function asApplied(
  { client, ask, signal }: Context,
  given: RawOnload,
  finding: Finder,
): Promise<{ raw: RawOnload; judged: Finding; isNew: boolean }> {
  try {
    const { live, applied } = await suppose(client, given, signal);
    return { raw: applied, judged: finding("ok", "The API server accepts it"), isNew: live === undefined };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const [detail, reason] = [error.detail, refusalText(error)];
    const isUnasked = isNotFound(error) || (isForbidden(error) && !(await mayDeploy(ask)));
    const judged = isUnasked
      ? finding("unknown", `The API server does not say whether it would accept it. ${reason}`)
      : finding("failed", `The API server refuses it: ${refusedBecause(error, given) ?? printable(detail, 1000)}`);
    return { raw: given, judged, isNew: false };
  }
}

async function mayDeploy(ask: Ask): Promise<boolean> {
  return (await Promise.all(TO_DEPLOY.map((right) => ask({}, right)))).every(Boolean);
}

/** What the API server says of the pods of a resource that is not applied; undefined if its namespace is not there. */
async function podsOf(
  { client, kmm, signal }: Context,
  onload: DeepReadonly<Onload>,
  account: Read<KubeObject | undefined>,
  isNew: boolean,
): Promise<PodTrial | undefined> {
  const withoutAccount = "value" in account && account.value === undefined;
  try {
    return await tryPods(client, onload, { kmm, withoutAccount, hasAll: !isNew }, signal);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function constraintsOf(
  { client, ask, signal }: Context,
  namespace: string,
  account: string,
): Promise<Read<string | undefined>> {
  const readAll = async (): Promise<SecurityContextConstraints[]> =>
    (await client.list<SecurityContextConstraints>(SECURITY_CONTEXT_CONSTRAINTS, { signal })).items;
  return read(() => usableConstraints(ask, readAll, namespace, account));
}

async function secretsOf(
  { client, signal }: Context,
  { metadata, spec }: DeepReadonly<Onload>,
): Promise<Map<string, Read<boolean>>> {
  const names = (spec.imagePullSecrets ?? []).flatMap(({ name }) => name || []).slice(0, MAX_SECRETS);
  const look = async (name: string): Promise<[string, Read<boolean>]> => {
    const ref = { namespace: metadata.namespace, name };
    return [name, await read(async () => (await client.getMetadata(SECRETS, ref, { signal })) !== undefined)];
  };
  return new Map(await Promise.all(names.map(look)));
}

/** What KMM knows of a resource's images; undefined if it does not say. */
async function imagesKnown(
  client: Client,
  { namespace, name }: OnloadKey,
  signal: AbortSignal,
): Promise<ResourceFacts["images"]> {
  const of = async (module: string): Promise<ReturnType<typeof moduleImages>> => {
    const [config, pods] = await Promise.all([
      client.get<ModuleImagesConfig>(MODULE_IMAGES_CONFIGS, { namespace, name: module }, { signal }),
      client.list<Pod>(PODS, { namespace, labelSelector: `${KMM_IMAGE_OWNER_LABEL}=${module}`, signal }),
    ]);
    return moduleImages(config, pods.items);
  };
  const known = await read(async () => ({
    onload: await of(onloadModuleName(name)),
    sfc: await of(sfcModuleName(name)),
  }));
  return "value" in known ? known.value : undefined;
}

/** Asks the API server's authorizers. Their answers are stored nowhere. */
function asker({ transport }: Client, signal: AbortSignal): Ask {
  return ({ user, groups }, { namespace, ...attributes }) => {
    const resourceAttributes = { ...attributes, ...(namespace === undefined ? {} : { namespace }) };
    return user === undefined
      ? isAllowed(transport, "SelfSubjectAccessReview", { resourceAttributes }, { signal })
      : isAllowed(transport, "SubjectAccessReview", { resourceAttributes, user, groups }, { signal });
  };
}
