/** The headline and the counts of a resource for this moment: the operator's own, made by its own functions. Pure. */
import type { DeepReadonly } from "../../api/core.ts";
import type { Headline } from "../../api/headline.ts";
import type { NodeCounts, OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import type { ResourceProblem } from "../observe/preflight.ts";
import { conditionsOf, situationOf } from "../report/conditions.ts";
import { headlineOf } from "../report/headline.ts";
import { tallyOf } from "../report/tally.ts";
import { isBehind } from "./attention.ts";
import { isUnserved } from "./serving.ts";
import type { ObservedResource } from "./session.ts";

export interface Summary {
  headline: Headline;
  /** undefined if no operator has counted them. */
  nodes: DeepReadonly<NodeCounts> | undefined;
}

/** A deletion on which nobody works: what the operator said last is no longer so. */
const ABANDONED: Headline = { reason: "Abandoned", message: "It is to be deleted, but no operator acts" };

/** Conditions that follow from the plan. What else is wrong only the operator knows. */
const PLANNED: ReadonlySet<string> = new Set([CONDITION.Ready, CONDITION.Progressing]);

/**
 * What to say of a resource as a whole. The operator writes counts and messages at most once a second; while it acts,
 * those of the present plan are shown, so that they fit the nodes that are shown below them.
 */
export function summaryOf({ raw, onload, planned, serving }: ObservedResource): Summary {
  const status = raw.status as DeepReadonly<OnloadStatus> | undefined;
  if (raw.metadata.deletionTimestamp !== undefined && isUnserved(serving)) {
    return { headline: ABANDONED, nodes: status?.nodes };
  }
  const conditions = status?.conditions ?? [];
  const written: Summary = { headline: headlineOf(conditions), nodes: status?.nodes };
  if (!onload || !planned || conditions.length === 0 || isBehind(raw) || isUnserved(serving)) return written;
  const tally = tallyOf(planned.plan);
  const version = status?.version ?? planned.effective.spec.onload.version;
  const situation = situationOf(onload, version, status?.rollback, blockingOf(conditions));
  const present = conditionsOf(planned.plan, tally, situation).filter(({ type }) => PLANNED.has(type));
  const others = conditions.filter(({ type }) => !PLANNED.has(type));
  return { headline: headlineOf([...present, ...others]), nodes: tally.counts };
}

/** What keeps the resource from being Ready, whatever its nodes are like. */
function blockingOf(conditions: NonNullable<DeepReadonly<OnloadStatus>["conditions"]>): ResourceProblem[] {
  return conditions.flatMap(({ type, reason, message }): ResourceProblem[] => {
    if (type !== CONDITION.Ready) return [];
    return reason === REASON.KmmNotInstalled || reason === REASON.InvalidSpec ? [{ reason, message }] : [];
  });
}
