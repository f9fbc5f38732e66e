/** Reports a rollout: Events about the Onload resource, and metrics. */
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadKey } from "../../api/names.ts";
import { referenceTo, type EventSink } from "../../kube/event.ts";
import { ONLOADS } from "../../api/resources.ts";
import { NODES, PODS } from "../../kube/resource.ts";
import type { StepResults } from "../act/nodes.ts";
import type { RawOnload } from "../cache/caches.ts";
import type { EvictionResult } from "../act/evict.ts";
import type { OperatorMetrics, ConditionFlags } from "./metrics.ts";
import type { Holder } from "../assess/facts.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import { rowOf } from "../rollout/states.ts";
import type { RolloutLog } from "./rollout-log.ts";
import {
  isRemembered,
  remember,
  beforeProcess,
  eventsOfChange,
  eventOfCleaned,
  eventOfEviction,
  eventOfStep,
  NEW_NODE,
  type PreviousNodeState,
  type EventText,
} from "./event-texts.ts";

/** What the last plan said of each node, by name: lost with the process, whose first plan then goes by the status. */
export type PreviousNodes = Map<string, PreviousNodeState>;

/** Records events, counts metrics and writes the log, for all resources. */
export class EventReporter {
  readonly #events: EventSink;
  readonly #metrics: OperatorMetrics;
  readonly #log: RolloutLog;

  constructor(events: EventSink, metrics: OperatorMetrics, log: RolloutLog) {
    this.#events = events;
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Reports one event about a resource. */
  report(onload: DeepReadonly<RawOnload>, text: EventText): void {
    this.#log.tell(onload, text);
    this.#events.record(referenceTo(ONLOADS, onload), {
      type: text.type,
      reason: text.reason,
      note: text.note,
      ...(text.node === undefined ? {} : { related: { apiVersion: "v1", kind: NODES.kind, name: text.node } }),
    });
  }

  /**
   * Reports the steps that were taken, and what has changed since the last plan.
   *
   * @param previous undefined: this is the process's first plan of the resource
   * @param now milliseconds of a clock that does not go back
   * @returns what to give as `previous` with the next plan
   */
  reportPlan(
    onload: DeepReadonly<RawOnload>,
    key: OnloadKey,
    previous: PreviousNodes | undefined,
    plan: RolloutPlan,
    steps: StepResults["steps"],
    conditions: ConditionFlags,
    now: number,
  ): PreviousNodes {
    const nodes: PreviousNodes = previous ?? new Map();
    for (const { plan: node, step } of steps) {
      this.#metrics.step(key, step);
      const text = eventOfStep(step, node.facts, onload.metadata.deletionTimestamp !== undefined);
      if (text) this.report(onload, text);
    }
    for (const node of plan.nodes) {
      const { name } = node.facts;
      const old = nodes.get(name);
      if (old && isRemembered(old, node)) continue;
      // Nodes stay in states with nothing left to do for as long as people like.
      if (old && old.state !== node.state && rowOf(old.state).inBetween) {
        this.#metrics.leftState(old.state, now - old.since);
      }
      const texts = eventsOfChange(old ?? (previous ? NEW_NODE : beforeProcess(onload.status, node)), node);
      for (const text of texts) this.report(onload, text);
      if (node.problem?.failed && texts.some(({ type }) => type === "Warning")) {
        this.#metrics.nodeFailed(key, node.problem.reason);
      }
      nodes.set(name, remember(old, node, now));
    }
    if (nodes.size > plan.nodes.length) {
      const present = new Set(plan.nodes.map(({ facts }) => facts.name));
      for (const name of nodes.keys()) {
        if (present.has(name)) continue;
        nodes.delete(name);
        this.report(onload, eventOfCleaned(name));
      }
    }
    this.#metrics.planned(key, plan.nodes, conditions);
    this.#log.waiting(key, plan.nodes.find(({ facts }) => facts.want !== undefined)?.facts.want, plan);
    return nodes;
  }

  /** Reports a resource for which nothing is done, and the reason: its nodes are as they were. */
  reportUntouched(key: OnloadKey, reason: string): void {
    this.#metrics.untouched(key, reason);
  }

  /** Reports what came of an eviction. */
  reportEviction(
    onload: DeepReadonly<RawOnload>,
    node: string,
    pod: Holder,
    result: EvictionResult,
    message: string,
  ): void {
    this.#metrics.evicted(keyOf(onload), result);
    const event = eventOfEviction(node, pod, result, message);
    if (!event) return;
    const { type, reason, note } = event;
    this.#events.record(referenceTo(ONLOADS, onload), {
      type,
      reason,
      note,
      related: { apiVersion: "v1", kind: PODS.kind, namespace: pod.namespace, name: pod.name, uid: pod.uid },
    });
    // A pod is asked every few seconds, and each time the answer may count other pods.
    this.#log.tell(onload, event, `${pod.uid} ${result}`);
  }

  /** Reports how long it took until every node was done. */
  reportReady(key: OnloadKey, ms: number): void {
    this.#metrics.upgraded(key, ms);
  }

  /** The resource is gone: its series end. */
  forget(key: OnloadKey): void {
    this.#metrics.forget(key);
    this.#log.forget(key);
  }
}

function keyOf({ metadata }: DeepReadonly<RawOnload>): OnloadKey {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}
