/** How many nodes of a pool are out of service at once, by every version of them that the API server makes. */
import type { Node } from "../../api/core.ts";
import { pluginLabel, type OnloadKey } from "../../api/names.ts";
import { silentLogger } from "../../cli/log.ts";
import type { Client } from "../../kube/client.ts";
import { Informer } from "../../kube/informer.ts";
import { NODES } from "../../kube/resource.ts";

/** An outage that is watched. */
export interface Outage {
  /** The most nodes that were out at once so far. */
  most: () => number;
  stop: () => Promise<void>;
}

/** Follows the nodes that have the label `pool`: out are those without the resource's plugin label. */
export async function watchOutage(client: Client, pool: string, key: OnloadKey): Promise<Outage> {
  const stop = new AbortController();
  const informer = new Informer<Node>({ client, resource: NODES, labelSelector: `pool=${pool}`, log: silentLogger });
  const running = informer.run(stop.signal);
  await informer.synced(stop.signal);
  const label = pluginLabel(key);
  let most = 0;
  informer.subscribe(() => {
    const out = [...informer.store.list()].filter(({ metadata }) => metadata.labels?.[label] === undefined);
    most = Math.max(most, out.length);
  });
  return {
    most: () => most,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}
