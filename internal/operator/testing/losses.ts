/**
 * On how many nodes at once pods had no Onload any more, by the order in which the API server stored the changes. Nodes
 * and pods come by two streams, of which either may be late; the resource versions of one etcd put them in order.
 */
import type { KubeObject, Node, Pod } from "../../api/core.ts";
import type { Resource } from "../../api/resources.ts";
import { silentLogger } from "../../cli/log.ts";
import type { Client } from "../../kube/client.ts";
import { Reflector } from "../../kube/reflector.ts";
import { NODES, PODS } from "../../kube/resource.ts";
import { poll } from "../../testcluster/lib/poll.ts";

/** What a change left of an object: undefined if it was deleted. */
export interface Entry<T> {
  revision: number;
  name: string;
  object: T | undefined;
}

/** Every version of every object of a selection, from one moment on. */
class History<T extends KubeObject> {
  readonly entries: Entry<T>[] = [];
  readonly #client: Client;
  readonly #resource: Resource;
  readonly #labelSelector: string | undefined;
  #lists = 0;

  constructor(client: Client, resource: Resource, labelSelector?: string) {
    this.#client = client;
    this.#resource = resource;
    this.#labelSelector = labelSelector;
  }

  /** Follows the selection until the signal aborts. */
  async run(signal: AbortSignal, listed: () => void): Promise<void> {
    const add = (item: T, object: T | undefined): void => {
      const { name, resourceVersion } = item.metadata;
      this.entries.push({ revision: Number(resourceVersion), name, object });
    };
    await new Reflector<T>({
      client: this.#client,
      resource: this.#resource,
      labelSelector: this.#labelSelector,
      log: silentLogger,
      sink: {
        replace: (objects) => {
          this.#lists++;
          for (const object of objects) add(object, object);
          listed();
          return true;
        },
        set: (object) => add(object, object),
        remove: (object) => add(object, undefined),
        absent: () => undefined,
        heard: () => undefined,
        problem: () => undefined,
      },
    }).run(signal);
  }

  /** Whether something may have happened between two lists that nobody has seen. */
  get hasGap(): boolean {
    return this.#lists > 1;
  }

  /**
   * The revision until which the history is known, if the last version of every object that is there has come. An object
   * that came and went since may be missing still.
   */
  async knownUntil(): Promise<number | undefined> {
    const labelSelector = this.#labelSelector;
    const { items, resourceVersion } = await this.#client.list<T>(this.#resource, { labelSelector });
    const last = new Map(this.entries.map((entry) => [entry.name, entry]));
    const present = [...last.values()].filter(({ object }) => object !== undefined);
    const isKnown =
      present.length === items.length &&
      items.every(({ metadata }) => last.get(metadata.name)?.revision === Number(metadata.resourceVersion));
    return isKnown ? Number(resourceVersion) : undefined;
  }
}

/** Pods whose nodes lose the device plugin's label under them. */
export interface Losses {
  /** On how many nodes at once that was so until now, at most. */
  most: () => Promise<number>;
  stop: () => Promise<void>;
}

/**
 * Follows all nodes, and those pods of all namespaces that are selected; their names must differ.
 *
 * @param pluginLabel the label without which a node has no device plugin
 * @param podSelector selects the pods that count
 */
export async function followLosses(client: Client, pluginLabel: string, podSelector: string): Promise<Losses> {
  const stop = new AbortController();
  const nodes = new History<Node>(client, NODES);
  const pods = new History<Pod>(client, PODS, podSelector);
  const lists = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const running = [nodes.run(stop.signal, lists[0]!.resolve), pods.run(stop.signal, lists[1]!.resolve)];
  await Promise.all(lists.map(({ promise }) => promise));
  return {
    most: async () => {
      const hasGap = (): boolean => nodes.hasGap || pods.hasGap;
      const known = async (): Promise<number | undefined> => {
        if (hasGap()) return 0;
        const until = [await nodes.knownUntil(), await pods.knownUntil()];
        return until.every((each) => each !== undefined) ? Math.min(...until) : undefined;
      };
      const until = await poll(known, { what: "The end of the histories of nodes and pods" });
      if (hasGap()) throw new Error("The history of nodes or pods has a gap");
      const isKnown = ({ revision }: { revision: number }): boolean => revision <= until;
      return mostLosses(nodes.entries.filter(isKnown), pods.entries.filter(isKnown), pluginLabel);
    },
    stop: async () => {
      stop.abort();
      await Promise.all(running);
    },
  };
}

/** Replays both histories as one. */
export function mostLosses(nodes: readonly Entry<Node>[], pods: readonly Entry<Pod>[], pluginLabel: string): number {
  const without = new Set<string>();
  const nodeOf = new Map<string, string>();
  const seeNode = ({ name, object }: Entry<Node>): void => {
    if (object && !(pluginLabel in (object.metadata.labels ?? {}))) without.add(name);
    else without.delete(name);
  };
  const seePod = ({ name, object }: Entry<Pod>): void => {
    if (object?.spec?.nodeName) nodeOf.set(name, object.spec.nodeName);
    else nodeOf.delete(name);
  };
  const steps = [
    ...nodes.map((entry) => ({ revision: entry.revision, see: () => seeNode(entry) })),
    ...pods.map((entry) => ({ revision: entry.revision, see: () => seePod(entry) })),
  ].toSorted((a, b) => a.revision - b.revision);
  let most = 0;
  for (const { see } of steps) {
    see();
    most = Math.max(most, new Set([...nodeOf.values()].filter((node) => without.has(node))).size);
  }
  return most;
}
