/** Whether what the caches know may be far behind the API server. */
import { Gauge, type Registry } from "../../probes/prom-client.ts";
import { sleep, systemClock, type Clock } from "../../kube/clock.ts";
import type { Informer } from "../../kube/informer.ts";
import type { Lease } from "../../kube/kinds.ts";
import type { Caches } from "./caches.ts";

/** What is followed, by name, as far as its age is concerned: the caches, and the Leases of operators. */
export type Aging = { readonly [K in keyof Caches]: Pick<Caches[K], "resource" | "outdated"> } & {
  readonly leases?: Pick<Informer<Lease>, "resource" | "outdated">;
};

/** How often it is looked whether a cache has become outdated: no event tells. */
const LOOK_MS = 10_000;

/** Why some cache may be outdated, on one line; undefined if none is. */
export function outdatedText(caches: Aging): string | undefined {
  for (const { outdated } of Object.values(caches)) if (outdated !== undefined) return outdated;
  return undefined;
}

/** Calls `onChange` within ten seconds of a change of {@link outdatedText}. */
export class OutdatedWatch {
  readonly #caches: Aging;
  readonly #onChange: () => void;
  readonly #clock: Clock;

  constructor(caches: Aging, onChange: () => void, clock: Clock = systemClock) {
    this.#caches = caches;
    this.#onChange = onChange;
    this.#clock = clock;
  }

  /** Runs until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    let before = outdatedText(this.#caches);
    while (!signal.aborted) {
      await sleep(LOOK_MS, signal, this.#clock).catch(() => undefined);
      const text = outdatedText(this.#caches);
      if (text !== before) this.#onChange();
      before = text;
    }
  }
}

/** Shows which caches may be outdated as a metric. */
export function showOutdated(registry: Registry, caches: Aging): void {
  const gauge = new Gauge({
    name: "onload_operator_cache_outdated",
    help: "Whether what the operator knows of a resource may be outdated, so that it does not act: 1 or 0",
    labelNames: ["cache", "resource"],
    registers: [registry],
    collect: () => {
      for (const [cache, { resource, outdated }] of Object.entries(caches)) {
        gauge.set({ cache, resource: resource.plural }, outdated === undefined ? 0 : 1);
      }
    },
  });
}
