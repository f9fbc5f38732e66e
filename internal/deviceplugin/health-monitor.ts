import { basename } from "node:path";
import { DEV_DIR, DEVICE_FILES } from "../api/plugin-pod.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { initialHealth, nextHealth, recheckIn, type Health } from "./health.ts";
import { observeNode, type NodeView } from "./observe.ts";
import { FolderWatch, Wake } from "./wake.ts";

export interface HealthMonitorDeps {
  log: Logger;
  /** Milliseconds of a clock that nobody sets. */
  elapsed: () => number;
  /** Called after every look that found something out. */
  seen: (view: NodeView, health: Health) => void;
  /** Called after every other look. */
  unknown: () => void;
}

/**
 * Looks at the node again and again and says what it found; health follows with hysteresis. If this process cannot
 * look, because it lacks descriptors for instance, that is no sign of the node's health: it stays as it was.
 */
export class HealthMonitor {
  readonly #config: PluginConfig;
  readonly #deps: HealthMonitorDeps;
  readonly #wake = new Wake();
  #health: Health | undefined;
  #blindness: string | undefined;
  /** The look that was begun last. Looks run one after the other, or an old one could end last. */
  #last: Promise<void> = Promise.resolve();

  constructor(config: PluginConfig, deps: HealthMonitorDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Why the last look found nothing out, or undefined. */
  get blindness(): string | undefined {
    return this.#blindness;
  }

  /** Looks once. */
  look(): Promise<void> {
    this.#last = this.#last.then(() => this.#look());
    return this.#last;
  }

  async #look(): Promise<void> {
    let view: NodeView;
    try {
      view = await observeNode(this.#config);
    } catch (error) {
      this.#beBlind(error);
      return;
    }
    if (this.#blindness !== undefined) this.#deps.log.info("Can look at the node again");
    this.#blindness = undefined;
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
    ];
    try {
      while (!signal.aborted) {
        for (const watch of watches) watch.ensure();
        // While looks find nothing out, a change that is pending is no reason to hurry: it stays pending.
        const health = this.#blindness === undefined ? this.#health : undefined;
        const pending = health && recheckIn(health, this.#deps.elapsed(), this.#config.hysteresis);
        await this.#wake.wait(Math.min(pending ?? Infinity, this.#config.healthIntervalMs), signal);
        if (!signal.aborted) await this.look();
      }
    } finally {
      for (const watch of watches) watch.close();
    }
  }

  #beBlind(error: unknown): void {
    const { log, unknown } = this.#deps;
    if (this.#blindness === undefined) {
      log.warn("Cannot look at the node; devices stay as healthy, or not, as they were", { error });
    }
    this.#blindness = errorText(error);
    unknown();
  }

  #report(view: NodeView): void {
    const { log } = this.#deps;
    if (view.problems.length === 0) log.info("Devices are healthy", { nics: view.nics.map((nic) => nic.address) });
    else log.warn("Devices are unhealthy", { problems: view.problems });
  }
}
