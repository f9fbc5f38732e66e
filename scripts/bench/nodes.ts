/** The nodes of a measured cluster, watched from outside. */
import type { Node } from "../../internal/api/core.ts";
import { silentLogger } from "../../internal/cli/log.ts";
import type { Client } from "../../internal/kube/client.ts";
import { Informer } from "../../internal/kube/informer.ts";
import { NODES } from "../../internal/kube/resource.ts";

/** Time limit of every wait. */
export const PATIENCE_MS = 900_000;

/** Watches nodes, so that waiting causes no load on the API server. */
export class Nodes {
  readonly #informer: Informer<Node>;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #waiting: (() => void) | undefined;

  constructor(client: Client) {
    this.#informer = new Informer<Node>({ client, resource: NODES, log: silentLogger });
    this.#informer.subscribe(() => this.#waiting?.());
    this.#running = this.#informer.run(this.#stop.signal);
  }

  /** Waits until every node fits; returns the seconds since `began`. */
  async until(began: number, fits: (labels: Readonly<Record<string, string>>) => boolean): Promise<number> {
    await this.#informer.synced(this.#stop.signal);
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      if ([...this.#informer.store.list()].every(({ metadata }) => fits(metadata.labels ?? {}))) break;
      if (Date.now() > end) throw new Error("The nodes did not get there in time");
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting = resolve;
      await promise;
    }
    return (performance.now() - began) / 1000;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
