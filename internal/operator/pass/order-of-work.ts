/** In which order one pass sets labels and applies objects. Pure. */
import type { RolloutPlan } from "../rollout/plan.ts";
import type { StepName } from "../rollout/steps.ts";

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
