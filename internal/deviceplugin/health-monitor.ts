import { basename, join } from "node:path";
import { DEV_DIR, DEVICE_FILES, LOG_HEALTHY, LOG_UNHEALTHY, SYS_DIR } from "../api/plugin-pod.ts";
import { PARAMETERS_DIR } from "../api/server-parameters.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { initialHealth, nextHealth, recheckIn, type Health } from "./health.ts";
import { observeNode, type NodeView } from "./observe.ts";
import { FolderWatch, Wake } from "./wake.ts";

export interface HealthMonitorDeps {
  log: Logger;
  /** Milliseconds of a clock that does not go back. */
  elapsed: () => number;
  /** Called after every look that succeeded. */
  seen: (view: NodeView, health: Health) => void;
  /** Called after every other look. */
  unknown: () => void;
}

/**
 * Looks at the node again and again and reports what it found. Health follows with hysteresis. If this process cannot
 * look, for lack of descriptors for instance, health stays as it was: that says nothing about the node.
 */
export class HealthMonitor {
  readonly #config: PluginConfig;
  readonly #deps: HealthMonitorDeps;
  readonly #wake = new Wake();
  #health: Health | undefined;
  #view: NodeView | undefined;
  #lookError: string | undefined;
  /** The look that was begun last. Looks run one after the other: else an older one could end after a newer one. */
  #last: Promise<void> = Promise.resolve();

  constructor(config: PluginConfig, deps: HealthMonitorDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Why the last look failed; undefined if it did not. */
  get lookError(): string | undefined {
    return this.#lookError;
  }

  /** Looks once. */
  look(): Promise<void> {
    this.#last = this.#last.then(() => this.#look());
    return this.#last;
  }

  async #look(): Promise<void> {
    let view: NodeView;
    try {
      view = await observeNode(this.#config, this.#view);
    } catch (error) {
      this.#keepHealth(error);
      return;
    }
    if (this.#lookError !== undefined) this.#deps.log.info("Can look at the node again");
    this.#lookError = undefined;
    this.#view = view;
    const before = this.#health;
    this.#health = before
      ? nextHealth(before, view, this.#deps.elapsed(), this.#config.hysteresis)
      : initialHealth(view);
    if (before?.healthy !== this.#health.healthy) this.#report(view);
    this.#deps.seen(view, this.#health);
  }

  /** Looks on every sign of a change and at regular intervals, until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const devices = new Set(DEVICE_FILES.map((path) => basename(path)));
    const watches = [
      new FolderWatch(onHost(this.#config, DEV_DIR), (name) => {
        if (name === null || devices.has(name)) this.#wake.notify();
      }),
      new FolderWatch(onHost(this.#config, this.#config.hostOnloadPath), () => this.#wake.notify()),
      new FolderWatch(onHost(this.#config, join(SYS_DIR, PARAMETERS_DIR)), () => this.#wake.notify()),
    ];
    try {
      while (!signal.aborted) {
        for (const watch of watches) watch.ensure();
        // While looks fail, a pending change stays pending and is no reason to look sooner.
        const health = this.#lookError === undefined ? this.#health : undefined;
        const pending = health && recheckIn(health, this.#deps.elapsed(), this.#config.hysteresis);
        await this.#wake.wait(Math.min(pending ?? Infinity, this.#config.healthIntervalMs), signal);
        if (!signal.aborted) await this.look();
      }
    } finally {
      for (const watch of watches) watch.close();
    }
  }

  #keepHealth(error: unknown): void {
    const { log, unknown } = this.#deps;
    if (this.#lookError === undefined) {
      log.warn("Cannot look at the node; the health of devices stays as it was", { error });
    }
    this.#lookError = errorText(error);
    unknown();
  }

  #report(view: NodeView): void {
    const { log } = this.#deps;
    if (view.problems.length === 0) log.info(LOG_HEALTHY, { nics: view.nics.map((nic) => nic.address) });
    else log.warn(LOG_UNHEALTHY, { problems: view.problems });
  }
}
