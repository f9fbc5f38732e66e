/** What of a resource nobody acts on, in words. Pure. */
import { firstFew } from "../../cli/first-few.ts";
import { printable } from "../../cli/printable.ts";
import { formatAge } from "../../cli/table.ts";
import type { BootMachineConfig } from "../../api/boot-status.ts";
import type { DeepReadonly, KubeObject } from "../../api/core.ts";
import { FINALIZER } from "../../api/names.ts";
import type { Onload, OnloadStatus } from "../../api/onload.ts";
import { parseTime } from "../../kube/times.ts";
import { isUnserved, type Serving } from "./serving.ts";

/** A change counts as not looked at after this time: an operator that is busy needs a moment. */
const LAG_MS = 60_000;

type Metadata = DeepReadonly<KubeObject["metadata"]>;
type Resource = { readonly metadata: Metadata; readonly status?: unknown };

/** Whether a status is that of another generation. */
export function isBehind({ metadata, status }: Resource): boolean {
  return metadata.generation !== (status as DeepReadonly<OnloadStatus> | undefined)?.observedGeneration;
}

/**
 * When a resource itself, not its status, was last changed, in milliseconds since the epoch.
 *
 * @param metadata with managedFields, which tell of changes
 */
export function changedAt({ managedFields = [], deletionTimestamp, creationTimestamp }: Metadata): number | undefined {
  const changes = managedFields.filter(({ subresource }) => subresource === undefined).map(({ time }) => time);
  const times = [...changes, deletionTimestamp, creationTimestamp].flatMap((time) => parseTime(time) ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}

/**
 * What a person has to know beside the status.
 *
 * @param changed see {@link changedAt}
 * @param now milliseconds since the epoch
 */
export function attentionOf(
  resource: Resource,
  serving: Pick<Serving, "state">,
  changed: number | undefined,
  now: number,
): string[] {
  const { metadata } = resource;
  const deleted = parseTime(metadata.deletionTimestamp);
  const unserved = isUnserved(serving);
  const lines: string[] = [];
  if (deleted !== undefined && unserved && metadata.finalizers?.includes(FINALIZER)) {
    lines.push(
      `It was deleted ${formatAge(now - deleted)} ago, and no operator handles its finalizer ${FINALIZER}: run \`onloadctl uninstall\` to clean the nodes and remove all of Onload, or bring the operator back, which goes on with the deletion`,
    );
  }
  if (!isBehind(resource) || changed === undefined || now - changed < LAG_MS) return lines;
  const seen = (resource.status as DeepReadonly<OnloadStatus> | undefined)?.observedGeneration;
  const status = seen === undefined || seen < 0 ? "it has no status yet" : `its status is of generation ${seen}`;
  const advice = unserved ? "what the status says is old" : "see the operator's log";
  lines.push(
    `No operator has looked at its generation ${metadata.generation} for ${formatAge(now - changed)} (${status}): ${advice}`,
  );
  return lines;
}

/**
 * Says so if it is a guess on which nodes sfc is left to the node itself. It matters only for a resource that manages sfc.
 *
 * @param machineConfigs those of the sfc boot service
 * @param pools how many MachineConfigPools could be read
 */
export function sfcGuess(
  { spec }: DeepReadonly<Onload>,
  machineConfigs: readonly DeepReadonly<BootMachineConfig>[],
  pools: number,
): string | undefined {
  if (machineConfigs.length === 0 || pools > 0) return undefined;
  if (!spec.onload.kernelMappings.some(({ sfc }) => sfc !== undefined)) return undefined;
  const names = firstFew(machineConfigs, 3, ({ metadata }) => `"${printable(metadata.name, 100)}"`);
  return `Which nodes load sfc at boot is a guess, by the role in the labels of MachineConfig ${names}: the MachineConfigPools, which decide it, do not exist or you may not list them`;
}
