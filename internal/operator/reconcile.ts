/**
 * Brings the nodes of one Onload resource nearer to what it asks for, in one pass:
 *
 * 1. gather: what is known of the resource, beside the caches
 * 2. decide: the plan, and in which order to work
 * 3. act: objects, nodes, pods
 * 4. report: events, metrics, status
 * 5. next: when to look again
 *
 * Each is awaited before the next begins, and nothing that a pass has started outlives it. What the API server refuses
 * is collected and reported; only being asked to stop ends a pass early.
 */
import type { Logger } from "../cli/log.ts";
import type { DeepReadonly } from "../api/core.ts";
import type { Result } from "../controller/controller.ts";
import { LeadershipLostError } from "../kube/errors.ts";
import { splitKey } from "../kube/object.ts";
import { endWithNamespace } from "./act/ending-namespace.ts";
import type { RawOnload } from "./cache/caches.ts";
import type { FencedClient } from "./cache/cluster-client.ts";
import { act } from "./pass/act.ts";
import { decide } from "./pass/decide.ts";
import type { PassDeps } from "./pass/deps.ts";
import { gather } from "./pass/gather.ts";
import { next } from "./pass/next.ts";
import { report, reportUntouched } from "./pass/report.ts";
import { ResourceSession } from "./pass/session.ts";
import { isContested } from "./report/status.ts";

/** Whether it is still ours to act on a resource. A pass may take minutes, and another operator may appear meanwhile. */
class Turn {
  readonly #yields: () => boolean;
  isOver = false;

  constructor(yields: () => boolean) {
    this.#yields = yields;
  }

  /** @throws LeadershipLostError if it is another operator's turn, from then on */
  check(): void {
    this.isOver ||= this.#yields();
    if (this.isOver) throw new LeadershipLostError("Cannot write: another operator acts");
  }
}

/** What is done for a resource that is ours. */
async function pass(
  deps: PassDeps,
  raw: DeepReadonly<RawOnload>,
  session: ResourceSession,
  turn: Turn,
  signal: AbortSignal,
  log: Logger,
): Promise<Result> {
  const ended = await endWithNamespace(deps, raw, signal);
  if (ended === true) return {};
  const refusal = ended === false ? undefined : ended;
  const gathered = await gather(deps, raw, session, signal);
  if ("unreadable" in gathered) {
    const result = await reportUntouched(deps, raw, session, gathered.unreadable, signal);
    if (refusal) throw refusal;
    return result;
  }
  const decision = decide(deps, gathered, session);
  const results = await act(deps, gathered, decision, session, signal, refusal);
  // What was done before another operator was seen is told. That the rest was refused since, objects, steps and the status,
  // is no failure, and says nothing of the plan.
  const told = turn.isOver ? { ...results, plan: decision.planned.plan } : results;
  const reported = await report(deps, gathered, decision, told, session, signal);
  if (turn.isOver) turn.check();
  return next(deps, decision, results, reported, log);
}

export interface ReconcilerDeps extends PassDeps {
  client: FencedClient;
}

/** Reconciles Onload resources. Different resources may be reconciled side by side, one resource never twice at once. */
export class OnloadReconciler {
  readonly #deps: ReconcilerDeps;
  readonly #sessions = new Map<string, ResourceSession>();

  constructor(deps: ReconcilerDeps) {
    this.#deps = deps;
  }

  /**
   * One pass over one resource; called again whenever something that it depends on changes.
   *
   * @throws Error if something failed and nothing else is due, so that the caller backs off
   */
  async reconcile(key: string, signal: AbortSignal, log: Logger): Promise<Result> {
    const raw = this.#deps.caches.onloads.store.get(key);
    const session = raw && this.#session(key, raw);
    if (!session) {
      this.#forget(key);
      return {};
    }
    const { yields, problem } = this.#deps.standing(raw.metadata.namespace ?? "");
    if (yields) {
      if (problem) {
        // An earlier version does not identify itself in its Lease, but it writes the status. Of the two, its status is right.
        return isContested(session, raw) ? {} : reportUntouched(this.#deps, raw, session, problem, signal);
      }
      // What is remembered of it here is old once it is ours again.
      this.#forget(key);
      return {};
    }
    const turn = new Turn(() => this.#deps.standing(raw.metadata.namespace ?? "").yields);
    const client = this.#deps.client.fencedBy(turn);
    try {
      return await pass({ ...this.#deps, client }, raw, session, turn, signal, log);
    } catch (error) {
      if (signal.aborted || !turn.isOver) throw error;
      log.info("Ended a pass because another operator acts");
      this.#forget(key);
      return {};
    }
  }

  #session(key: string, { metadata: { uid } }: DeepReadonly<RawOnload>): ResourceSession {
    const known = this.#sessions.get(key);
    if (known && known.uid === uid) return known;
    this.#forget(key);
    const session = new ResourceSession(uid, this.#deps.absence());
    this.#sessions.set(key, session);
    return session;
  }

  /** The resource is gone, if it ever was there. */
  #forget(key: string): void {
    const session = this.#sessions.get(key);
    if (!session) return;
    this.#sessions.delete(key);
    for (const node of session.inspected) this.#deps.pods.forget(node);
    const { namespace = "", name } = splitKey(key);
    this.#deps.reporter.forget({ namespace, name });
  }
}
