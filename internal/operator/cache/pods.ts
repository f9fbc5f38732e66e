/** Reading of pods: readiness, times, and what failed in them, in the kubelet's words. */
import { parseJson } from "../../cli/json.ts";
import type { ContainerStatus, DeepReadonly, Pod } from "../../api/core.ts";
import { devicePluginName, PLUGIN_NAME_LABEL, type OnloadKey } from "../../api/names.ts";
import { parseTime } from "../../kube/times.ts";
import { loginHint, secretsKey } from "./pull-login.ts";

/** Whether a pod is a resource's device plugin. */
export function isPluginOf({ namespace, name }: OnloadKey, { metadata }: DeepReadonly<Pod>): boolean {
  return metadata.namespace === namespace && metadata.labels?.[PLUGIN_NAME_LABEL] === devicePluginName(name);
}

/** Whether a pod is on its way out. */
export function isTerminating(pod: DeepReadonly<Pod>): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

/** Whether a pod has ended, well or not. */
export function isFinished(pod: DeepReadonly<Pod>): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed" || hasStopped(pod);
}

/**
 * Whether every container of a pod that is being deleted has ended. A finalizer may keep such a pod for ever, and before
 * Kubernetes 1.27 the kubelet left its phase at Running.
 */
function hasStopped(pod: DeepReadonly<Pod>): boolean {
  if (!isTerminating(pod)) return false;
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const ended = new Set(
    [...containerStatuses, ...initContainerStatuses].filter(({ state }) => state?.terminated).map(({ name }) => name),
  );
  return containers.length > 0 && [...containers, ...initContainers].every(({ name }) => ended.has(name));
}

/** Ready, and not on its way out. */
export function isReady(pod: DeepReadonly<Pod>): boolean {
  return !isTerminating(pod) && readyCondition(pod)?.status === "True";
}

/** When the pod was made or changed readiness, whichever is later, in milliseconds since the epoch. */
export function podSince(pod: DeepReadonly<Pod>): number | undefined {
  const times = [pod.metadata.creationTimestamp, readyCondition(pod)?.lastTransitionTime]
    .map(parseTime)
    .filter((time) => time !== undefined);
  return times.length > 0 ? Math.max(...times) : undefined;
}

function readyCondition(pod: DeepReadonly<Pod>): { status: string; lastTransitionTime?: string } | undefined {
  return pod.status?.conditions?.find(({ type }) => type === "Ready");
}

/** What the first of some pods that is not Ready is at, in the words of the kubelet or the scheduler. */
export function progressOf(pods: readonly DeepReadonly<Pod>[]): string | undefined {
  const pod = pods.find((each) => !isReady(each) && !isFinished(each));
  return pod && `pod ${pod.metadata.namespace}/${pod.metadata.name} ${progressText(pod)}`;
}

function progressText(pod: DeepReadonly<Pod>): string {
  const { conditions, initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  if (isTerminating(pod)) return "is ending";
  const scheduled = conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return `is not scheduled${colonText(scheduled.message)}`;
  const waiting = [...initContainerStatuses, ...containerStatuses].find(({ state }) => state?.waiting);
  const { reason, message } = waiting?.state?.waiting ?? {};
  if (reason === "ContainerCreating" || reason === "PodInitializing") {
    const image = pod.spec?.containers?.find(({ name }) => name === waiting?.name)?.image;
    return `is being started${image === undefined ? "" : `, or its image ${image} is pulled`}`;
  }
  if (reason !== undefined) return `waits in container ${waiting?.name}: ${reason}${colonText(message)}`;
  return pod.status?.phase === "Running" ? "runs, and is not Ready" : "has not been started";
}

/** Why a container waits when its image is the matter. ErrImagePull is left out: the kubelet tries again at once. */
const IMAGE_REASONS = new Set(["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"]);
/** Why a container waits when it cannot run. */
const RUN_REASONS = new Set([
  "CrashLoopBackOff",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
  "PostStartHookError",
  "StartError",
]);

/** Most of a log or of a hook's output that is quoted. */
const MAX_QUOTED_CHARACTERS = 600;

/** What failed in a pod. */
export interface PodFailure {
  kind: "image" | "run";
  /** Container, reason and message as the kubelet gives them. */
  message: string;
  /** The container, for its log. */
  container: string;
  /** What its postStart hook printed, which no log has: KMM 1.1 runs modprobe there. */
  hookOutput?: string;
}

/**
 * A failure's message, and what is known beside it.
 *
 * @param texts what the pods' logs tell, by the pods' uid, and their events; see secretsKey
 */
export function failureText(
  pod: DeepReadonly<Pod>,
  { kind, message, hookOutput }: PodFailure,
  texts: ReadonlyMap<string, string>,
): string {
  const uid = pod.metadata.uid ?? "";
  const text = hookOutput ?? texts.get(kind === "image" ? secretsKey(uid) : uid);
  if (!text) return message;
  return kind === "image" ? `${message}; ${text}` : `${message}; its log ends: ${text}`;
}

/** What the kubelet reports as failed in a pod, if anything. A pod on its way out is ended by a signal: that is no failure. */
export function podFailure(pod: DeepReadonly<Pod>): PodFailure | undefined {
  if (isTerminating(pod)) return undefined;
  const { initContainerStatuses = [], containerStatuses = [], phase, message, reason } = pod.status ?? {};
  for (const status of [...initContainerStatuses, ...containerStatuses]) {
    const failure = containerFailure(status);
    if (!failure) continue;
    const hint = failure.kind === "image" ? loginHint(pod, status.state?.waiting?.message) : "";
    return { ...failure, message: `Pod ${pod.metadata.name}: ${failure.message}${hint}` };
  }
  if (phase !== "Failed") return undefined;
  const why = [reason, message].filter(Boolean).join(": ") || "failed";
  return { kind: "run", message: `Pod ${pod.metadata.name}: ${why}`, container: "" };
}

function containerFailure(status: DeepReadonly<ContainerStatus>): PodFailure | undefined {
  const { name, state, lastState } = status;
  const waiting = state?.waiting;
  const ended = state?.terminated ?? lastState?.terminated;
  const exit = ended && ended.exitCode !== 0 ? `exit code ${ended.exitCode}${colonText(ended.message)}` : undefined;
  if (waiting?.reason && IMAGE_REASONS.has(waiting.reason)) {
    return {
      kind: "image",
      container: name,
      message: `container ${name}: ${waiting.reason}${colonText(waiting.message)}`,
    };
  }
  if (waiting?.reason && RUN_REASONS.has(waiting.reason)) {
    const hook = waiting.reason === "PostStartHookError" ? outputOfHook(waiting.message) : undefined;
    const reason = exit ?? colonText(waiting.message).slice(2);
    return {
      kind: "run",
      container: name,
      message: `container ${name}: ${waiting.reason}${reason ? `: ${reason}` : ""}`,
      ...(hook ? { hookOutput: hook } : {}),
    };
  }
  if (state?.terminated && exit) return { kind: "run", container: name, message: `container ${name}: ${exit}` };
  return undefined;
}

function colonText(message: string | undefined): string {
  return message ? `: ${message.trim().replace(/\s+/g, " ").slice(0, 500)}` : "";
}

/** The hook's own words, which the kubelet puts last and in Go's quotes: `Exec lifecycle hook ... failed - error: ..., message: "..."`. */
function outputOfHook(message: string | undefined): string | undefined {
  const quoted = /, message: ("(?:[^"\\]|\\.)*")$/s.exec(message?.trim() ?? "")?.[1];
  if (quoted === undefined) return undefined;
  try {
    return oneLine(parseJson(quoted) as string);
  } catch {
    // An escape that Go knows and JSON does not.
    return oneLine(quoted.slice(1, -1));
  }
}

/** A log's lines on one line, its end if it is long. */
export function oneLine(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, " | ")
    .slice(-MAX_QUOTED_CHARACTERS);
}
