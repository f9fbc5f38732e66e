/** What `onloadctl status` and `onloadctl plan` read, and the operator's own planner over it. Changes nothing. */
import type { Logger } from "../../cli/log.ts";
import type { DaemonSet, DeepReadonly, Pod } from "../../api/core.ts";
import { DEVICE_PLUGIN_CONTAINER, devicePluginName } from "../../api/names.ts";
import type { Onload } from "../../api/onload.ts";
import type { Client } from "../../kube/client.ts";
import { DAEMON_SETS, PODS } from "../../kube/resource.ts";
import { createCaches, type Caches, type RawOnload } from "../caches.ts";
import { LastWords } from "../last-words.ts";
import { NodePods } from "../node-pods.ts";
import { planFor, type Planned } from "../plan.ts";
import { readOnload } from "../troubles.ts";

/** Labels of the operator's pods, in its Deployment as in the original's. */
const OPERATOR_PODS = "app.kubernetes.io/part-of=onload,control-plane=controller-manager";

/** Which Onload resources to look at. */
export interface Scope {
  /** undefined: all namespaces. */
  namespace: string | undefined;
  /** undefined: all names. */
  name: string | undefined;
}

/** One Onload resource and what the operator's planner makes of it. */
export interface Finding {
  raw: DeepReadonly<RawOnload>;
  /** undefined where the spec cannot be read; `trouble` then says why. */
  onload: DeepReadonly<Onload> | undefined;
  planned: Planned | undefined;
  trouble: string | undefined;
}

/** A look at the cluster that can be repeated. */
export class Survey {
  readonly caches: Caches;
  readonly pods: NodePods;
  readonly #client: Client;
  readonly #scope: Scope;
  readonly #lastWords: LastWords;
  readonly #now: () => number;
  #ownNode: string | undefined;

  constructor(client: Client, scope: Scope, log: Logger, now: () => number = Date.now) {
    this.#client = client;
    this.#scope = scope;
    this.#now = now;
    // Of all namespaces: which resource keeps a node depends on every one.
    this.caches = createCaches(client, [], log);
    this.pods = new NodePods(client, log, () => undefined);
    this.#lastWords = new LastWords(client);
  }

  /** Reads the cluster once. Throws where the API server cannot be reached or refuses. */
  async load(signal: AbortSignal): Promise<void> {
    await Promise.all(Object.values(this.caches).map((informer) => informer.load(signal)));
    const { items } = await this.#client.list<Pod>(PODS, { labelSelector: OPERATOR_PODS, signal });
    this.#ownNode = items.find((pod) => pod.status?.phase === "Running")?.spec?.nodeName;
  }

  /** The resources of the scope, by namespace and name, with their plans. */
  async findings(signal: AbortSignal): Promise<Finding[]> {
    const { namespace, name } = this.#scope;
    const raws = [...this.caches.onloads.store.list()]
      .filter(
        ({ metadata }) =>
          (namespace === undefined || metadata.namespace === namespace) &&
          (name === undefined || metadata.name === name),
      )
      .sort((a, b) => (keyText(a) < keyText(b) ? -1 : 1));
    return Promise.all(raws.map((raw) => this.#find(raw, signal)));
  }

  async #find(raw: DeepReadonly<RawOnload>, signal: AbortSignal): Promise<Finding> {
    const { onload, trouble } = readOnload(raw);
    if (!onload) return { raw, onload, planned: undefined, trouble: trouble?.message };
    return { raw, onload, planned: await this.plan(onload, signal), trouble: trouble?.message };
  }

  /** The planner's view of a resource, which need not be as it is in the cluster. */
  async plan(onload: DeepReadonly<Onload>, signal: AbortSignal): Promise<Planned> {
    const image = await this.#pluginImage(onload, signal);
    const make = (): Planned =>
      planFor(
        {
          caches: this.caches,
          memory: { pods: this.pods, refusals: new Map(), lastWords: this.#lastWords.words },
          surroundings: { ownNode: this.#ownNode, pluginImage: image, ownImage: undefined },
        },
        onload,
        this.#now(),
      );
    const first = make();
    const unseen = first.plan.nodes.filter(({ step }) => step === "Inspect");
    await Promise.all(unseen.map(({ facts }) => this.pods.look(facts.name, signal)));
    const failing = first.plan.nodes.filter(({ facts }) => facts.onload.failure ?? facts.sfc.failure);
    const loaders = failing.slice(0, 10).flatMap(({ facts }) => this.caches.kmmPods.store.byIndex("node", facts.name));
    const heard = await this.#lastWords.listen(loaders, signal);
    return unseen.length > 0 || heard ? make() : first;
  }

  /** The image that the operator gave the device plugin last: what it is by default, only the operator knows. */
  async #pluginImage({ metadata }: DeepReadonly<Onload>, signal: AbortSignal): Promise<string | undefined> {
    const ref = { namespace: metadata.namespace, name: devicePluginName(metadata.name) };
    const daemonSet = await this.#client.get<DaemonSet>(DAEMON_SETS, ref, { signal });
    const { containers = [] } = (daemonSet?.spec.template.spec ?? {}) as {
      containers?: { name: string; image?: string }[];
    };
    return containers.find(({ name }) => name === DEVICE_PLUGIN_CONTAINER)?.image;
  }

  /** Follows the cluster, calling `onChange` after each change, until the signal aborts. */
  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    const informers = Object.values(this.caches);
    for (const informer of informers) {
      informer.subscribe(onChange);
      informer.onStateChange(onChange);
    }
    await Promise.all(informers.map((informer) => informer.run(signal)));
  }

  /** Why the view may be old, on one line; undefined while everything is followed. */
  get problem(): string | undefined {
    return Object.values(this.caches).find(({ problem }) => problem !== undefined)?.problem;
  }

  async close(): Promise<void> {
    await this.pods.close();
  }
}

/** `namespace/name`. */
export function keyText({ metadata }: { metadata: { namespace?: string; name: string } }): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** Why there is nothing to show: the CRD or the resource is missing. */
export function nothingFound(caches: Caches, { namespace, name }: Scope): string {
  if (caches.onloads.state === "absent") {
    return "Cannot find Onload resources: the CRD onloads.onload.amd.com is not installed; run onloadctl manifests install | kubectl apply -f -";
  }
  if (name !== undefined) return `Cannot find Onload "${name}" in namespace "${namespace}": it does not exist`;
  return `No Onload resources${namespace === undefined ? "" : ` in namespace "${namespace}"`}`;
}
