/**
 * Results kept for as long as what they were made from is the same: most events concern one node, and the others need
 * not be looked at again. Nothing here is state; all of it can be lost at any time.
 */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, Node } from "../api/core.ts";
import type { NodeFacts } from "./rollout/facts.ts";
import type { NodeView, ResourceView } from "./observe/node-facts.ts";

/** Keeps the last result of `make`, as long as the inputs are the same objects or equal plain values. */
export class Last<T> {
  #inputs: readonly unknown[] | undefined;
  #result: T | undefined;

  get(inputs: readonly unknown[], make: () => T): T {
    if (!this.#inputs || !sameInputs(this.#inputs, inputs)) {
      this.#result = make();
      this.#inputs = inputs;
    }
    return this.#result as T;
  }
}

function sameInputs(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

interface Entry {
  node: DeepReadonly<Node>;
  view: NodeView;
  facts: NodeFacts;
}

/** The facts of the nodes of one Onload resource. Objects in caches never change, so the same object means the same facts. */
export class FactsMemo {
  #resource: ResourceView | undefined;
  #heard = 0;
  #entries = new Map<string, Entry>();

  /**
   * Forgets everything if what is the same for all nodes has changed, or most of what is known is of nodes that went.
   *
   * @param nodes how many nodes there are
   */
  begin(resource: ResourceView, heard: number, nodes: number): void {
    const known = this.#resource && this.#heard === heard && sameResource(this.#resource, resource);
    if (!known || this.#entries.size > 2 * nodes + 100) this.#entries = new Map();
    this.#resource = resource;
    this.#heard = heard;
  }

  get(node: DeepReadonly<Node>, view: NodeView, make: () => NodeFacts): NodeFacts {
    const { name } = node.metadata;
    const known = this.#entries.get(name);
    if (known && known.node === node && sameView(known.view, view)) return known.facts;
    const facts = make();
    this.#entries.set(name, { node, view, facts });
    return facts;
  }
}

/** Modules and capabilities are kept objects; the rest is small and made anew for every plan. */
function sameResource(a: ResourceView, b: ResourceView): boolean {
  const { modules: modulesA, kmm: kmmA, images: imagesA, ...restA } = a;
  const { modules: modulesB, kmm: kmmB, images: imagesB, ...restB } = b;
  return (
    modulesA.onload === modulesB.onload &&
    modulesA.sfc === modulesB.sfc &&
    kmmA === kmmB &&
    JSON.stringify(restA) === JSON.stringify(restB) &&
    isDeepStrictEqual(imagesA, imagesB)
  );
}

function sameView(a: NodeView, b: NodeView): boolean {
  return a.nmc === b.nmc && a.holders === undefined && b.holders === undefined && sameInputs(a.pods, b.pods);
}
