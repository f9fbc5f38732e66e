/** Taints that keep a node as it is: nothing is taken down for a version that then could not come up. */
import type { NodeFacts } from "../assess/facts.ts";
import type { BlockingTaint, BlockingTaints } from "../assess/taints.ts";
import { rowOf, type NodeState } from "./states.ts";

/** A taint, and what does not tolerate it. */
export interface TaintAgainst extends BlockingTaint {
  by: keyof BlockingTaints;
}

/** The taint because of which a node is not begun with; undefined if there is none, or if the node has no way to go. */
export function taintAgainst({ taints, want }: NodeFacts, state: NodeState): TaintAgainst | undefined {
  if (want === undefined) return undefined;
  const { obstacle, serves, plugin } = rowOf(state);
  if (obstacle === "taint" || serves === "older") return anyTaint(taints);
  return plugin === "is replaced" ? of(taints, "plugin") : undefined;
}

/** The taint that keeps a node that is in between from what is next; see {@link holdReason}. */
export function anyTaint(taints: BlockingTaints): TaintAgainst | undefined {
  return of(taints, "kmm") ?? of(taints, "plugin");
}

function of(taints: BlockingTaints, by: keyof BlockingTaints): TaintAgainst | undefined {
  const taint = taints[by];
  return taint && { ...taint, by };
}

/** What to say of it. */
export function taintText({ by, text }: TaintAgainst): string {
  return by === "kmm"
    ? `The node has the taint ${text}, and this KMM loads nothing on such a node: it stays as it is until the taint is removed; remove it, or install KMM 2.3 or later, which can tolerate taints`
    : `The node has the taint ${text}, which spec.tolerations does not tolerate, so that no pod of the device plugin is made there: it stays as it is; add a toleration, or remove the taint`;
}

/** Kubernetes takes its own taints away again: such a problem is no fault of the rollout. */
export function passingIf(taint: Pick<TaintAgainst, "passing"> | undefined): { passing?: true } {
  return taint?.passing ? { passing: true } : {};
}
