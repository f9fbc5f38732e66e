/** What each node is at, as `onloadctl status` reads it. */
import { read, type Read } from "../check/read.ts";
import type { Logger } from "../cli/log.ts";
import type { Client } from "../kube/client.ts";
import { NODES } from "../kube/resource.ts";
import type { Node } from "../api/core.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { parseQuantity } from "../api/quantity.ts";
import { Session } from "../operator/view/session.ts";
import { describeStatus } from "../operator/view/status-view.ts";
import type { NodeFacts, Rollout } from "./facts.ts";
import { refusalText } from "./refusal.ts";

/** Nodes by name, as the Onload resources have them; why that is not known. */
export type Rollouts = Read<ReadonlyMap<string, Rollout>>;

/** @throws ConnectionError if the API server does not answer */
export async function readRollouts(client: Client, log: Logger, now: number, signal: AbortSignal): Promise<Rollouts> {
  const opened = await read(() => Session.open(client, undefined, log, signal), { textOf: refusalText });
  if ("problem" in opened) return opened;
  const session = opened.value;
  try {
    const observed = await session.observe(undefined, now, signal);
    const described = describeStatus(observed, await session.serving(now, signal), now);
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
    return { value: found };
  } finally {
    await session.close();
  }
}

/** A node's readiness and devices. */
export function readNode(client: Pick<Client, "get">, name: string, signal: AbortSignal): Promise<NodeFacts["node"]> {
  const look = async () => {
    const node = await client.get<Node>(NODES, { name }, { signal });
    if (!node) return undefined;
    const { conditions = [], allocatable } = node.status ?? {};
    return {
      ready: conditions.some(({ type, status }) => type === "Ready" && status === "True"),
      allocatable: parseQuantity(allocatable?.[ONLOAD_RESOURCE] ?? 0) ?? 0,
    };
  };
  return read(look, { textOf: refusalText });
}
