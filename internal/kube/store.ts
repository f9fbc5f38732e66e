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
  /**
   * The keys of the objects that have come, changed or gone since the store was at a {@link revision}; with an index, the
   * values under which it had or has them.
   *
   * @returns undefined if that is too many changes ago to tell
   */
  changedSince(revision: number, index?: I): ReadonlySet<string> | undefined;
  get(key: string): DeepReadonly<T> | undefined;
  keys(): Iterable<string>;
  list(): Iterable<DeepReadonly<T>>;
  /** Objects that `index` has under `value`, in no particular order. */
  byIndex(index: I, value: string): readonly DeepReadonly<T>[];
  /** The values under which `index` has any object (client-go: ListIndexFuncValues). */
  indexValues(index: I): Iterable<string>;
}

/** What an index has under one value. */
interface Bucket<T> {
  keys: Set<string>;
  /** Made when asked for, and dropped with every change. */
  list: readonly DeepReadonly<T>[] | undefined;
}

const NONE: readonly never[] = [];

/** So many changes are remembered at least: a look at the store that comes later has to look at everything. */
export const REMEMBERED_CHANGES = 500;

/** What a change has touched. */
interface Touched {
  key: string;
  /** By index, the values under which it had or has the object. */
  values: ReadonlyMap<string, readonly string[]>;
}

/** Objects by key, with indexes (client-go: Indexer). */
export class Store<T extends KubeObject, I extends string = string> implements ReadOnlyStore<T, I> {
  readonly #objects = new Map<string, DeepReadonly<T>>();
  #revision = 0;
  /** The last changes; the newest is that of the present revision. */
  #changes: Touched[] = [];
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

  changedSince(revision: number, index?: I): ReadonlySet<string> | undefined {
    const count = this.#revision - revision;
    if (count > this.#changes.length) return undefined;
    const changes = this.#changes.slice(this.#changes.length - count);
    return new Set(changes.flatMap(({ key, values }) => (index === undefined ? [key] : (values.get(index) ?? NONE))));
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

  indexValues(index: I): Iterable<string> {
    return this.#index(index).keys();
  }

  /** Adds or replaces an object. */
  set(object: DeepReadonly<T>): Change<T> {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    // An index that cannot read the object throws here, before anything has changed.
    const found = Array.from(this.#indexes, ([name, { of, buckets }]) => ({ name, values: of(object), buckets }));
    const touched = old ? this.#unindex(key, old) : new Map<string, readonly string[]>();
    this.#objects.set(key, object);
    for (const { name, values, buckets } of found) {
      touched.set(name, [...(touched.get(name) ?? NONE), ...values]);
      for (const value of values) {
        const bucket = buckets.get(value) ?? { keys: new Set(), list: undefined };
        bucket.keys.add(key);
        bucket.list = undefined;
        buckets.set(value, bucket);
      }
    }
    this.#note({ key, values: touched });
    return { key, old, current: object };
  }

  /** Removes an object; undefined if it was not there. */
  delete(key: string): Change<T> | undefined {
    const old = this.#objects.get(key);
    if (!old) return undefined;
    const values = this.#unindex(key, old);
    this.#objects.delete(key);
    this.#note({ key, values });
    return { key, old, current: undefined };
  }

  #note(change: Touched): void {
    this.#revision++;
    this.#changes.push(change);
    if (this.#changes.length >= 2 * REMEMBERED_CHANGES) this.#changes = this.#changes.slice(-REMEMBERED_CHANGES);
  }

  /** @returns by index, the values under which it had the object */
  #unindex(key: string, object: DeepReadonly<T>): Map<string, readonly string[]> {
    const found = new Map<string, readonly string[]>();
    for (const [name, { of, buckets }] of this.#indexes) {
      const values = of(object);
      found.set(name, values);
      for (const value of values) {
        const bucket = buckets.get(value);
        if (!bucket) continue;
        bucket.keys.delete(key);
        bucket.list = undefined;
        if (bucket.keys.size === 0) buckets.delete(value);
      }
    }
    return found;
  }

  #index(name: string): Map<string, Bucket<T>> {
    const index = this.#indexes.get(name);
    if (!index) throw new RangeError(`Cannot look up index "${name}": the store has none of that name`);
    return index.buckets;
  }
}
