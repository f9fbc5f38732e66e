/** What each node is at, as `onloadctl status` reads it. */
import { read, type Read } from "../check/read.ts";
import type { Logger } from "../cli/log.ts";
import type { Client } from "../kube/client.ts";
import { NODES } from "../kube/resource.ts";
import type { DeepReadonly, Node } from "../api/core.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { parseQuantity } from "../api/quantity.ts";
import { NotInstalledError, Session } from "../operator/view/session.ts";
import { isUnserved, remedyOf } from "../operator/view/serving.ts";
import { describeStatus } from "../operator/view/status-view.ts";
import type { Candidates, NodeFacts, Rollout } from "./facts.ts";
import { refusalText } from "../kube/refusal-text.ts";

/** What the Onload resources have; why that is not known. */
export type Rollouts = Read<{
  /** How many there are; undefined: their CRD is not installed. */
  resources: number | undefined;
  /** See NodeFacts. */
  unserved: NodeFacts["unserved"];
  /** By name of the node. */
  nodes: ReadonlyMap<string, Rollout>;
}>;

/** @throws ConnectionError if the API server does not answer */
export async function readRollouts(client: Client, log: Logger, now: number, signal: AbortSignal): Promise<Rollouts> {
  const opened = await read(() => opening(client, log, signal), { textOf: refusalText });
  if ("problem" in opened) return opened;
  const session = opened.value;
  if (session === undefined) return { value: { resources: undefined, unserved: undefined, nodes: new Map() } };
  try {
    const observed = await session.observe(undefined, now, signal);
    const serving = await session.serving(now, signal);
    const described = describeStatus(observed, now);
    const found = new Map<string, Rollout>();
    observed.forEach(({ onload, planned }, i) => {
      const { namespace, name, nodes } = described[i]!;
      const facts = new Map(planned?.plan.nodes.map((node) => [node.facts.name, node.facts]));
      for (const status of nodes) {
        const of = facts.get(status.node)!;
        // The resource that keeps a node says more than one that only selects it too.
        if (of.keptBy !== undefined && found.has(status.node)) continue;
        found.set(status.node, {
          onload: `${namespace}/${name}`,
          status,
          module: of.onload.ready,
          library: of.plugin.version,
          refusal: of.plugin.refusal,
          setPreload: onload?.spec.devicePlugin.setPreload ?? true,
        });
      }
    });
    const unserved = isUnserved(serving) ? { seen: serving.message, todo: remedyOf(serving) } : undefined;
    return { value: { resources: observed.length, unserved, nodes: found } };
  } finally {
    await session.close();
  }
}

/** undefined if Onload's CRD is not installed. */
async function opening(client: Client, log: Logger, signal: AbortSignal): Promise<Session | undefined> {
  try {
    return await Session.open(client, undefined, log, signal);
  } catch (error) {
    if (error instanceof NotInstalledError) return undefined;
    throw error;
  }
}

/** Every node as a candidate, whether an Onload resource selects it or not. */
export async function readCandidates(
  client: Pick<Client, "list">,
  rollouts: Rollouts,
  signal: AbortSignal,
): Promise<Read<Candidates>> {
  if ("problem" in rollouts) return rollouts;
  const { resources, nodes: byName } = rollouts.value;
  const look = async (): Promise<Candidates> => {
    const { items } = await client.list<Node>(NODES, { transform: trimmed, signal });
    const nodes = items.map((node) => {
      const { name, labels = {} } = node.metadata;
      return { name, labels, ...conditionOf(node), rollout: byName.get(name) };
    });
    return { resources, nodes };
  };
  return read(look, { textOf: refusalText });
}

/** Nodes are large, and there may be thousands. */
function trimmed({ apiVersion, kind, metadata, status }: Node): Node {
  const { conditions = [], allocatable } = status ?? {};
  const { name, labels } = metadata;
  return { apiVersion, kind, metadata: { name, labels }, status: { conditions, allocatable } } as Node;
}

function conditionOf({ status }: DeepReadonly<Node>): { ready: boolean; allocatable: number } {
  return {
    ready: (status?.conditions ?? []).some((each) => each.type === "Ready" && each.status === "True"),
    allocatable: parseQuantity(status?.allocatable?.[ONLOAD_RESOURCE] ?? 0) ?? 0,
  };
}

/** A node's readiness and devices. */
export function readNode(client: Pick<Client, "get">, name: string, signal: AbortSignal): Promise<NodeFacts["node"]> {
  const look = async () => {
    const node = await client.get<Node>(NODES, { name }, { signal });
    return node && conditionOf(node);
  };
  return read(look, { textOf: refusalText });
}
