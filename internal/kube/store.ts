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
  get(key: string): DeepReadonly<T> | undefined;
  keys(): Iterable<string>;
  list(): Iterable<DeepReadonly<T>>;
  /**
   * Objects that `index` has under `value`, in no particular order. The array is the same one until any of them comes,
   * goes or changes: who keeps it can tell that nothing has happened.
   */
  byIndex(index: I, value: string): readonly DeepReadonly<T>[];
}

/** What an index has under one value. */
interface Bucket<T> {
  keys: Set<string>;
  /** Made when asked for, and dropped with every change. */
  list: readonly DeepReadonly<T>[] | undefined;
}

const NONE: readonly never[] = [];

/** Objects by key, with indexes (client-go: Indexer). */
export class Store<T extends KubeObject, I extends string = string> implements ReadOnlyStore<T, I> {
  readonly #objects = new Map<string, DeepReadonly<T>>();
  readonly #indexes = new Map<string, { of: IndexFunction<T>; buckets: Map<string, Bucket<T>> }>();

  constructor(indexes: Partial<Record<I, IndexFunction<T>>> = {}) {
    for (const [name, of] of Object.entries<IndexFunction<T> | undefined>(indexes)) {
      if (of) this.#indexes.set(name, { of, buckets: new Map() });
    }
  }

  get size(): number {
    return this.#objects.size;
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
    if (old) this.#unindex(key, old);
    this.#objects.set(key, object);
    for (const { of, buckets } of this.#indexes.values()) {
      for (const value of of(object)) {
        const bucket = buckets.get(value) ?? { keys: new Set(), list: undefined };
        bucket.keys.add(key);
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
    this.#unindex(key, old);
    this.#objects.delete(key);
    return { key, old, current: undefined };
  }

  #unindex(key: string, object: DeepReadonly<T>): void {
    for (const { of, buckets } of this.#indexes.values()) {
      for (const value of of(object)) {
        const bucket = buckets.get(value);
        if (!bucket) continue;
        bucket.keys.delete(key);
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
