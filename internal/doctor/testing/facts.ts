/** Facts of a pod that is accelerated on a node that is well, with what a test changes. */
import type { Pod } from "../../api/core.ts";
import type { ContainerAnswer, NodeAnswer } from "../answer.ts";
import type { NodeFacts, PodFacts, Rollout } from "../facts.ts";

export const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);
export const UID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

export function container(changes: Partial<ContainerAnswer> = {}): ContainerAnswer {
  return {
    namespace: "trading",
    pod: "trader-0",
    container: "app",
    podUid: UID,
    accelerated: true,
    processes: { mapped: 2 },
    stacks: 1,
    stackIds: [3],
    sockets: [{ kind: "tcp", accelerated: true, count: 4 }],
    interfaces: [{ name: "net1", driver: "sfc" }],
    interfacesCut: false,
    settings: undefined,
    cut: false,
    processesCut: 0,
    counters: undefined,
    ...changes,
  };
}

export function answer(changes: Partial<NodeAnswer> = {}): NodeAnswer {
  return {
    lookedAt: NOW - 12_000,
    problem: undefined,
    countersProblem: undefined,
    node: {
      healthy: true,
      problems: [],
      controlPlane: undefined,
      module: { version: "9.2.0.1", acceleratesVeth: false },
      nics: [{ address: "0000:3b:00.0", driver: "sfc", interfaces: ["ens1f0"] }],
    },
    containers: [container()],
    ...changes,
  };
}

export function rollout(changes: Partial<Rollout> = {}): Rollout {
  return {
    onload: "onload-runtime/onload",
    status: { state: "Ready", version: "9.2.0", wanted: "9.2.0", why: "", failed: false },
    module: "9.2.0",
    library: "9.2.0",
    refusal: undefined,
    setPreload: true,
    ...changes,
  };
}

export function nodeFacts(changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    name: "worker-1",
    resources: 1,
    rollout: { value: rollout() },
    node: { value: { ready: true, allocatable: 100 } },
    asked: { value: answer() },
    ...changes,
  };
}

/** The node's facts with an answer that has changes. */
export function answering(changes: Partial<NodeAnswer>): NodeFacts {
  return nodeFacts({ asked: { value: answer(changes) } });
}

/** The node's facts with a container that has changes. */
export function running(changes: Partial<ContainerAnswer>): NodeFacts {
  return answering({ containers: [container(changes)] });
}

export function podObject(status: Pod["status"] = { phase: "Running" }, spec: Pod["spec"] = {}): Pod {
  return {
    kind: "Pod",
    metadata: { namespace: "trading", name: "trader-0", uid: UID, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      nodeName: "worker-1",
      containers: [{ name: "app", resources: { limits: { "amd.com/onload": 1 } } }],
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  };
}

export function podFacts(changes: Partial<PodFacts> = {}): PodFacts {
  return {
    pod: podObject(),
    events: { value: [] },
    settings: [{ container: "app", settings: {}, unread: [] }],
    node: nodeFacts(),
    ...changes,
  };
}
