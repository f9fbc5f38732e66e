/**
 * Why the API server refuses the pods of a resource. A pod that was never made has neither status nor log: the only
 * witness is the event FailedCreate of the DaemonSet or Job that was to make it. Pure.
 */
import { printable } from "../../cli/printable.ts";
import { devicePluginName, onloadModuleName, sfcModuleName, type OnloadKey } from "../../api/names.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { lastSeen } from "../../kube/event.ts";
import type { Event } from "../../kube/kinds.ts";
import { remedyForRefusal } from "./refusal-remedy.ts";

/** Which pods of a resource. */
export type PodPurpose = "plugin" | "onload" | "sfc";

/** Why pods are refused, with what to do, by what they are for. */
export type PodRefusals = Readonly<Partial<Record<PodPurpose, string>>>;

/** The reason of such events (kubernetes, pkg/controller: FailedCreatePodReason). */
export const FAILED_CREATE = "FailedCreate";

/** The controllers of Kubernetes try again after 1,000 s at the latest (client-go, default rate limiter). */
const MAX_AGE_MS = 20 * 60_000;
/**
 * An event may seem so much older than the step that led to it: its time has no fractions of a second, and is of another
 * machine's clock.
 */
const CLOCK_MARGIN_MS = 5000;
/** Longest text that is quoted, in characters. */
const MAX_QUOTED = 1000;

/** What was said last of the pods of each purpose, and when, in milliseconds since the epoch. */
export type SaidOfPods = ReadonlyMap<PodPurpose, { at: number; text: string }>;

/**
 * What events of a resource's namespace say last of its pods.
 *
 * @param pluginUid uid of the device plugin's DaemonSet, so that one of the same name that is gone does not count;
 *   undefined if there is none. The names of KMM's objects are all that is known of them.
 */
export function saidOfPods(
  events: Iterable<DeepReadonly<Event>>,
  key: OnloadKey,
  pluginUid: string | undefined,
): SaidOfPods {
  const newest = new Map<PodPurpose, { at: number; text: string }>();
  for (const { reason, message, involvedObject = {}, ...times } of events) {
    const { kind = "", name = "", uid } = involvedObject;
    const purpose = purposeOf(name, key);
    if (reason !== FAILED_CREATE || purpose === undefined || !message) continue;
    if (purpose === "plugin" && (pluginUid === undefined || uid !== pluginUid)) continue;
    const at = lastSeen(times);
    if (at === undefined || (newest.get(purpose)?.at ?? -Infinity) >= at) continue;
    newest.set(purpose, { at, text: `${printable(`${kind} ${name}`, 100)}: ${quoted(message)}` });
  }
  return newest;
}

/**
 * The refusals of a resource's pods: what was said since the pod is awaited, if it is not too old to be of the last try.
 * What was said before may be of another time altogether: a node that comes to a step makes the controllers try at once.
 *
 * @param awaitedSince since when a pod is awaited, in milliseconds since the epoch
 * @param now milliseconds since the epoch
 */
export function refusalsSince(
  said: SaidOfPods,
  { namespace }: OnloadKey,
  awaitedSince: number,
  now: number,
): PodRefusals {
  const oldest = Math.max(awaitedSince - CLOCK_MARGIN_MS, now - MAX_AGE_MS);
  const present = [...said].filter(([, { at }]) => at >= oldest);
  const withRemedies = present.map(([purpose, { text }]): [PodPurpose, string] => [
    purpose,
    `${text}; ${remedyForRefusal(text, namespace)}`,
  ]);
  return Object.fromEntries(withRemedies);
}

/**
 * What the pods of an object are for. KMM gives its objects the Module's name and a suffix: that of the DaemonSets of KMM
 * 1.1, one for each kernel, is a hash of 64 bits (v1.1.0, internal/daemonset), and that of the Jobs that build or sign an
 * image is one that the API server makes.
 */
function purposeOf(name: string, key: OnloadKey): PodPurpose | undefined {
  if (name === devicePluginName(key.name)) return "plugin";
  const module = /^(.+?)-(?:(?:build|sign)-)?[a-z0-9]{1,16}$/.exec(name)?.[1];
  if (module === onloadModuleName(key.name)) return "onload";
  return module === sfcModuleName(key.name) ? "sfc" : undefined;
}

function quoted(message: string): string {
  // client-go's recorder begins so once it has merged several events into one.
  const bare = message.slice(0, 4 * MAX_QUOTED).replace(/^\(combined from similar events\): /, "");
  return printable(bare.replace(/^Error creating: /, ""), MAX_QUOTED);
}
