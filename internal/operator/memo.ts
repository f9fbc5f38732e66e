/**
 * Results kept for as long as what they were made from is the same: most events concern one node, and the others need
 * not be looked at again. Nothing here is state; all of it can be lost at any time.
 */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, KubeObject } from "../api/core.ts";
import type { NodeFacts } from "./rollout/facts.ts";
import type { NodeInputs, ResourceView } from "./observe/node-facts.ts";

/** Keeps the last result of `make`, as long as the inputs are the same objects or equal plain values. */
export class Last<T> {
  #inputs: readonly unknown[] | undefined;
  #result: T | undefined;

  /** The last result, whatever it was made from. */
  get result(): T | undefined {
    return this.#result;
  }

  /** @param isOver whether a result does not hold any longer, although its inputs are the same */
  get(inputs: readonly unknown[], make: () => T, isOver?: (result: T) => boolean): T {
    if (!this.#inputs || !sameInputs(this.#inputs, inputs) || isOver?.(this.#result as T)) {
      this.#result = make();
      this.#inputs = inputs;
    }
    return this.#result as T;
  }
}

function sameInputs(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i]);
}

interface Entry extends NodeInputs {
  facts: NodeFacts | undefined;
}

/** The facts of the nodes of one Onload resource. Objects in caches never change, so the same object means the same facts. */
export class FactsMemo {
  #resource: ResourceView | undefined;
  #logsRevision = 0;
  #entries = new Map<string, Entry>();

  /**
   * Forgets everything if what is the same for all nodes has changed, or most of what is known is of nodes that went.
   *
   * @param logsRevision see FailureLogs.revision
   * @param nodes how many nodes there are
   */
  begin(resource: ResourceView, logsRevision: number, nodes: number): void {
    const known = this.#resource && this.#logsRevision === logsRevision && sameResource(this.#resource, resource);
    if (!known || this.#entries.size > 2 * nodes + 100) this.#entries = new Map();
    this.#resource = resource;
    this.#logsRevision = logsRevision;
  }

  /** What is known of a node, if it is still made from these: no more than a few comparisons, for every plan and node. */
  get(name: string, { node, plugins, kmmPods, nmc }: NodeInputs): Entry | undefined {
    const known = this.#entries.get(name);
    const same = known?.node === node && known.plugins === plugins && known.kmmPods === kmmPods && known.nmc === nmc;
    return same ? known : undefined;
  }

  /**
   * Keeps the facts of a node, or those that are known where they are equal: most events change nothing that counts.
   *
   * @param facts undefined where the node does not concern the resource
   */
  set(name: string, inputs: NodeInputs, facts: NodeFacts | undefined): NodeFacts | undefined {
    const known = this.#entries.get(name)?.facts;
    const kept = isDeepStrictEqual(known, facts) ? known : facts;
    this.#entries.set(name, { ...inputs, facts: kept });
    return kept;
  }
}

/** Modules and capabilities are kept objects; the rest is small and made anew for every plan. */
function sameResource(a: ResourceView, b: ResourceView): boolean {
  const { modules: modulesA, kmm: kmmA, images: imagesA, ...restA } = a;
  const { modules: modulesB, kmm: kmmB, images: imagesB, ...restB } = b;
  return (
    specOf(modulesA.onload) === specOf(modulesB.onload) &&
    specOf(modulesA.sfc) === specOf(modulesB.sfc) &&
    kmmA === kmmB &&
    JSON.stringify(restA) === JSON.stringify(restB) &&
    isDeepStrictEqual(imagesA, imagesB)
  );
}

/**
 * Stands for an object's spec, whose changes the API server counts: the rest changes all the time, because KMM counts in
 * a Module's status. An object that was not in the cluster stands for itself.
 */
export function specOf(object: DeepReadonly<KubeObject> | undefined): unknown {
  const { uid, generation } = object?.metadata ?? {};
  return uid === undefined ? object : `${uid} ${generation}`;
}
