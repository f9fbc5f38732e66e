import { basename } from "node:path";
import { DEV_DIR, DEVICE_FILES } from "../api/plugin-pod.ts";
import type { Logger } from "../cli/log.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { initialHealth, nextHealth, recheckIn, type Health } from "./health.ts";
import { observeNode, type NodeView } from "./observe.ts";
import { FolderWatch, Wake } from "./wake.ts";

export interface HealthMonitorDeps {
  log: Logger;
  now: () => number;
  /** After every look. */
  seen: (view: NodeView, health: Health) => void;
}

/** Looks at the node again and again and says what it found; health follows with hysteresis. */
export class HealthMonitor {
  readonly #config: PluginConfig;
  readonly #deps: HealthMonitorDeps;
  readonly #wake = new Wake();
  #health: Health | undefined;
  /** Looks come one after the other, or an old one could end last. */
  #last: Promise<void> = Promise.resolve();

  constructor(config: PluginConfig, deps: HealthMonitorDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Looks once. */
  look(): Promise<void> {
    this.#last = this.#last.then(() => this.#look());
    return this.#last;
  }

  async #look(): Promise<void> {
    const view = await observeNode(this.#config);
    const before = this.#health;
    this.#health = before ? nextHealth(before, view, this.#deps.now(), this.#config.hysteresis) : initialHealth(view);
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
        const pending = this.#health && recheckIn(this.#health, this.#deps.now(), this.#config.hysteresis);
        await this.#wake.wait(Math.min(pending ?? Infinity, this.#config.healthIntervalMs), signal);
        if (!signal.aborted) await this.look();
      }
    } finally {
      for (const watch of watches) watch.close();
    }
  }

  #report(view: NodeView): void {
    const { log } = this.#deps;
    if (view.problems.length === 0) log.info("Devices are healthy", { nics: view.nics.map((nic) => nic.address) });
    else log.warn("Devices are unhealthy", { problems: view.problems });
  }
}
