import type { DeepReadonly, KubeObject } from "../api/core.ts";
import { objectKey } from "./object.ts";

/** The values under which an index finds an object. */
export type IndexFunction<T extends KubeObject> = (object: DeepReadonly<T>) => readonly string[];

/** A change of a cached object: `old` is missing for a new one, `current` for one that is gone. */
export interface Change<T extends KubeObject> {
  key: string;
  old: DeepReadonly<T> | undefined;
  current: DeepReadonly<T> | undefined;
}

/** What others may do with a {@link Store}. Its objects are shared: never change them. */
export interface ReadOnlyStore<T extends KubeObject, I extends string = string> {
  readonly size: number;
  /** Grows with every change of any object. */
  readonly revision: number;
  /** The {@link revision} at which an object changed last; 0 if it is not there. */
  revisionOf(key: string): number;
  /** The {@link revision} at which what `index` has under `value` changed last; 0 if there is nothing. */
  indexRevisionOf(index: I, value: string): number;
  get(key: string): DeepReadonly<T> | undefined;
  keys(): Iterable<string>;
  list(): Iterable<DeepReadonly<T>>;
  /** Objects that `index` has under `value`, in no particular order. */
  byIndex(index: I, value: string): readonly DeepReadonly<T>[];
}

/** What an index has under one value. */
interface Bucket<T> {
  keys: Set<string>;
  /** The store's revision at the last change. */
  revision: number;
  /** Made when asked for, and dropped with every change. */
  list: readonly DeepReadonly<T>[] | undefined;
}

const NONE: readonly never[] = [];

/** Objects by key, with indexes (client-go: Indexer). */
export class Store<T extends KubeObject, I extends string = string> implements ReadOnlyStore<T, I> {
  readonly #objects = new Map<string, DeepReadonly<T>>();
  readonly #revisions = new Map<string, number>();
  #revision = 0;
  readonly #indexes = new Map<string, { of: IndexFunction<T>; buckets: Map<string, Bucket<T>> }>();

  constructor(indexes: Partial<Record<I, IndexFunction<T>>> = {}) {
    for (const [name, of] of Object.entries<IndexFunction<T> | undefined>(indexes)) {
      if (of) this.#indexes.set(name, { of, buckets: new Map() });
    }
  }

  get size(): number {
    return this.#objects.size;
  }

  get revision(): number {
    return this.#revision;
  }

  revisionOf(key: string): number {
    return this.#revisions.get(key) ?? 0;
  }

  indexRevisionOf(index: I, value: string): number {
    return this.#index(index).get(value)?.revision ?? 0;
  }

  get(key: string): DeepReadonly<T> | undefined {
    return this.#objects.get(key);
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  list(): Iterable<DeepReadonly<T>> {
    return this.#objects.values();
  }

  byIndex(index: I, value: string): readonly DeepReadonly<T>[] {
    const bucket = this.#index(index).get(value);
    if (!bucket) return NONE;
    bucket.list ??= Array.from(bucket.keys, (key) => this.#objects.get(key)!);
    return bucket.list;
  }

  /** Adds or replaces an object. */
  set(object: DeepReadonly<T>): Change<T> {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    // An index that cannot read the object throws here, before anything has changed.
    const found = Array.from(this.#indexes.values(), ({ of, buckets }) => ({ values: of(object), buckets }));
    const revision = ++this.#revision;
    if (old) this.#unindex(key, old);
    this.#objects.set(key, object);
    this.#revisions.set(key, revision);
    for (const { values, buckets } of found) {
      for (const value of values) {
        const bucket = buckets.get(value) ?? { keys: new Set(), revision, list: undefined };
        bucket.keys.add(key);
        bucket.revision = revision;
        bucket.list = undefined;
        buckets.set(value, bucket);
      }
    }
    return { key, old, current: object };
  }

  /** Removes an object; undefined if it was not there. */
  delete(key: string): Change<T> | undefined {
    const old = this.#objects.get(key);
    if (!old) return undefined;
    this.#revision++;
    this.#unindex(key, old);
    this.#objects.delete(key);
    this.#revisions.delete(key);
    return { key, old, current: undefined };
  }

  #unindex(key: string, object: DeepReadonly<T>): void {
    for (const { of, buckets } of this.#indexes.values()) {
      for (const value of of(object)) {
        const bucket = buckets.get(value);
        if (!bucket) continue;
        bucket.keys.delete(key);
        bucket.revision = this.#revision;
        bucket.list = undefined;
        if (bucket.keys.size === 0) buckets.delete(value);
      }
    }
  }

  #index(name: string): Map<string, Bucket<T>> {
    const index = this.#indexes.get(name);
    if (!index) throw new RangeError(`Cannot look up index "${name}": the store has none of that name`);
    return index.buckets;
  }
}
