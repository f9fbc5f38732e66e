import { randomUUID } from "node:crypto";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { systemClock, type Clock } from "../kube/clock.ts";
import type { Informer } from "../kube/informer.ts";
import type { KubeObject } from "../api/core.ts";
import { splitKey } from "../kube/object.ts";
import type { Change } from "../kube/store.ts";
import type { ControllerMetrics } from "./metrics.ts";
import { defaultControllerRateLimiter, type RateLimiter } from "./rate-limiter.ts";
import { WorkQueue } from "./workqueue.ts";

/** What a reconcile wants next. Without it, the key waits for its next event. */
export interface Result {
  /** Reconcile again after this time, even without an event. */
  requeueAfterMs?: number;
  /** Not again within this time: for reconciles that are expensive. Events that come meanwhile share the next one. */
  restMs?: number;
}

/** A failure that no retry can mend. The key waits for its next event. */
export class TerminalError extends Error {
  override name = "TerminalError";
}

/**
 * Brings the cluster nearer to what the object behind `key` asks for. It gets no event, so it reads all that it needs. It
 * may be called at any time, and again. If it throws, it is called again after a growing delay.
 */
export type Reconcile = (key: string, signal: AbortSignal, log: Logger) => Promise<Result | void>;

export interface ControllerOptions {
  /** Label of its metrics and log lines. */
  name: string;
  reconcile: Reconcile;
  /** How many keys are reconciled at once. A key is never reconciled twice at once. Default 1. */
  maxConcurrentReconciles?: number;
  metrics: ControllerMetrics;
  log: Logger;
  rateLimiter?: RateLimiter;
  clock?: Clock;
}

/** Feeds keys to a reconcile function (controller-runtime: Controller). */
export class Controller {
  readonly name: string;
  readonly queue: WorkQueue;
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #workers: number;

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#workers = options.maxConcurrentReconciles ?? 1;
    this.queue = new WorkQueue({
      rateLimiter: options.rateLimiter ?? defaultControllerRateLimiter(this.#clock),
      clock: this.#clock,
      observer: options.metrics.queue(this.name),
    });
    options.metrics.register(this.name, this.#workers, this.queue, this.#clock);
  }

  /** Asks for a reconcile of `key`. */
  enqueue(key: string): void {
    this.queue.add(key);
  }

  /** Asks for reconciles of the keys that a change concerns; `keysOf` sees the object before and after. */
  watch<T extends KubeObject, I extends string>(
    informer: Informer<T, I>,
    keysOf: (change: Change<T>) => Iterable<string>,
  ): void {
    informer.subscribe((change) => {
      for (const key of keysOf(change)) this.queue.add(key);
    });
  }

  /** Reconciles until the signal aborts and the reconciles under way have ended. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.queue.shutDown();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    this.#options.log.info("Started workers", { controller: this.name, workers: this.#workers });
    await Promise.all(Array.from({ length: this.#workers }, () => this.#work(signal)));
    signal.removeEventListener("abort", stop);
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (let key = await this.queue.get(); key !== undefined; key = await this.queue.get()) {
      let restMs = 0;
      try {
        restMs = await this.#reconcile(key, signal);
      } finally {
        this.queue.done(key, restMs);
      }
    }
  }

  /** @returns how long the key rests, in milliseconds */
  async #reconcile(key: string, signal: AbortSignal): Promise<number> {
    const { reconcile, metrics } = this.#options;
    const log = this.#options.log.with({ controller: this.name, ...splitKey(key), reconcileID: randomUUID() });
    const started = this.#clock.monotonic();
    metrics.activeWorkers(this.name, 1);
    try {
      const result = await reconcile(key, signal, log);
      this.queue.forget(key);
      if (result?.requeueAfterMs === undefined) {
        metrics.reconciled(this.name, "success");
      } else {
        this.queue.addAfter(key, result.requeueAfterMs);
        metrics.reconciled(this.name, "requeue_after");
      }
      return result?.restMs ?? 0;
    } catch (error) {
      this.#onFailure(key, error, signal, log);
      return 0;
    } finally {
      metrics.activeWorkers(this.name, -1);
      metrics.reconcileTime(this.name, this.#clock.monotonic() - started);
    }
  }

  #onFailure(key: string, error: unknown, signal: AbortSignal, log: Logger): void {
    const { metrics } = this.#options;
    if (signal.aborted) {
      log.debug("Stopped a reconcile", { error: errorText(error) });
      return;
    }
    metrics.reconciled(this.name, "error");
    if (error instanceof TerminalError) {
      metrics.terminalError(this.name);
      this.queue.forget(key);
      log.error("Reconcile failed for good", { error: errorText(error) });
      return;
    }
    if (isBug(error)) metrics.panicked(this.name);
    this.queue.addRateLimited(key);
    const stack = isBug(error) ? { stack: (error as Error).stack } : {};
    log.error("Reconcile failed", { error: errorText(error), failures: this.queue.numRequeues(key), ...stack });
  }
}

/** Errors that the JavaScript engine throws for mistakes in the program: the counterpart of a Go panic. */
function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
}
