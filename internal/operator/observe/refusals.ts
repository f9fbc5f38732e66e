/**
 * Why the API server refuses the pods of a resource. A pod that was never made has neither status nor log: the only
 * witness is the event FailedCreate of the DaemonSet or Job that was to make it. Pure.
 */
import { printable } from "../../cli/printable.ts";
import { devicePluginName, onloadModuleName, sfcModuleName, type OnloadKey } from "../../api/names.ts";
import type { DeepReadonly } from "../../api/core.ts";
import type { Event } from "../../kube/kinds.ts";
import { parseTime } from "../../kube/times.ts";
import { remedyForRefusal } from "./refusal-remedy.ts";

/** Which pods of a resource. */
export type PodPurpose = "plugin" | "onload" | "sfc";

/** Why pods are refused, with what to do, by what they are for. */
export type PodRefusals = Readonly<Partial<Record<PodPurpose, string>>>;

/** The reason of such events (kubernetes, pkg/controller: FailedCreatePodReason). */
export const FAILED_CREATE = "FailedCreate";

/** The controllers of Kubernetes try again after 1,000 s at the latest (client-go, default rate limiter). */
const MAX_AGE_MS = 20 * 60_000;
/** Longest text that is quoted, in characters. */
const MAX_QUOTED = 1000;

/**
 * The refusals of a resource's pods among events of its namespace: the newest of each kind, if it is not too old to be
 * of the last try.
 *
 * @param pluginUid uid of the device plugin's DaemonSet, so that one of the same name that is gone does not count;
 *   undefined if it is not known
 * @param now milliseconds since the epoch
 */
export function refusalsIn(
  events: Iterable<DeepReadonly<Event>>,
  key: OnloadKey,
  pluginUid: string | undefined,
  now: number,
): PodRefusals {
  const newest = new Map<PodPurpose, { at: number; text: string }>();
  for (const { reason, message, involvedObject = {}, ...times } of events) {
    const { kind = "", name = "", uid } = involvedObject;
    const purpose = purposeOf(name, key);
    if (reason !== FAILED_CREATE || purpose === undefined || !message) continue;
    if (purpose === "plugin" && pluginUid !== undefined && uid !== pluginUid) continue;
    const at = lastSeen(times);
    if (at === undefined || now - at > MAX_AGE_MS || (newest.get(purpose)?.at ?? -Infinity) >= at) continue;
    newest.set(purpose, { at, text: `${printable(`${kind} ${name}`, 100)}: ${quoted(message)}` });
  }
  const withRemedies = [...newest].map(([purpose, { text }]): [PodPurpose, string] => [
    purpose,
    `${text}; ${remedyForRefusal(text, key.namespace)}`,
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

/** When an event happened last. Which field has that depends on the API and the client that wrote it. */
function lastSeen({ series, lastTimestamp, eventTime, firstTimestamp }: DeepReadonly<Times>): number | undefined {
  const times = [series?.lastObservedTime, lastTimestamp, eventTime, firstTimestamp].map(parseTime);
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.max(...known) : undefined;
}

type Times = Pick<Event, "series" | "lastTimestamp" | "eventTime" | "firstTimestamp">;

function quoted(message: string): string {
  // client-go's recorder begins so once it has merged several events into one.
  const bare = message.slice(0, 4 * MAX_QUOTED).replace(/^\(combined from similar events\): /, "");
  return printable(bare.replace(/^Error creating: /, ""), MAX_QUOTED);
}
