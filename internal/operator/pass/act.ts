/** Stage 3 of a pass: objects are applied and steps taken, and the logs of what failed are read meanwhile. */
import type { DaemonSet, DeepReadonly } from "../../api/core.ts";
import { VERSION_LABEL } from "../../api/names.ts";
import { addFinalizer, removeFinalizer, type FinalizerResult } from "../act/finalizer.ts";
import { takeSteps, type Again, type StepResults } from "../act/nodes.ts";
import { applyObjects, removeObjects, type ObjectResults } from "../act/objects.ts";
import type { RawOnload } from "../cache/caches.ts";
import { failedPods, type Collected } from "../observe/failure-logs.ts";
import { silentPlugins } from "../observe/plugin-logs.ts";
import type { Looked } from "../observe/refused-pods.ts";
import type { Planned } from "../plan.ts";
import { podAwaitedSince } from "../rollout/deadlines.ts";
import { withoutStarts, type RolloutPlan } from "../rollout/plan.ts";
import type { Decision } from "./decide.ts";
import type { PassDeps } from "./deps.ts";
import type { Gathered } from "./gather.ts";
import { firstOf } from "./order-of-work.ts";
import type { ResourceSession } from "./session.ts";

/** What came of working on nodes and objects. */
interface WorkResults {
  /** The plan that was acted on. */
  plan: RolloutPlan;
  steps: StepResults["steps"];
  /** What went wrong with steps, and with objects. */
  errors: Error[];
  unapplied: Error[];
  /** What was refused although nothing is wrong: a cache is behind. */
  overtaken: Error[];
  again: Again;
  /** See StepResults. */
  heldMs: number | undefined;
  /** The resource has been let go. */
  released: boolean;
}

/** What came of a whole pass. */
export interface PassResults extends WorkResults {
  logs: Collected;
  /** Why pods are not made. */
  refused: Looked;
}

const NO_STEPS: StepResults = { steps: [], errors: [], overtaken: [], again: undefined, heldMs: undefined };
const NO_OBJECTS: ObjectResults = { errors: [], overtaken: [], heldMs: undefined };
const NO_FINALIZER = { errors: [], overtaken: [] };

function workOf(
  plan: RolloutPlan,
  { steps, errors, overtaken, again, heldMs }: StepResults,
  objects: ObjectResults,
  finalizer: Pick<FinalizerResult, "errors" | "overtaken"> = NO_FINALIZER,
): WorkResults {
  return {
    plan,
    steps,
    errors: [...finalizer.errors, ...errors],
    unapplied: objects.errors,
    overtaken: [...finalizer.overtaken, ...objects.overtaken, ...overtaken],
    again,
    heldMs: earlier(heldMs, objects.heldMs),
    released: false,
  };
}

/**
 * Does what was decided. What goes wrong is in the results.
 *
 * @param refusal why the resource could not be deleted with its namespace: until it can, nothing else is done
 * @throws the signal's reason when it aborts, once everything that was begun has ended
 */
export async function act(
  deps: PassDeps,
  gathered: Gathered,
  decision: Decision,
  session: ResourceSession,
  signal: AbortSignal,
  refusal?: Error,
): Promise<PassResults> {
  const { client, caches, monotonic } = deps;
  const { planned, now } = decision;
  const { plan } = planned;
  const nodes = plan.nodes.map(({ facts }) => facts);
  const pods = failedPods(nodes, gathered.key, caches);
  const silent = silentPlugins(nodes, gathered.key, caches, now);
  const awaited = podAwaitedSince(plan.nodes);
  const [worked, logs, refused] = await Promise.allSettled([
    refusal
      ? workOf(plan, { ...NO_STEPS, errors: [refusal] }, NO_OBJECTS)
      : work(deps, gathered, decision, session, signal),
    session.failureLogs.collect(client, pods, now, monotonic(), signal, silent),
    session.refusedPods.look(client, caches, gathered.key, awaited, now, monotonic(), signal),
  ]);
  signal.throwIfAborted();
  if (worked.status === "rejected") throw worked.reason;
  if (logs.status === "rejected") throw logs.reason;
  if (refused.status === "rejected") throw refused.reason;
  return { ...worked.value, logs: logs.value, refused: refused.value };
}

async function work(
  deps: PassDeps,
  gathered: Gathered,
  decision: Decision,
  session: ResourceSession,
  signal: AbortSignal,
): Promise<WorkResults> {
  const { raw, deleting } = gathered;
  const { planned, works, starts } = decision;
  if (!deleting) {
    // Without its finalizer the resource could be gone before its nodes are clean: no node is touched.
    const held = await addFinalizer(deps, raw, signal);
    if (!held.done) return workOf(planned.plan, NO_STEPS, NO_OBJECTS, held);
  }
  if (!works) return workOf(planned.plan, NO_STEPS, NO_OBJECTS);
  if (deleting && planned.plan.nodes.length === 0) return release(deps, raw, planned, session, signal);
  const allowed = deleting || starts ? planned.plan : withoutStarts(planned.plan);
  if (firstOf(allowed) === "labels") {
    const steps = await stepNodes(deps, gathered, decision, allowed, session, signal);
    return workOf(allowed, steps, await applyDesired(deps, planned, session, signal));
  }
  const objects = await applyDesired(deps, planned, session, signal);
  const plan = isComplete(objects) ? allowed : withoutStarts(allowed);
  return workOf(plan, await stepNodes(deps, gathered, decision, plan, session, signal), objects);
}

/** Every node is clean: the objects go, and once all have gone, the resource. */
async function release(
  deps: PassDeps,
  raw: DeepReadonly<RawOnload>,
  { plan, live }: Planned,
  { applied }: ResourceSession,
  signal: AbortSignal,
): Promise<WorkResults> {
  const objects = await removeObjects({ ...deps, applied }, live, signal);
  if (!isComplete(objects)) return workOf(plan, NO_STEPS, objects);
  const freed = await removeFinalizer(deps, raw, signal);
  return { ...workOf(plan, NO_STEPS, objects, freed), released: freed.done };
}

async function stepNodes(
  deps: PassDeps,
  { onload, raw, deleting }: Gathered,
  { planned: { kmm, policy }, seen, now }: Decision,
  plan: RolloutPlan,
  { evictions, inspected, patches, unanswered }: ResourceSession,
  signal: AbortSignal,
): Promise<StepResults> {
  // Without KMM no step would come to an end; only cleaning up needs none of it.
  if (!kmm.installed && !deleting) return NO_STEPS;
  const { client, caches, pods, reporter, monotonic } = deps;
  const onEviction = reporter.reportEviction.bind(reporter, raw);
  const actor = {
    kmm,
    attempt: policy.attempt,
    client,
    caches,
    pods,
    inspected,
    patches,
    unanswered,
    evictions,
    onEviction,
    now,
    monotonic,
  };
  return takeSteps(actor, onload, plan, seen, signal);
}

async function applyDesired(
  deps: PassDeps,
  { desired, live, plan, stop }: Planned,
  { applied }: ResourceSession,
  signal: AbortSignal,
): Promise<ObjectResults> {
  if (!desired) return NO_OBJECTS;
  if (stop) {
    const { daemonSet } = desired;
    return mayServeAll(daemonSet, plan)
      ? applyObjects({ ...deps, applied }, { applied: {}, daemonSet }, live, { sfc: false }, signal)
      : NO_OBJECTS;
  }
  // KMM unloads a Module that goes: it must be on no node any more.
  const unused = plan.nodes.every(({ facts }) => facts.labels.sfc === undefined && !facts.sfc.present);
  return applyObjects({ ...deps, applied }, desired, live, { sfc: !desired.sfc && unused }, signal);
}

/**
 * Whether every node that has the plugin runs the version of a DaemonSet. Where KMM has stopped, a node of another version
 * keeps that version's module, and a plugin that comes anew there, as after a crash, must bring that version's files.
 */
function mayServeAll(daemonSet: DeepReadonly<DaemonSet> | undefined, { nodes }: RolloutPlan): boolean {
  const version = daemonSet?.spec.template.metadata.labels[VERSION_LABEL];
  return nodes.every(({ facts: { labels } }) => labels.plugin === undefined || labels.plugin === version);
}

function isComplete({ errors, overtaken, heldMs }: ObjectResults): boolean {
  return errors.length === 0 && overtaken.length === 0 && heldMs === undefined;
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
