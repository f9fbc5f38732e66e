/**
 * Results kept for as long as what they were made from is the same: most events concern one node, and the others need
 * not be looked at again. Nothing here is state; all of it can be lost at any time.
 */
import { isDeepStrictEqual } from "node:util";
import type { NodeFacts } from "./rollout/facts.ts";
import type { Policy, RolloutPlan } from "./rollout/plan.ts";
import type { NodeInputs, ResourceView } from "./observe/node-facts.ts";

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

interface Entry extends NodeInputs {
  facts: NodeFacts | undefined;
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

/** The last plan, which holds as long as the facts and the policy are the same and nothing is due. */
export class LastPlan {
  #facts: readonly NodeFacts[] = [];
  #policy: Policy | undefined;
  #plan: RolloutPlan | undefined;

  get(facts: readonly NodeFacts[], policy: Policy, now: number, make: () => RolloutPlan): RolloutPlan {
    const due = this.#plan?.wakeAt !== undefined && now >= this.#plan.wakeAt;
    if (!this.#plan || due || !sameInputs(this.#facts, facts) || !isDeepStrictEqual(this.#policy, policy)) {
      this.#plan = make();
      this.#facts = facts;
      this.#policy = policy;
    }
    return this.#plan;
  }
}

/** Modules and capabilities are kept objects; the rest is small and made anew for every plan. */
function sameResource(a: ResourceView, b: ResourceView): boolean {
  const { modules: modulesA, kmm: kmmA, images: imagesA, ...restA } = a;
  const { modules: modulesB, kmm: kmmB, images: imagesB, ...restB } = b;
  return (
    sameModule(modulesA.onload, modulesB.onload) &&
    sameModule(modulesA.sfc, modulesB.sfc) &&
    kmmA === kmmB &&
    JSON.stringify(restA) === JSON.stringify(restB) &&
    isDeepStrictEqual(imagesA, imagesB)
  );
}

/** KMM counts in a Module's status all the time; only its spec matters, whose changes the API server counts. */
function sameModule(a: ResourceView["modules"]["onload"], b: ResourceView["modules"]["onload"]): boolean {
  if (a === b) return true;
  const { uid, generation } = a?.metadata ?? {};
  return uid !== undefined && uid === b?.metadata.uid && generation === b.metadata.generation;
}
