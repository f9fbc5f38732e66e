/** The chain of one pod, from its request to its sockets. Pure. */
import { counted } from "../cli/counted.ts";
import type { Container, DeepReadonly, Pod } from "../api/core.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { firstFew } from "../cli/first-few.ts";
import { parseTime } from "../kube/times.ts";
import { holdsOnload, MIRROR_ANNOTATION } from "../operator/cache/holders.ts";
import { isFinished } from "../operator/cache/pods.ts";
import type { ProcessSettings } from "../acceleration/settings.ts";
import { checkNames, checkSettings } from "../profiles/check.ts";
import type { ContainerAnswer } from "./answer.ts";
import type { NodeFacts, PodFacts } from "./facts.ts";
import { admittedLink, stoppedContainers } from "./judge-admitted.ts";
import { candidatesLink } from "./judge-candidates.ts";
import { countersLink, filtersLink } from "./judge-counters.ts";
import { libraryLink } from "./judge-library.ts";
import { interfaceLink, socketsLink, stacksLink } from "./judge-network.ts";
import { nicNames, nodeLinks, NOT_REACHED } from "./judge-node.ts";
import { linkOf, worstVerdict, type Link, type LinkName } from "./links.ts";
import { asProcessHas, type ContainerSettings } from "./settings.ts";

const MAX_NAMED = 5;

/**
 * All links of a pod; after one without which there can be no other, no more.
 *
 * @param now milliseconds since the epoch
 */
export function podLinks(facts: PodFacts, now: number): Link[] {
  const { pod, node } = facts;
  const requested = requestedLink(pod);
  if (requested.verdict === "failed") return [requested];
  const settings = settingsLink(
    facts.settings.map((each) => asProcessHas(each, processSettings(facts, each.container))),
  );
  const scheduled = scheduledLink(facts);
  // What the nodes lack is why the scheduler has none.
  if (node === undefined) return [requested, candidatesLink(facts), scheduled, settings];
  return [
    requested,
    scheduled,
    admittedLink(facts, lastingHolders(pod)),
    ...nodeLinks(node, now),
    ...processLinks(pod, node),
    settings,
  ];
}

/** Containers that ask for Onload. */
export function holdingContainers({ spec }: DeepReadonly<Pod>): DeepReadonly<Container>[] {
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  return all.filter((container) => holdsOnload({ spec: { containers: [container] } } as unknown as DeepReadonly<Pod>));
}

/** Those of them that run as long as the pod does. */
function lastingHolders(pod: DeepReadonly<Pod>): DeepReadonly<Container>[] {
  const initial = new Set(pod.spec?.initContainers?.filter((each) => each.restartPolicy !== "Always"));
  return holdingContainers(pod).filter((container) => !initial.has(container));
}

function requestedLink(pod: DeepReadonly<Pod>): Link {
  const link = linkOf("requested");
  const holding = holdingContainers(pod);
  if (holding.length > 0) {
    const text = ({ name, resources }: (typeof holding)[number]): string =>
      `${name}: ${resources?.limits?.[ONLOAD_RESOURCE] ?? resources?.requests?.[ONLOAD_RESOURCE]}`;
    return link("ok", firstFew(holding, MAX_NAMED, text));
  }
  return link(
    "failed",
    `No container asks for ${ONLOAD_RESOURCE}`,
    `Set resources.limits "${ONLOAD_RESOURCE}": 1 in the container that runs the program`,
  );
}

function scheduledLink({ pod, events }: PodFacts): Link {
  const link = linkOf("scheduled");
  if (pod.spec?.nodeName) return link("ok", `To node ${pod.spec.nodeName}`);
  const condition = pod.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  const event = "value" in events ? events.value.find(({ reason }) => reason === "FailedScheduling") : undefined;
  const why = event?.message ?? condition?.message;
  if (why === undefined) {
    const name = pod.spec?.schedulerName ?? "default-scheduler";
    const todo = `Wait; if it stays so, see that the scheduler "${name}" runs${name === "default-scheduler" ? "" : ", or correct spec.schedulerName"}`;
    return link("warning", `The scheduler "${name}" has not said anything about it yet`, todo);
  }
  const todo = why.includes(`Insufficient ${ONLOAD_RESOURCE}`)
    ? "The link node says which nodes offer any; if all are taken, raise spec.devicePlugin.maxPodsPerNode"
    : "Correct what the scheduler names";
  return link("failed", `Not to any node: ${why}`, todo);
}

const PROCESS_LINKS: readonly LinkName[] = ["library", "interface", "stacks", "sockets", "filters"];

/** A kubelet that has lost its checkpoint starts pods without their devices until the plugin is back. */
const NO_DEVICE =
  "Delete the pod, so that its controller creates another: the kubelet may have started it without its device; or see the log of the container device-plugin";

const INIT_ONLY = "Only init containers ask for it, of which the kubelet tells no device plugin";

/** What is to be seen of the pod's processes. */
function processLinks(pod: DeepReadonly<Pod>, node: NodeFacts): Link[] {
  const { asked, rollout } = node;
  const unknown = (seen: string, todo = ""): Link[] => PROCESS_LINKS.map((name) => linkOf(name)("unknown", seen, todo));
  if (isFinished(pod)) return unknown("The pod has ended");
  if (asked === "none" || "problem" in asked) return unknown(NOT_REACHED);
  const found = containersOf(pod, asked.value.containers);
  const lasting = lastingHolders(pod);
  if (found.length === 0) {
    // pkg/kubelet/apis/podresources/server_v1.go leaves them out, while they run, too.
    if (lasting.length === 0) return unknown(INIT_ONLY);
    const started = parseTime(pod.metadata.creationTimestamp) ?? 0;
    const isYoung = asked.value.lookedAt === undefined || asked.value.lookedAt < started + YOUNG_MS;
    return isYoung
      ? unknown("The node has not looked into the pod since it was started", "Ask again in 30 s")
      : unknown("The kubelet has given the pod no device, as far as the device plugin knows", NO_DEVICE);
  }
  const interfaces = { nics: nicNames(node), acceleratesVeth: asked.value.node?.module.acceleratesVeth };
  const setPreload = "value" in rollout ? rollout.value?.setPreload : undefined;
  const stopped = new Set(stoppedContainers(pod, lasting).map(({ name }) => name));
  const { runtimeClassName } = pod.spec ?? {};
  const links = found.map((container) => {
    if (Object.values(container.processes).every((count) => count === 0) && container.processesCut === 0) {
      if (stopped.has(container.container)) return unknown("It does not run", "See admitted");
      if (runtimeClassName !== undefined) return unknown(...sandboxText(runtimeClassName));
    }
    const hasLibrary = (container.processes["mapped"] ?? 0) > 0;
    return [
      libraryLink(container, setPreload),
      interfaceLink(container, interfaces),
      stacksLink(container, hasLibrary),
      socketsLink(container, hasLibrary),
      filtersLink(container, asked.value.countersProblem),
      ...[countersLink(container, asked.value.countersProblem) ?? []].flat(),
    ];
  });
  const names = new Set(links.flatMap((each) => each.map(({ link }) => link)));
  return [...names].map((name) => {
    const having = found.flatMap((container, i) => {
      const link = links[i]!.find((each) => each.link === name);
      return link === undefined ? [] : [{ container, link }];
    });
    return merged(
      name,
      having.map(({ container }) => container),
      having.map(({ link }) => link),
    );
  });
}

/** Only the RuntimeClass and the node's runtime know, and people may not read the one, nor anybody here the other. */
function sandboxText(runtimeClass: string): [seen: string, todo: string] {
  return [
    `None of its processes is on the node: the runtime class "${runtimeClass}" may run them on a kernel of their own, which has no Onload`,
    "Ask again in 30 s; if it stays so, use a runtime class that runs programs on the node's kernel",
  ];
}

/** The containers of a pod among those of a node. The kubelet knows a static pod by another UID than the API server. */
export function containersOf<C extends Pick<ContainerAnswer, "namespace" | "pod" | "podUid">>(
  { metadata }: DeepReadonly<Pod>,
  all: readonly C[],
): C[] {
  const uids = [metadata.uid, metadata.annotations?.[MIRROR_ANNOTATION]];
  return all.filter(
    ({ namespace, pod, podUid }) => namespace === metadata.namespace && pod === metadata.name && uids.includes(podUid),
  );
}

/** A look may have begun before the kubelet had told of the pod. */
const YOUNG_MS = 60_000;

/** One link of several containers, each named if there is more than one. */
function merged(name: LinkName, containers: readonly ContainerAnswer[], links: readonly Link[]): Link {
  const [first] = links;
  if (links.length === 1) return first!;
  const seen = firstFew(
    links.map((each, i) => `${containers[i]!.container}: ${each.seen}`),
    MAX_NAMED,
  );
  const todo = [...new Set(links.map((each) => each.todo).filter((text) => text !== ""))].join("; ");
  return linkOf(name)(worstVerdict(links.map(({ verdict }) => verdict)), seen, todo);
}

/** The EF_ variables of a process of a container, as its node sees them; undefined if it does not. */
function processSettings({ pod, node }: PodFacts, container: string): ProcessSettings | undefined {
  const asked = node?.asked;
  if (asked === undefined || asked === "none" || "problem" in asked || isFinished(pod)) return undefined;
  return containersOf(pod, asked.value.containers).find((each) => each.container === container)?.settings;
}

/** What is no part of the pod: its image, a script that starts the program, and a profile of `onload -p`. */
const ELSEWHERE = "those that its image or a script sets are not known before a process has them";

/** EF_ variables that Onload does not know or that make no sense together. */
function settingsLink(all: readonly ContainerSettings[]): Link {
  const link = linkOf("settings");
  const problems = all.flatMap(({ container, settings, withoutValue = [] }) =>
    [...checkSettings(settings), ...checkNames(withoutValue)].map(
      ({ name, message }) => `${all.length > 1 ? `${container}: ` : ""}${name}: ${message}`,
    ),
  );
  const unread = [...new Set(all.flatMap((each) => each.unread))];
  const notRead = unread.length === 0 ? "" : `not read: ${firstFew(unread, MAX_NAMED)}`;
  const hidden = all.flatMap(({ withoutValue = [] }) => withoutValue);
  const count = all.reduce((total, { settings }) => total + Object.keys(settings).length, hidden.length);
  const isOfProcesses = all.length > 0 && all.every(({ withoutValue }) => withoutValue !== undefined);
  if (problems.length > 0) {
    const seen = [firstFew(problems, MAX_NAMED), notRead].filter((text) => text !== "").join("; ");
    return link("warning", seen, "Correct them: Onload uses other values instead");
  }
  const where = isOfProcesses ? "in the environment of its process" : "in the pod's spec";
  const had = `${count === 0 ? "No EF_ variables" : counted(count, "EF_ variable")} ${where}`;
  const seen = count === 0 ? had : `${had}, nothing wrong`;
  if (notRead !== "") return link("unknown", `${seen}; ${notRead}`);
  if (hidden.length > 0) return link("ok", `${seen}; without the values of ${firstFew(hidden, MAX_NAMED)}`);
  return link("ok", isOfProcesses ? seen : `${seen}; ${ELSEWHERE}`);
}
