/** Tells the story of a rollout: Events on the Onload resource, and metrics. */
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadKey } from "../../api/names.ts";
import { EVENT_REASON } from "../../api/reasons.ts";
import { referenceTo, type EventSink } from "../../kube/events.ts";
import { ONLOADS } from "../../api/resources.ts";
import { NODES, PODS } from "../../kube/resource.ts";
import type { Deeds } from "../act/nodes.ts";
import type { RawOnload } from "../cache/caches.ts";
import type { EvictionResult } from "../act/evict.ts";
import type { OperatorMetrics, Verdicts } from "./metrics.ts";
import { nameOf } from "../observe/ownership.ts";
import type { Holder } from "../assess/facts.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import {
  isRemembered,
  remember,
  tellChange,
  tellCleaned,
  tellStep,
  type NodeMemory,
  type Tale,
} from "./event-texts.ts";

export class Teller {
  readonly #events: EventSink;
  readonly #metrics: OperatorMetrics;
  /** What the last plan said, by resource and node: lost with the process, which then begins the story anew. */
  readonly #memory = new Map<string, Map<string, NodeMemory>>();

  constructor(events: EventSink, metrics: OperatorMetrics) {
    this.#events = events;
    this.#metrics = metrics;
  }

  /** Tells one tale about a resource. */
  tell(onload: DeepReadonly<RawOnload>, tale: Tale): void {
    this.#events.record(referenceTo(ONLOADS, onload), {
      type: tale.type,
      reason: tale.reason,
      note: tale.note,
      ...(tale.node === undefined ? {} : { related: { apiVersion: "v1", kind: NODES.kind, name: tale.node } }),
    });
  }

  /** Tells what was done, and what has changed since the last plan. */
  tellPlan(
    onload: DeepReadonly<RawOnload>,
    key: OnloadKey,
    plan: RolloutPlan,
    deeds: Deeds,
    verdicts: Verdicts,
    now: number,
  ): void {
    const id = nameOf(key);
    const known = this.#memory.get(id);
    const memory = known ?? new Map<string, NodeMemory>();
    this.#memory.set(id, memory);
    for (const { plan: node, step } of deeds.steps) {
      this.#metrics.step(key, step);
      const tale = tellStep(step, node.facts);
      if (tale) this.tell(onload, tale);
    }
    for (const node of plan.nodes) {
      const { name } = node.facts;
      const old = memory.get(name);
      if (old && isRemembered(old, node)) continue;
      if (old && old.state !== node.state) this.#metrics.leftState(old.state, now - old.since);
      // In a process's first plan of a resource nothing has changed; a node that joins later has.
      const tales = tellChange(old ?? (known && NEWCOMER), node);
      for (const tale of tales) this.tell(onload, tale);
      if (node.problem?.failed && tales.some(({ type }) => type === "Warning")) {
        this.#metrics.nodeFailed(key, node.problem.reason);
      }
      memory.set(name, remember(old, node, now));
    }
    if (memory.size > plan.nodes.length) {
      const present = new Set(plan.nodes.map(({ facts }) => facts.name));
      for (const name of memory.keys()) {
        if (present.has(name)) continue;
        memory.delete(name);
        this.tell(onload, tellCleaned(name));
      }
    }
    this.#metrics.planned(key, plan.nodes, verdicts);
  }

  /** Tells of an eviction. */
  tellEviction(
    onload: DeepReadonly<RawOnload>,
    node: string,
    pod: Holder,
    result: EvictionResult,
    message: string,
  ): void {
    this.#metrics.evicted(result);
    const done = result === "evicted" || result === "deleted";
    const what = done ? `${result} pod` : `could not evict pod`;
    const why = message === "" ? "" : `: ${message}`;
    this.#events.record(referenceTo(ONLOADS, onload), {
      type: done ? "Normal" : "Warning",
      reason: done ? EVENT_REASON.PodEvicted : "EvictionBlocked",
      note: `Node ${node}: ${what} ${pod.namespace}/${pod.name}${why}`,
      related: { apiVersion: "v1", kind: PODS.kind, namespace: pod.namespace, name: pod.name, uid: pod.uid },
    });
  }

  /** Tells how long it took until every node was done. */
  tellReady(key: OnloadKey, ms: number): void {
    this.#metrics.upgraded(key, ms);
  }

  /** The resource is gone. */
  forget(key: OnloadKey): void {
    this.#memory.delete(nameOf(key));
    this.#metrics.forget(key);
  }
}

const NEWCOMER: NodeMemory = { state: "Absent", since: 0, problem: undefined };
