import { objectKey, type DeepReadonly, type KubeObject } from "./object.ts";

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
  /** Objects that `index` has under `value`, in no particular order. */
  byIndex(index: I, value: string): DeepReadonly<T>[];
}

/** Objects by key, with indexes (client-go: Indexer). */
export class Store<T extends KubeObject, I extends string = string> implements ReadOnlyStore<T, I> {
  readonly #objects = new Map<string, DeepReadonly<T>>();
  readonly #indexes = new Map<string, { of: IndexFunction<T>; keys: Map<string, Set<string>> }>();

  constructor(indexes: Partial<Record<I, IndexFunction<T>>> = {}) {
    for (const [name, of] of Object.entries<IndexFunction<T> | undefined>(indexes)) {
      if (of) this.#indexes.set(name, { of, keys: new Map() });
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

  byIndex(index: I, value: string): DeepReadonly<T>[] {
    const keys = this.#index(index).get(value);
    return keys ? Array.from(keys, (key) => this.#objects.get(key)!) : [];
  }

  /** Adds or replaces an object. */
  set(object: DeepReadonly<T>): Change<T> {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    if (old) this.#unindex(key, old);
    this.#objects.set(key, object);
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of of(object)) {
        const at = keys.get(value);
        if (at) at.add(key);
        else keys.set(value, new Set([key]));
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
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of of(object)) {
        const at = keys.get(value);
        at?.delete(key);
        if (at?.size === 0) keys.delete(value);
      }
    }
  }

  #index(name: string): Map<string, Set<string>> {
    const index = this.#indexes.get(name);
    if (!index) throw new RangeError(`Cannot look up index "${name}": the store has none of that name`);
    return index.keys;
  }
}
