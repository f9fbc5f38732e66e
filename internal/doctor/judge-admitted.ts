/** The link of a pod's start: whether the kubelet took it, and whether what asks for Onload runs. Pure. */
import type { Container, ContainerState, DeepReadonly, Pod } from "../api/core.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { firstFew } from "../cli/first-few.ts";
import { isFinished } from "../operator/cache/pods.ts";
import type { PodFacts, SeenEvent } from "./facts.ts";
import { linkOf, type Link } from "./links.ts";

const MAX_NAMED = 5;
const ENDED = "Only what runs can be looked into";

/** A container that asks for Onload and does not run. */
interface Stopped {
  name: string;
  /** What the kubelet waits for, in its words; undefined: it says nothing. */
  waiting: string | undefined;
  /** How it ended last; undefined: it is not known. */
  exit: { code: number; text: string } | undefined;
}

/** @param holding the containers that ask for Onload */
export function admittedLink({ pod, events }: PodFacts, holding: readonly DeepReadonly<Container>[]): Link {
  const link = linkOf("admitted");
  const { phase, reason, message, containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const statuses = [...initContainerStatuses, ...containerStatuses];
  if (phase === "Failed" && reason !== undefined && !statuses.some(({ containerID }) => containerID)) {
    const why = message ?? eventText(events, reason);
    return link("failed", `The kubelet did not run it: ${reason}: ${why}`, refusalTodo(reason));
  }
  const stopped = stoppedContainers(pod, holding);
  if (isFinished(pod)) return endedLink(pod, stopped);
  if (phase === "Running") return stopped.length === 0 ? link("ok", "It runs") : stoppedLink(pod, stopped);
  const waiting = statuses.flatMap(({ state }) => (state?.waiting?.reason === undefined ? [] : [state.waiting]));
  // What keeps the kubelet from making the pod at all is said of no container.
  const wrong = waiting.find((each) => !ON_THE_WAY.has(each.reason)) ?? newestWarning(events);
  const shown = wrong ?? waiting[0];
  const why = shown === undefined ? "" : `: ${wordsOf(shown)}`;
  return link(
    wrong ? "failed" : "warning",
    `It has not been started${why}`,
    `See \`kubectl describe pod ${pod.metadata.name} -n ${pod.metadata.namespace}\``,
  );
}

/**
 * Those that ask for Onload, were started and do not run now. Kubernetes calls a pod Running, too, whose containers end again
 * and again. An init container that is no sidecar is to end.
 */
export function stoppedContainers({ status }: DeepReadonly<Pod>, holding: readonly { name: string }[]): Stopped[] {
  const names = new Set(holding.map(({ name }) => name));
  const { containerStatuses = [], initContainerStatuses = [] } = status ?? {};
  return [...initContainerStatuses, ...containerStatuses].flatMap(({ name, containerID, state = {}, lastState }) => {
    if (!names.has(name) || !containerID || (state.waiting === undefined && state.terminated === undefined)) return [];
    return [{ name, waiting: state.waiting && wordsOf(state.waiting), exit: exitOf(state) ?? exitOf(lastState ?? {}) }];
  });
}

function exitOf({ terminated }: DeepReadonly<ContainerState>): Stopped["exit"] {
  if (terminated === undefined) return undefined;
  const { exitCode, reason } = terminated;
  return { code: exitCode, text: `ended with exit code ${exitCode}${reason === undefined ? "" : ` (${reason})`}` };
}

/** A pod of which one container is done, and another goes on, is as it should be. */
function stoppedLink({ metadata }: DeepReadonly<Pod>, stopped: readonly Stopped[]): Link {
  const link = linkOf("admitted");
  const seen = firstFew(stopped, MAX_NAMED, ({ name, waiting, exit }) => {
    const why = [waiting, exit && `it ${exit.text}`].filter((text) => text !== undefined).join("; ");
    return `${name} does not run${why === "" ? "" : `: ${why}`}`;
  });
  if (stopped.every(({ waiting, exit }) => waiting === undefined && exit?.code === 0)) {
    return link("warning", seen, ENDED);
  }
  const bad = stopped.find(({ waiting, exit }) => waiting !== undefined || exit?.code !== 0) ?? stopped[0]!;
  const logs = `See \`kubectl logs ${metadata.name} -n ${metadata.namespace} -c ${bad.name}\``;
  return link("failed", seen, [logs, ...loaderTodo(stopped)].join("; "));
}

function endedLink({ status }: DeepReadonly<Pod>, stopped: readonly Stopped[]): Link {
  const { phase, reason, message } = status ?? {};
  const exits = firstFew(
    stopped.filter(({ exit }) => exit !== undefined && exit.code !== 0),
    MAX_NAMED,
    ({ name, exit }) => `${name} ${exit!.text}`,
  );
  const why = reason === undefined ? exits : wordsOf({ reason, message });
  const seen = `It has ended${phase === undefined ? "" : ` (${phase})`}${why === "" ? "" : `: ${why}`}`;
  return linkOf("admitted")("warning", seen, [ENDED, ...loaderTodo(stopped)].join("; "));
}

/** The exit code of a loader that cannot load what it is told to; of a shell that finds no program, too. */
const LOADER_FAILED = 127;

function loaderTodo(stopped: readonly Stopped[]): string[] {
  if (!stopped.some(({ exit }) => exit?.code === LOADER_FAILED)) return [];
  return ["with 127 a loader ends that cannot load a library: if the image has musl, use one with the GNU C library"];
}

function refusalTodo(reason: string): string {
  if (reason === "UnexpectedAdmissionError" || reason === `OutOf${ONLOAD_RESOURCE}`) {
    return "Delete this pod; its controller then creates another. The link devices says what is wrong now";
  }
  if (reason === "TopologyAffinityError") {
    return "Its node must have all that it asks for on one NUMA node, that of the NIC (the kubelet's topologyManagerPolicy): ask for less or make room, then delete this pod; its controller creates another";
  }
  return "Correct what the kubelet names, then delete this pod; its controller creates another";
}

/** What the kubelet says of a container that waits for its turn (pkg/kubelet/kubelet_pods.go). Else something is wrong. */
const ON_THE_WAY: ReadonlySet<string | undefined> = new Set(["ContainerCreating", "PodInitializing"]);

function newestWarning(events: PodFacts["events"]): SeenEvent | undefined {
  return "value" in events ? events.value.find(({ reason }) => reason !== "FailedScheduling") : undefined;
}

function eventText(events: PodFacts["events"], wanted: string): string {
  const found = "value" in events ? events.value.find(({ reason }) => reason === wanted) : undefined;
  return found?.message ?? "";
}

function wordsOf({ reason, message }: { reason?: string | undefined; message?: string | undefined }): string {
  return [reason, message].filter((text) => text !== undefined && text !== "").join(": ");
}
