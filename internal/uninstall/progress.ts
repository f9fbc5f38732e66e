/** How far the nodes are cleaned, in words. Pure. */
import { counted } from "../cli/counted.ts";
import { REASON } from "../api/reasons.ts";
import { printable } from "../cli/printable.ts";
import { obstacleTexts } from "../operator/view/obstacles.ts";
import type { NodeObstacles, ObstaclesByNode } from "./obstacles.ts";
import type { NodeStatus, ResourceStatus } from "../operator/view/status-view.ts";

/** So many nodes of a resource are named; the others are counted. */
const NAMED = 5;

/** Reasons in the status that say why an object or the finalizer does not go. */
const REFUSED: readonly string[] = [REASON.ApplyFailed, REASON.StepFailed];

/** How far the nodes are. */
export interface CleaningProgress {
  /** One line for each resource. */
  lines: string[];
  /** Changes whenever anything moves. */
  position: string;
}

/** How far the nodes of resources that are being deleted are. */
export function cleaningProgress(resources: readonly ResourceStatus[], obstacles: ObstaclesByNode): CleaningProgress {
  return {
    lines: resources.map((resource) =>
      printable(`${resource.namespace}/${resource.name}: ${textOf(resource, obstacles)}`, Infinity),
    ),
    position: JSON.stringify(
      resources.map(({ namespace, name, nodes }) => [namespace, name, nodes.map(({ node, state }) => [node, state])]),
    ),
  };
}

function textOf({ nodes, status, message }: ResourceStatus, obstacles: ObstaclesByNode): string {
  if (nodes.length === 0) {
    // Any other message is of a moment ago, when there still were nodes.
    const refusal = REFUSED.includes(status) ? ` (${printable(message)})` : "";
    return `every node is clean; its objects are being removed${refusal}`;
  }
  // Nodes that are worked on come first, then those that only wait.
  const order = nodes.toSorted((a, b) => weight(a) - weight(b));
  const named = order.slice(0, NAMED).map((each) => nodeText(each, obstacles.get(each.node)));
  const more = nodes.length > NAMED ? [`and ${nodes.length - NAMED} more`] : [];
  return `${counted(nodes.length, "node")} to clean: ${[...named, ...more].join("; ")}`;
}

function weight({ failed, step }: NodeStatus): number {
  if (failed) return 0;
  return step === "NoFreeSlot" || step === "None" ? 2 : 1;
}

function nodeText({ node, state, step, why }: NodeStatus, found: NodeObstacles | undefined): string {
  const doing = step === "None" ? state : `${state}, ${step}`;
  const obstacles = found ? obstacleTexts(found.obstacles, found.force, why) : [];
  const reasons = [why, ...obstacles].filter((each) => each !== "");
  return [`${node} (${doing})`, ...(reasons.length > 0 ? [printable(reasons.join(", "))] : [])].join(" ");
}
