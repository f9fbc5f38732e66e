import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import type { Client } from "./client.ts";
import { abortable, systemClock, type Clock } from "./clock.ts";
import type { DeepReadonly, KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import { isNewerVersion, objectKey } from "./object.ts";
import { Reflector, type Sink } from "./reflector.ts";
import { Store, type Change, type IndexFunction, type ReadOnlyStore } from "./store.ts";

/**
 * syncing: nothing is known yet. synced: the store is the server's state, or was when the connection broke.
 * absent: the server does not know the resource, so there are no objects; it is asked for again and again.
 */
export type InformerState = "syncing" | "synced" | "absent";

export interface InformerOptions<T extends KubeObject, I extends string> {
  client: Client;
  resource: Resource;
  /** Watch only these; left out or empty: all. */
  namespaces?: readonly string[] | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Applied before an object is kept: return only the parts that are read. Keep the metadata that identifies it. */
  transform?: (object: T) => T;
  indexes?: Record<I, IndexFunction<T>>;
  /** Objects per page of a list. Default 100. */
  pageSize?: number;
  silenceMs?: number;
  absentRetryMs?: number;
  log: Logger;
  clock?: Clock;
  random?: () => number;
}

const OUTDATED_MS = 120_000;

/**
 * A store that follows a selection on the API server, and reports each change (client-go: SharedIndexInformer).
 */
export class Informer<T extends KubeObject, I extends string = never> {
  readonly resource: Resource;
  readonly #store: Store<T, I>;
  readonly #options: InformerOptions<T, I>;
  readonly #scopes: string[];
  readonly #states: Map<string, InformerState>;
  /** What fails in each scope, and since when, by the monotonic clock. */
  readonly #problems = new Map<string, { text: string; since: number }>();
  /** When the server has last said how things are in each scope, by the monotonic clock. */
  readonly #heardAt: Map<string, number>;
  readonly #clock: Clock;
  readonly #handlers: ((change: Change<T>) => void)[] = [];
  readonly #stateHandlers: ((state: InformerState) => void)[] = [];

  constructor(options: InformerOptions<T, I>) {
    this.resource = options.resource;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#store = new Store<T, I>(options.indexes);
    this.#scopes = options.namespaces && options.namespaces.length > 0 ? [...options.namespaces] : [""];
    this.#states = new Map(this.#scopes.map((scope) => [scope, "syncing"]));
    this.#heardAt = new Map(this.#scopes.map((scope) => [scope, this.#clock.monotonic()]));
  }

  get store(): ReadOnlyStore<T, I> {
    return this.#store;
  }

  get state(): InformerState {
    const states = [...this.#states.values()];
    if (states.includes("syncing")) return "syncing";
    return states.includes("absent") ? "absent" : "synced";
  }

  /** Whether the first list is done, or the resource known to be absent. */
  get hasSynced(): boolean {
    return this.state !== "syncing";
  }

  /** Why listing or watching fails just now, on one line. */
  get problem(): string | undefined {
    return [...this.#problems.values()][0]?.text;
  }

  /** Why the store may be far behind the server: a problem or a silence that has lasted for two minutes. */
  get outdated(): string | undefined {
    const since = this.#clock.monotonic() - OUTDATED_MS;
    const lasts = [...this.#problems.values()].find((each) => each.since <= since);
    if (lasts) return lasts.text;
    const isSilent = [...this.#heardAt.values()].some((at) => at <= since);
    if (!isSilent) return undefined;
    return this.problem ?? `Cannot follow ${this.resource.plural}: no answer for ${OUTDATED_MS / 1000} s`;
  }

  /**
   * Calls `handler` after each change of the store, the first list's objects included. Handlers must be quick and must
   * not throw: they put keys into queues.
   */
  subscribe(handler: (change: Change<T>) => void): void {
    this.#handlers.push(handler);
  }

  /** Calls `handler` when the state changes, such as when a CRD is installed. */
  onStateChange(handler: (state: InformerState) => void): void {
    this.#stateHandlers.push(handler);
  }

  /** Waits for the first list. */
  async synced(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.hasSynced) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.onStateChange(() => {
      if (this.hasSynced) resolve();
    });
    await abortable(promise, signal);
  }

  /**
   * Takes an object that a write returned into the store, so that the writer reads its own write before the watch
   * delivers it. Older versions than the cached one, and objects that the cache does not have, are ignored.
   */
  observe(object: T): void {
    const cached = this.#store.get(objectKey(object));
    if (!cached || cached.metadata.uid !== object.metadata.uid) return;
    if (!isNewer(object, cached)) return;
    this.#emit(this.#store.set(this.#trimmed(object)));
  }

  /** Follows the server until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { namespaces: _namespaces, indexes: _indexes, ...options } = this.#options;
    await Promise.all(
      this.#scopes.map((scope) =>
        new Reflector<T>({ ...options, namespace: scope || undefined, sink: this.#sink(scope) }).run(signal),
      ),
    );
  }

  #sink(scope: string): Sink<T> {
    return {
      replace: (objects) => {
        const changed = this.#replace(scope, objects);
        this.#setState(scope, "synced");
        return changed;
      },
      heard: () => void this.#heardAt.set(scope, this.#clock.monotonic()),
      set: (object) => this.#set(object as DeepReadonly<T>),
      remove: (object) => this.#emit(this.#store.delete(objectKey(object as DeepReadonly<T>))),
      absent: () => {
        this.#replace(scope, []);
        this.#setState(scope, "absent");
      },
      problem: (text) => {
        const since = this.#problems.get(scope)?.since ?? this.#clock.monotonic();
        if (text === undefined) this.#problems.delete(scope);
        else this.#problems.set(scope, { text, since });
      },
    };
  }

  /** Tells whether anything has changed. */
  #replace(scope: string, objects: T[]): boolean {
    let changed = false;
    const emit = (change: Change<T> | undefined): void => {
      changed ||= change !== undefined;
      this.#emit(change);
    };
    const present = new Set<string>();
    for (const object of objects) present.add(objectKey(object as DeepReadonly<T>));
    for (const key of this.#store.keys()) {
      const mine = scope === "" || key.startsWith(`${scope}/`);
      if (mine && !present.has(key)) emit(this.#store.delete(key));
    }
    for (const object of objects) {
      const cached = this.#store.get(objectKey(object as DeepReadonly<T>));
      const same =
        cached &&
        cached.metadata.uid === object.metadata.uid &&
        cached.metadata.resourceVersion === object.metadata.resourceVersion;
      if (!same) emit(this.#store.set(object as DeepReadonly<T>));
    }
    return changed;
  }

  #set(object: DeepReadonly<T>): void {
    const cached = this.#store.get(objectKey(object));
    // The watch lags behind a write that was observed.
    if (cached && cached.metadata.uid === object.metadata.uid && !isNewer(object, cached)) return;
    this.#emit(this.#store.set(object));
  }

  #trimmed(object: T): DeepReadonly<T> {
    return (this.#options.transform ? this.#options.transform(object) : object) as DeepReadonly<T>;
  }

  #emit(change: Change<T> | undefined): void {
    if (!change) return;
    for (const handler of this.#handlers) {
      try {
        handler(change);
      } catch (error) {
        this.#options.log.error("Change handler failed", {
          resource: this.resource.plural,
          key: change.key,
          error: errorText(error),
        });
      }
    }
  }

  #setState(scope: string, state: InformerState): void {
    const before = this.state;
    this.#states.set(scope, state);
    const after = this.state;
    if (before !== after) for (const handler of this.#stateHandlers) handler(after);
  }
}

function isNewer(a: DeepReadonly<KubeObject>, b: DeepReadonly<KubeObject>): boolean {
  return isNewerVersion(a.metadata.resourceVersion ?? "", b.metadata.resourceVersion ?? "");
}
