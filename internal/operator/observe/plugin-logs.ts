/** Device plugins that are Ready and offer nothing. Only their logs say why: they have no credentials for the API server. */
import { fieldsOf, parseJson } from "../../cli/json.ts";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import type { OnloadKey } from "../../api/names.ts";
import { LOG_HEALTHY, LOG_UNHEALTHY } from "../../api/plugin-pod.ts";
import { printable } from "../../cli/printable.ts";
import type { Stores } from "../cache/caches.ts";
import { isPluginOf, isReady } from "../cache/pods.ts";
import type { NodeObservation } from "./observation.ts";

/** The kubelet offers what a plugin has within a second; after this time something keeps it from that. */
export const SILENT_MS = 5000;
/** Most characters of what a plugin says. */
const MAX_REFUSAL = 600;
/** Most nodes whose plugins' logs are read for one plan: no status lists more. */
const MAX_NODES = 10;

/** Plugins whose logs are to be read, and when others may follow. */
export interface SilentPlugins {
  pods: DeepReadonly<Pod>[];
  /** In milliseconds; undefined: only with an event. */
  againMs: number | undefined;
}

interface Node extends Pick<NodeObservation, "name" | "ready" | "want" | "labels" | "onload" | "allocatable"> {
  plugin: Pick<NodeObservation["plugin"], "ready" | "since">;
}

/**
 * The plugins of a resource that are Ready, on loaded drivers, and offer nothing for a while.
 *
 * @param now milliseconds since the epoch
 */
export function silentPlugins(
  nodes: readonly Node[],
  key: OnloadKey,
  { plugins }: Pick<Stores, "plugins">,
  now: number,
): SilentPlugins {
  const silent = nodes.filter(
    ({ ready, want, labels, onload, plugin, allocatable }) =>
      ready &&
      want !== undefined &&
      labels.plugin === want &&
      onload.ready === want &&
      plugin.ready &&
      allocatable === 0,
  );
  const isYoung = ({ plugin }: Node): boolean => plugin.since !== undefined && now < plugin.since + SILENT_MS;
  const pods = silent
    .filter((node) => !isYoung(node))
    .slice(0, MAX_NODES)
    .flatMap(({ name }) => plugins.store.byIndex("node", name))
    .filter((pod) => isPluginOf(key, pod) && isReady(pod));
  return { pods, againMs: silent.some(isYoung) ? SILENT_MS : undefined };
}

/** Why a plugin offers nothing, from the end of its log; undefined if it does not say. */
export function refusalIn(log: string): string | undefined {
  for (const line of log.split("\n").toReversed()) {
    const { msg, problems } = parse(line);
    if (msg === LOG_HEALTHY) return undefined;
    if (msg !== LOG_UNHEALTHY || !Array.isArray(problems)) continue;
    const texts = problems.filter((each) => typeof each === "string");
    return texts.length === 0 ? undefined : printable(texts.join("; "), MAX_REFUSAL);
  }
  return undefined;
}

function parse(line: string): { msg?: unknown; problems?: unknown } {
  try {
    return fieldsOf(parseJson(line)) ?? {};
  } catch {
    // The first line may be cut, and other software writes its own.
    return {};
  }
}
