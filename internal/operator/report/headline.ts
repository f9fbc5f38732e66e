/** The one word and the one sentence for a whole resource. Pure. */
import type { Condition, DeepReadonly } from "../../api/core.ts";
import { NOT_SEEN, type Headline } from "../../api/headline.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";

/** Conditions as a status has them, or as they will be written. */
type Reported = DeepReadonly<Pick<Condition, "type" | "status" | "reason" | "message">>;

/**
 * The order of conditions, worst first: what needs a person, then what is under way, then what is not ready and why, then
 * that all is well.
 */
export function headlineOf(conditions: readonly Reported[] | undefined): Headline {
  const find = (type: string, status: string): Reported | undefined =>
    conditions?.find((each) => each.type === type && each.status === status);
  const waits = find(CONDITION.Progressing, "False");
  const { reason, message } =
    find(CONDITION.Degraded, "True") ??
    find(CONDITION.Progressing, "True") ??
    // Its message says why nothing goes on; that there is nothing to do explains nothing.
    (waits?.reason === REASON.AsExpected ? undefined : waits) ??
    find(CONDITION.Ready, "False") ??
    find(CONDITION.Ready, "True") ??
    NOT_SEEN;
  return { reason, message };
}
