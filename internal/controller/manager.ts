import { HEALTHZ_PATH, METRICS_PATH, READYZ_PATH } from "../api/names.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { onAbort, systemClock, type Clock } from "../kube/clock.ts";
import type { InformerState } from "../kube/informer.ts";
import { lead, type LeaderElectionOptions } from "../kube/lease.ts";
import type { Resource } from "../api/resources.ts";
import type { BindAddress } from "../probes/bind-address.ts";
import type { CertificateSource } from "../probes/certificate.ts";
import { metricsHandler } from "../probes/metrics-handler.ts";
import { ProbeServer, type Answer, type Handler } from "../probes/server.ts";
import type { Controller } from "./controller.ts";
import type { ControllerMetrics } from "./metrics.ts";

/** What the manager needs of an Informer, whatever its objects. */
interface Following {
  readonly resource: Resource;
  readonly state: InformerState;
  readonly hasSynced: boolean;
  readonly problem: string | undefined;
  readonly outdated: string | undefined;
  run(signal: AbortSignal): Promise<void>;
  synced(signal: AbortSignal): Promise<void>;
}

/**
 * Default of {@link ManagerOptions.gracefulShutdownMs}. With the release of the Lease and the last events, it fits the
 * time that the Deployment gives a pod to end.
 */
const GRACEFUL_SHUTDOWN_MS = 5000;

export interface ManagerOptions {
  log: Logger;
  metrics: ControllerMetrics;
  /** undefined: metrics are not served. */
  metricsAddress: BindAddress | undefined;
  /** Left out: metrics are served by plain HTTP, to everybody. */
  metricsSecurity?: MetricsSecurity | undefined;
  /** Where /healthz and /readyz are served; undefined: nowhere. */
  healthProbeAddress: BindAddress | undefined;
  /** Left out: this process acts without asking others. */
  leaderElection?: Omit<LeaderElectionOptions, "log" | "onChange"> | undefined;
  /** How long reconciles under way may take to end. Default {@link GRACEFUL_SHUTDOWN_MS}. */
  gracefulShutdownMs?: number;
  clock?: Clock;
}

/** Metrics by TLS, for those only whom `guard` lets through. */
export interface MetricsSecurity {
  certificate: CertificateSource;
  guard: (handler: Handler) => Handler;
}

/** Something that runs until its signal aborts and then finishes what it has begun. */
export interface Runnable {
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Starts and stops the parts of an operator in order (controller-runtime: Manager): servers, caches, leadership,
 * controllers; and back.
 */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #informers: Following[] = [];
  readonly #runnables: Runnable[] = [];
  readonly #controllers: Controller[] = [];
  readonly #checks = new Map<string, () => string | undefined>();
  readonly #notes: (() => string | undefined)[] = [];
  #metricsServer: ProbeServer | undefined;
  #healthServer: ProbeServer | undefined;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** Ports that are listened on, while running. */
  get ports(): { metrics: number | undefined; health: number | undefined } {
    return { metrics: this.#metricsServer?.port, health: this.#healthServer?.port };
  }

  /** Runs whether we lead or not, so that a new leader starts with a warm cache. */
  addInformer<I extends Following>(informer: I): I {
    this.#informers.push(informer);
    return informer;
  }

  /** Runs whether we lead or not, and ends after the controllers. */
  addRunnable(runnable: Runnable): void {
    this.#runnables.push(runnable);
  }

  /** Runs while we lead. */
  addController(controller: Controller): void {
    this.#controllers.push(controller);
  }

  /** Part of /readyz: `check` gives what is not ready yet, or undefined. */
  addReadyCheck(name: string, check: () => string | undefined): void {
    this.#checks.set(name, check);
  }

  /** Part of what /readyz says while everything is ready; undefined: nothing. */
  addReadyNote(note: () => string | undefined): void {
    this.#notes.push(note);
  }

  /**
   * Runs until the signal aborts and everything has stopped.
   *
   * @throws Error when a port cannot be listened on, LeadershipLostError when the Lease is lost
   */
  async run(signal: AbortSignal): Promise<void> {
    const { log, leaderElection, metrics } = this.#options;
    const background = new AbortController();
    const running: Promise<void>[] = [];
    try {
      await this.#listen();
      for (const part of [...this.#informers, ...this.#runnables]) running.push(part.run(background.signal));
      const work = async (stop: AbortSignal): Promise<void> => {
        await this.#runControllers(stop);
        // Events that are still to be sent go before the Lease does.
        background.abort();
        await Promise.all(running);
      };
      await Promise.all(this.#informers.map((informer) => informer.synced(signal)));
      log.info("Synced caches", { informers: this.#informers.length });
      if (leaderElection) {
        const name = leaderElection.lease.name;
        metrics.leading(name, false);
        const onChange = (leading: boolean): void => metrics.leading(name, leading);
        await lead({ ...leaderElection, log, onChange }, signal, work);
      } else {
        await work(signal);
      }
    } catch (error) {
      // Being asked to stop is how it is meant to end.
      if (!signal.aborted || error !== signal.reason) throw error;
    } finally {
      background.abort();
      await Promise.all(running);
      await Promise.all([this.#metricsServer?.close(), this.#healthServer?.close()]);
    }
  }

  async #runControllers(stop: AbortSignal): Promise<void> {
    const { log, gracefulShutdownMs = GRACEFUL_SHUTDOWN_MS, clock = systemClock } = this.#options;
    const { promise: overdue, resolve } = Promise.withResolvers<"overdue">();
    const cancel = onAbort(stop, () => clock.after(gracefulShutdownMs, () => resolve("overdue")));
    const all = Promise.all(this.#controllers.map((controller) => controller.run(stop)));
    const end = await Promise.race([all, overdue]);
    cancel();
    if (end === "overdue")
      log.warn("Stopped without waiting for reconciles under way", { waitedMs: gracefulShutdownMs });
    else log.info("Stopped workers");
  }

  async #listen(): Promise<void> {
    const { log, metricsAddress, metricsSecurity, healthProbeAddress, metrics } = this.#options;
    if (metricsAddress) {
      const handler = metricsHandler(metrics);
      this.#metricsServer = await ProbeServer.listen(
        metricsAddress,
        { [METRICS_PATH]: metricsSecurity?.guard(handler) ?? handler },
        {
          onError: (error) => log.error("Cannot answer a request for metrics", { error }),
          ...(metricsSecurity ? { secureContext: metricsSecurity.certificate } : {}),
        },
      );
    }
    if (healthProbeAddress) {
      this.#healthServer = await ProbeServer.listen(healthProbeAddress, {
        [HEALTHZ_PATH]: () => "ok",
        [READYZ_PATH]: () => this.#ready(),
      });
    }
  }

  #ready(): string | Answer {
    const unready: string[] = [];
    for (const { resource, hasSynced, problem, outdated } of this.#informers) {
      const reason = hasSynced ? outdated : (problem ?? "the first list is not done");
      if (reason !== undefined) unready.push(`${resource.plural}: ${reason}`);
    }
    for (const [name, check] of this.#checks) {
      try {
        const problem = check();
        if (problem !== undefined) unready.push(`${name}: ${problem}`);
      } catch (error) {
        unready.push(`${name}: ${errorText(error)}`);
      }
    }
    if (unready.length > 0) return { status: 500, body: `${unready.join("\n")}\n` };
    return ["ok", ...this.#notes.flatMap((note) => note() ?? [])].join("\n");
  }
}
