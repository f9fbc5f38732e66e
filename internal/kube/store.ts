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
export const REMEMBERED_CHANGES = 256;

interface Index<T extends KubeObject> {
  of: IndexFunction<T>;
  buckets: Map<string, Bucket<T>>;
  /** For each remembered change, the values under which it had or has the object. */
  touched: (readonly string[])[];
}

/** Objects by key, with indexes (client-go: Indexer). */
export class Store<T extends KubeObject, I extends string = string> implements ReadOnlyStore<T, I> {
  readonly #objects = new Map<string, DeepReadonly<T>>();
  #revision = 0;
  /** The keys of the last changes; the newest is that of the present revision. */
  #changes: string[] = [];
  readonly #indexes = new Map<string, Index<T>>();

  constructor(indexes: Partial<Record<I, IndexFunction<T>>> = {}) {
    for (const [name, of] of Object.entries<IndexFunction<T> | undefined>(indexes)) {
      if (of) this.#indexes.set(name, { of, buckets: new Map(), touched: [] });
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
    const from = this.#changes.length - count;
    if (index === undefined) return new Set(this.#changes.slice(from));
    return new Set(this.#index(index).touched.slice(from).flat());
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
    const bucket = this.#index(index).buckets.get(value);
    if (!bucket) return NONE;
    bucket.list ??= Array.from(bucket.keys, (key) => this.#objects.get(key)!);
    return bucket.list;
  }

  indexValues(index: I): Iterable<string> {
    return this.#index(index).buckets.keys();
  }

  /** Adds or replaces an object. */
  set(object: DeepReadonly<T>): Change<T> {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    // An index that cannot read the object throws here, before anything has changed.
    const found = Array.from(this.#indexes.values(), (index) => ({ index, values: index.of(object) }));
    const before = this.#unindex(key, old);
    this.#objects.set(key, object);
    for (const { index, values } of found) {
      for (const value of values) {
        const bucket = index.buckets.get(value) ?? { keys: new Set(), list: undefined };
        bucket.keys.add(key);
        bucket.list = undefined;
        index.buckets.set(value, bucket);
      }
    }
    const touched = found.map(({ values }, i) => [...(before[i] ?? NONE), ...values]);
    this.#note(key, touched);
    return { key, old, current: object };
  }

  /** Removes an object; undefined if it was not there. */
  delete(key: string): Change<T> | undefined {
    const old = this.#objects.get(key);
    if (!old) return undefined;
    const touched = this.#unindex(key, old);
    this.#objects.delete(key);
    this.#note(key, touched);
    return { key, old, current: undefined };
  }

  /** @param touched by index, the values that a change has touched */
  #note(key: string, touched: readonly (readonly string[])[]): void {
    this.#revision++;
    this.#changes.push(key);
    const isFull = this.#changes.length >= 2 * REMEMBERED_CHANGES;
    if (isFull) this.#changes = this.#changes.slice(-REMEMBERED_CHANGES);
    for (const [i, index] of [...this.#indexes.values()].entries()) {
      index.touched.push(touched[i] ?? NONE);
      if (isFull) index.touched = index.touched.slice(-REMEMBERED_CHANGES);
    }
  }

  /** @returns by index, the values under which it had the object */
  #unindex(key: string, object: DeepReadonly<T> | undefined): (readonly string[])[] {
    if (!object) return [];
    return Array.from(this.#indexes.values(), ({ of, buckets }) => {
      const values = of(object);
      for (const value of values) {
        const bucket = buckets.get(value);
        if (!bucket) continue;
        bucket.keys.delete(key);
        bucket.list = undefined;
        if (bucket.keys.size === 0) buckets.delete(value);
      }
      return values;
    });
  }

  #index(name: string): Index<T> {
    const index = this.#indexes.get(name);
    if (!index) throw new RangeError(`Cannot look up index "${name}": the store has none of that name`);
    return index;
  }
}
