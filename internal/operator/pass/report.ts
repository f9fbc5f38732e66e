/** Stage 4 of a pass: events, metrics and status of the plan, of what was done and of what went wrong. */
import { asError, errorText } from "../../cli/errors.ts";
import type { DeepReadonly, KubeObject } from "../../api/core.ts";
import { onloadKeyOf } from "../../api/names.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import type { Result } from "../../controller/controller.ts";
import { ApiError, ConnectionError } from "../../kube/errors.ts";
import type { RawOnload } from "../cache/caches.ts";
import type { ResourceProblem } from "../observe/preflight.ts";
import { statusOf } from "../report/conditions.ts";
import { headlineOf } from "../report/headline.ts";
import { PROTECTED_CRDS, protection } from "../report/protection.ts";
import { eventOfStaleStatus, eventsOfStatus } from "../report/event-texts.ts";
import { isTrue, notReadySince, untouchedStatus, writeStatus } from "../report/status.ts";
import { believed } from "../rollout/believed.ts";
import { nextLastReady, standingRollback } from "../rollout/rollback.ts";
import type { PassResults } from "./act.ts";
import type { Decision } from "./decide.ts";
import type { PassDeps } from "./deps.ts";
import type { Gathered } from "./gather.ts";
import type { ResourceSession } from "./session.ts";

/** What came of reporting. */
export interface Reported {
  problems: readonly ResourceProblem[];
  statusWaitMs: number | undefined;
  error: Error | undefined;
}

/** Reports a pass. A status that cannot be written is in the result. */
export async function report(
  deps: PassDeps,
  { key, raw, onload }: Gathered,
  { planned, rollback: begun, problems: found, selector: { selector, selectorHeldBack }, now }: Decision,
  results: PassResults,
  session: ResourceSession,
  signal: AbortSignal,
): Promise<Reported> {
  const { reporter, monotonic } = deps;
  const { plan, steps, released } = results;
  const problems = [...found, ...failuresOf(deps, results, session)];
  const held = (planned.desired?.heldBack.length ?? 0) > 0;
  const status = statusOf({
    onload,
    version: begun?.toVersion ?? planned.effective.spec.onload.version,
    selector,
    selectorHeldBack,
    plan,
    problems,
    rollback: begun ?? standingRollback(onload),
    protection: protection(deps.caches, protectedObjects(deps, raw, planned)),
    lastReady: planned.kmm.installed ? nextLastReady(onload, plan, held, now) : onload.status?.lastReady,
    now,
  });
  const conditions = {
    ready: isTrue(status, CONDITION.Ready),
    degraded: isTrue(status, CONDITION.Degraded),
    status: headlineOf(status.conditions).reason,
  };
  session.previousNodes = reporter.reportPlan(raw, key, session.previousNodes, plan, steps, conditions, monotonic());
  if (released) return { problems, statusWaitMs: undefined, error: undefined };
  const { statusWaitMs, error } = await reportStatus(deps, raw, status, session, signal);
  if (error === undefined && statusWaitMs === undefined) {
    const since = notReadySince(onload.status);
    if (conditions.ready && since !== undefined) {
      const began = believed(since, { now, clockSetAt: planned.policy.clockSetAt });
      reporter.reportReady(key, Math.max(0, now - began));
    }
  }
  return { problems, statusWaitMs, error };
}

/** What a person may take out of the policies' protection, as far as the caches know it. */
function protectedObjects(
  { caches }: PassDeps,
  raw: DeepReadonly<RawOnload>,
  { live, plan }: Decision["planned"],
): (DeepReadonly<KubeObject> | undefined)[] {
  const stores = [caches.nodes.store, caches.nodeModulesConfigs.store];
  // Hardly ever is one of them open.
  const isAny = stores.some((store) => store.byIndex("opened", "true").length > 0);
  // In the order of the plan, because that of an index changes with every heartbeat. A NodeModulesConfig has its node's name.
  const nodes = (isAny ? plan.nodes : []).flatMap(({ facts }) => stores.map((store) => store.get(facts.name)));
  const crds = PROTECTED_CRDS.map((name) => caches.crds.store.get(name));
  const namespace = caches.namespaces.store.get(raw.metadata.namespace ?? "");
  return [raw, namespace, live.onload, live.sfc, live.daemonSet, ...nodes, ...crds];
}

/** What a person can do about a refusal that lasts. */
const REMEDY = "see what refuses it: the operator's rights, an admission webhook, or the API server itself";

/** What failed in this pass, as far as people need to know. */
function failuresOf(
  deps: PassDeps,
  { unapplied, errors, overtaken }: PassResults,
  session: ResourceSession,
): ResourceProblem[] {
  const problems = unapplied.map((error) => ({
    reason: REASON.ApplyFailed,
    message: `${errorText(error)}; ${REMEDY}`,
  }));
  const passing = [...errors, ...overtaken];
  if (!session.failing.persists(passing.length > 0, deps.monotonic())) return problems;
  const more = passing.length > 1 ? ` (and ${passing.length - 1} more)` : "";
  return [...problems, { reason: REASON.StepFailed, message: `${errorText(passing[0])}${more}; ${REMEDY}` }];
}

/** Writes a status, and reports the conditions that have changed once it is written. */
async function reportStatus(
  deps: PassDeps,
  raw: DeepReadonly<RawOnload>,
  status: OnloadStatus,
  session: ResourceSession,
  signal: AbortSignal,
): Promise<Pick<Reported, "statusWaitMs" | "error">> {
  const { reporter } = deps;
  try {
    const statusWaitMs = await writeStatus(deps, session, raw, status, signal);
    const { statusOvertaken } = session;
    if (statusOvertaken) tellStale(deps, raw, session, statusOvertaken);
    if (statusWaitMs !== undefined) return { statusWaitMs, error: undefined };
    session.statusFailing.persists(false, deps.monotonic());
    session.statusFailureTold = false;
    const old = raw.status as DeepReadonly<OnloadStatus> | undefined;
    for (const text of eventsOfStatus(old, status)) reporter.report(raw, text);
    return { statusWaitMs, error: undefined };
  } catch (error) {
    signal.throwIfAborted();
    tellStale(deps, raw, session, asError(error));
    return { statusWaitMs: undefined, error: asError(error) };
  }
}

/**
 * Tells by an event that the status cannot be written, once that lasts: nothing else tells a person who looks at the
 * resource. Without a connection there is nobody to tell it to either; of a webhook that never answers there is.
 */
function tellStale(
  { reporter, monotonic }: PassDeps,
  raw: DeepReadonly<RawOnload>,
  session: ResourceSession,
  error: Error,
): void {
  const isAnswered = error instanceof ApiError || (error instanceof ConnectionError && error.code === "ETIMEDOUT");
  if (!session.statusFailing.persists(isAnswered, monotonic()) || session.statusFailureTold) return;
  session.statusFailureTold = true;
  reporter.report(raw, eventOfStaleStatus(`${errorText(error)}; ${REMEDY}`));
}

/** Reports why nothing is done for a resource. */
export async function reportUntouched(
  deps: PassDeps,
  raw: DeepReadonly<RawOnload>,
  session: ResourceSession,
  problem: ResourceProblem,
  signal: AbortSignal,
): Promise<Result> {
  const { reporter, now } = deps;
  reporter.reportUntouched(onloadKeyOf(raw), problem.reason);
  const { statusWaitMs, error } = await reportStatus(deps, raw, untouchedStatus(raw, problem, now()), session, signal);
  if (error) throw error;
  return statusWaitMs === undefined ? {} : { requeueAfterMs: statusWaitMs };
}
