/**
 * Results that are kept while the revisions of what they were made from stay the same. Most events concern one node, and
 * the others need not be looked at again. Nothing here is state: all of it can be lost at any time.
 */
import { isDeepStrictEqual } from "node:util";
import type { NodeFacts } from "./assess/facts.ts";
import type { ObservationMemo, Seen } from "./observe/cluster.ts";
import type { NodeObservation } from "./observe/observation.ts";
import { sortByNodeName } from "./rollout/node-order.ts";

/** Keeps the last result, as long as its key stays the same. */
export class Memo<T> {
  readonly #isSame: (a: T, b: T) => boolean;
  #key: string | undefined;
  #result: T | undefined;
  #revision = 0;

  /** @param isSame whether a result that was made anew says the same as the one before, which is then kept */
  constructor(isSame: (a: T, b: T) => boolean = () => false) {
    this.#isSame = isSame;
  }

  /** Grows whenever the result becomes another. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * @param key stands for everything that the result depends on
   * @param isOver whether the kept result no longer holds, although its key is the same
   */
  get(key: string, make: () => T, isOver?: (result: T) => boolean): T {
    if (this.#key !== key || isOver?.(this.#result as T)) {
      const made = make();
      if (this.#result === undefined || !this.#isSame(made, this.#result)) {
        this.#result = made;
        this.#revision++;
      }
      this.#key = key;
    }
    return this.#result as T;
  }
}

/** Numbers values. The number grows whenever a value differs from the one before. Nobody may change a value later. */
export class Revision {
  #value: unknown;
  #number = 0;

  of(value: unknown): number {
    // Compared, and not written as text: most of it is the same object as before.
    if (this.#number === 0 || !isDeepStrictEqual(value, this.#value)) this.#number++;
    this.#value = value;
    return this.#number;
  }
}

interface Entry {
  /** undefined: the node does not concern the resource. */
  observation: NodeObservation | undefined;
  /** The revision of the desired objects that `facts` were made with; 0: none. */
  assessed: number;
  facts: NodeFacts | undefined;
}

/** What is known of the nodes of one Onload resource. */
export class NodeMemo implements ObservationMemo {
  #entries = new Map<string, Entry>();
  /** A node came since the entries were sorted. */
  #joined = false;
  readonly #fleeting = new Set<string>();
  #seen: Seen | undefined;
  #list: NodeObservation[] | undefined;
  #revision = 0;
  #observations = 0;

  /** Grows whenever the facts of any node become others. */
  get revision(): number {
    return this.#revision;
  }

  /** Grows whenever the observation of any node becomes another. */
  get observationRevision(): number {
    return this.#observations;
  }

  /** What the last look at the nodes saw; undefined if there was none, or it was not completed. */
  get seen(): Seen | undefined {
    return this.#seen;
  }

  /** Nodes whose observation may become another although nothing changes that has a revision. */
  get fleeting(): Iterable<string> {
    return this.#fleeting;
  }

  /** A look at the nodes begins. If it is broken off, the next one looks at all of them. */
  begin(): void {
    this.#seen = undefined;
  }

  /** A look at the nodes has been completed. */
  end(seen: Seen): NodeObservation[] {
    this.#seen = seen;
    // Plans are in this order. Nodes come seldom, and plans are made often.
    if (this.#joined) this.#entries = new Map(sortByNodeName([...this.#entries], ([name]) => name));
    this.#joined = false;
    if (!this.#list) {
      this.#list = [];
      for (const { observation } of this.#entries.values()) if (observation) this.#list.push(observation);
    }
    return this.#list;
  }

  /**
   * Keeps what is seen of a node.
   *
   * @param observation undefined: the node does not concern the resource
   * @param isFleeting see {@link fleeting}
   */
  keep(name: string, observation: NodeObservation | undefined, isFleeting: boolean): void {
    if (isFleeting) this.#fleeting.add(name);
    else this.#fleeting.delete(name);
    const known = this.#entries.get(name);
    if (known && isDeepStrictEqual(known.observation, observation)) return;
    this.#changes();
    if (!known) this.#joined = true;
    if (observation === undefined && known?.facts) this.#revision++;
    const facts = observation === undefined ? undefined : known?.facts;
    this.#entries.set(name, { observation, assessed: 0, facts });
  }

  /** A node is gone. */
  forget(name: string): void {
    this.#fleeting.delete(name);
    const known = this.#entries.get(name);
    if (!known) return;
    this.#entries.delete(name);
    this.#changes();
    if (known.facts) this.#revision++;
  }

  /** Forgets all nodes that are gone. */
  retain(nodes: { get(name: string): unknown }): void {
    // Their number tells nothing: a node may have come where another went.
    for (const name of this.#entries.keys()) if (nodes.get(name) === undefined) this.forget(name);
  }

  /**
   * The facts that follow from what was observed of each node.
   *
   * @param wanted revision of the desired objects
   */
  facts(wanted: number, make: (observation: NodeObservation) => NodeFacts): NodeFacts[] {
    const list: NodeFacts[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.observation) list.push(this.#factsOf(entry, entry.observation, wanted, make));
    }
    return list;
  }

  #factsOf(
    entry: Entry,
    observation: NodeObservation,
    wanted: number,
    make: (observation: NodeObservation) => NodeFacts,
  ): NodeFacts {
    if (entry.facts && entry.assessed === wanted) return entry.facts;
    const made = make(observation);
    if (!entry.facts || !isDeepStrictEqual(entry.facts, made)) {
      entry.facts = made;
      this.#revision++;
    }
    entry.assessed = wanted;
    return entry.facts;
  }

  #changes(): void {
    this.#observations++;
    this.#list = undefined;
  }
}
