import { firstFew } from "../cli/first-few.ts";
import type { Client } from "../kube/client.ts";
import type { MachineConfigPool } from "../api/machine-config-pool.ts";
import { selects } from "../api/label-selector.ts";
import { MACHINE_CONFIG_POOLS } from "../api/resources.ts";
import { MACHINE_CONFIG_ROLE_LABEL } from "../api/boot-status.ts";
import { isNotFound } from "../kube/errors.ts";
import { printable } from "../cli/printable.ts";
import type { MachineConfig } from "./machine-config.ts";

/** Most pools that are named. */
const MAX_NAMED = 10;
const MAX_MESSAGE = 300;

const NO_POOLS =
  "The cluster has no MachineConfigPools, so that it cannot be said whether a node gets it: with a hosted control plane (HyperShift), put the MachineConfig into a ConfigMap that spec.config of the NodePool names";

/**
 * Why a MachineConfig reaches no node, or not all of its own, or why that is unknown, as a sentence; undefined if it reaches
 * them.
 *
 * @throws Error if the pools cannot be read
 */
export async function reachProblem(
  client: Pick<Client, "list">,
  config: MachineConfig,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { items } = await client.list<MachineConfigPool>(MACHINE_CONFIG_POOLS, { signal });
    return reachOf(config, items);
  } catch (error) {
    if (isNotFound(error)) return NO_POOLS;
    throw error;
  }
}

/** See {@link reachProblem}. Pure. */
export function reachOf({ metadata }: MachineConfig, pools: readonly MachineConfigPool[]): string | undefined {
  const role = metadata.labels[MACHINE_CONFIG_ROLE_LABEL] ?? "";
  const taking = pools.filter(({ spec }) => selects(spec?.machineConfigSelector, metadata.labels));
  const withNodes = pools.filter(({ status }) => (status?.machineCount ?? 0) > 0);
  const reached = taking.filter((pool) => withNodes.includes(pool));
  if (reached.length > 0) return stopOf(reached);
  const others = withNodes.length > 0 ? `; pools with nodes: ${names(withNodes)}` : "";
  const remedy = `give another --role, on a compact cluster --role=master${others}`;
  if (taking.length === 0) {
    return `No MachineConfigPool takes MachineConfigs of role "${role}", so that no node changes: ${remedy}`;
  }
  return `MachineConfigPool ${names(taking)}, which takes role "${role}", has no nodes, so that no node changes: ${remedy}`;
}

/** Why the nodes of pools stay as they are. */
function stopOf(pools: readonly MachineConfigPool[]): string | undefined {
  const paused = pools.filter(({ spec }) => spec?.paused === true);
  if (paused.length > 0) {
    const resume = `oc patch machineconfigpool ${paused.length > 1 ? "NAME" : names(paused)} --type=merge --patch '{"spec":{"paused":false}}'`;
    return `MachineConfigPool ${names(paused)} is paused, so that none of its nodes changes until: ${resume}`;
  }
  for (const pool of pools) {
    const degraded = pool.status?.conditions?.find(({ type, status }) => type === "Degraded" && status === "True");
    if (degraded === undefined) continue;
    const message = printable(degraded.message ?? "", MAX_MESSAGE);
    const name = names([pool]);
    return `MachineConfigPool ${name} is degraded, so that its nodes may not change${message === "" ? "" : `: ${message}`}; see \`oc describe machineconfigpool ${name}\``;
  }
  return undefined;
}

function names(pools: readonly MachineConfigPool[]): string {
  return firstFew(pools, MAX_NAMED, ({ metadata }) => printable(metadata.name, 100));
}
