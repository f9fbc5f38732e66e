/** In which order one pass sets labels and applies objects, and what waits if objects are missing. Pure. */
import { isDue, needsFreshNode } from "./rollout/patch.ts";
import type { RolloutPlan } from "./rollout/plan.ts";
import type { NodeState } from "./rollout/state.ts";
import type { StepName } from "./rollout/table.ts";

/** Steps of nodes that have nothing yet. */
const INSTALLING: ReadonlySet<StepName> = new Set<StepName>(["None", "Wait", "Install"]);

/**
 * Which comes first. While nodes are only installed, labels come before the objects that they refer to: KMM and the
 * DaemonSet controller then see all nodes of a new resource at once, instead of going over all nodes for each one that
 * is labelled. In all other cases a node must find the objects of the version that its labels ask for.
 */
export function firstOf(plan: RolloutPlan): "labels" | "objects" {
  return plan.nodes.every(({ step }) => INSTALLING.has(step)) ? "labels" : "objects";
}

const STARTING: ReadonlySet<NodeState> = new Set<NodeState>(["Outdated", "PluginOutdated"]);

/** The plan in which nodes that serve stay as they are, because what they would get is not in the cluster. */
export function withoutStarts(plan: RolloutPlan): RolloutPlan {
  return { ...plan, nodes: plan.nodes.map((node) => (STARTING.has(node.state) ? { ...node, step: "None" } : node)) };
}

/** Names of the nodes whose steps may only be taken on the node exactly as it was seen. */
export function freshNodes({ nodes }: RolloutPlan): string[] {
  return nodes.filter((node) => isDue(node) && needsFreshNode(node)).map(({ facts }) => facts.name);
}
