/** Onload resources in every situation, and what tools that wait for a resource are to make of each. */
import { withDefaults, type Onload, type OnloadStatus } from "../../api/onload.ts";
import { NODE_REASON, REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { ResourceProblem } from "../observe/preflight.ts";
import { statusOf } from "../report/conditions.ts";
import type { Policy } from "../rollout/node-plan.ts";
import { planRollout } from "../rollout/plan.ts";
import { bare, module, NOW, plugin, policy, stepRecord, whole } from "./facts.ts";

/** The verdicts of kstatus. */
export type Kstatus = "Terminating" | "InProgress" | "Failed" | "Current";
/** The health of Argo CD. */
export type Health = "Progressing" | "Healthy" | "Degraded" | "Suspended";

/** A resource, as far as such tools look at it. */
export interface Waited {
  metadata: { generation?: number; deletionTimestamp?: string };
  status?: OnloadStatus;
}

/** A situation. */
export interface Given {
  nodes?: NodeFacts[];
  rules?: Partial<Policy>;
  problems?: ResourceProblem[];
  metadata?: Partial<Onload["metadata"]>;
  spec?: object;
  /** Status before. */
  status?: Partial<OnloadStatus>;
  rollback?: OnloadStatus["rollback"];
}

export function waited({
  nodes = [whole("v2")],
  rules,
  problems = [],
  metadata,
  spec,
  status,
  rollback,
}: Given): Waited {
  const images = { version: "v2", userImage: "u", kernelMappings: [{ regexp: ".*", kernelModuleImage: "m:1" }] };
  const onload = withDefaults({
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { namespace: "ns", name: "o", generation: 3, ...metadata },
    spec: { selector: { a: "b" }, serviceAccountName: "sa", onload: images, ...spec },
    status,
  } as never);
  const made = statusOf({
    onload,
    version: "v2",
    selector: undefined,
    plan: planRollout(nodes, { ...policy, ...rules }, NOW),
    problems,
    rollback,
    lastReady: onload.status?.lastReady,
    now: NOW,
  });
  return { metadata: onload.metadata as Waited["metadata"], status: made };
}

const loading = bare({ labels: { plugin: "v2", onload: "v2", sfc: undefined }, stepRecord: stepRecord("Install") });
const failed = {
  ...loading,
  onload: { ...module(), failure: { reason: NODE_REASON.ModuleLoadFailed, message: "modprobe: no" } },
};
const lastReady = { version: "v1", time: new Date(NOW).toISOString(), onload: {} };
const rollback = {
  fromVersion: "v3",
  toVersion: "v2",
  observedGeneration: 3,
  since: new Date(NOW).toISOString(),
};
const problem = (reason: ResourceProblem["reason"]): ResourceProblem => ({ reason, message: "m" });

const REFUSED = { why: "KMM gives up", remedy: "give the node another kernel", stopsAll: true } as const;

/** By situation: the verdict of kstatus, and that of Argo CD. */
export const SITUATIONS: [what: string, given: Given, kstatus: Kstatus, health: Health][] = [
  ["every node is ready", {}, "Current", "Healthy"],
  ["nodes get their first version", { nodes: [loading] }, "InProgress", "Progressing"],
  [
    "nodes go to another version",
    { nodes: [loading, whole("v1")], status: { lastReady } },
    "InProgress",
    "Progressing",
  ],
  ["no node matches", { nodes: [] }, "InProgress", "Progressing"],
  ["a node waits for a slot", { nodes: [loading, whole("v1", { name: "b" })] }, "InProgress", "Progressing"],
  ["a node is cordoned", { nodes: [whole("v1", { cordoned: true })] }, "InProgress", "Progressing"],
  ["a node is not Ready", { nodes: [whole("v2", { ready: false, readySince: NOW - 1e9 })] }, "InProgress", "Degraded"],
  [
    "a node has a taint",
    { nodes: [whole("v1", { taints: { kmm: { text: "k:NoSchedule", passing: false }, plugin: undefined } })] },
    "InProgress",
    "Degraded",
  ],
  ["a pod is refused", { nodes: [{ ...loading, refusals: { onload: "quota" } }] }, "InProgress", "Degraded"],
  [
    "it is paused",
    { nodes: [whole("v1")], rules: { paused: true }, spec: { upgrade: { paused: true } } },
    "InProgress",
    "Suspended",
  ],
  ["a node has failed", { nodes: [failed] }, "Failed", "Degraded"],
  ["a node has failed, and the others wait", { nodes: [failed, whole("v1", { name: "b" })] }, "Failed", "Degraded"],
  [
    "a node has failed, and another still goes on",
    { nodes: [failed, { ...loading, name: "b" }] },
    "InProgress",
    "Degraded",
  ],
  [
    "a node has failed and is tried again: what is reported may be from before",
    { nodes: [{ ...failed, stepRecord: { ...stepRecord("Install"), retried: true } }] },
    "InProgress",
    "Degraded",
  ],
  ["no kernel of a node has a mapping", { nodes: [bare({ mapped: false })] }, "Failed", "Degraded"],
  [
    "no kernel of a node has a mapping, and another still goes on",
    { nodes: [bare({ mapped: false }), { ...loading, name: "b" }] },
    "InProgress",
    "Degraded",
  ],
  [
    "no kernel of a node has a mapping, and another may be uncordoned",
    { nodes: [bare({ mapped: false }), whole("v1", { name: "b", cordoned: true })] },
    "InProgress",
    "Degraded",
  ],
  ["it goes back to the version before", { nodes: [loading], rollback }, "InProgress", "Degraded"],
  ["it is back at the version before", { rollback }, "Failed", "Degraded"],
  ["a change is held back", { problems: [problem(REASON.ChangeHeldBack)] }, "Failed", "Degraded"],
  ["the spec cannot work", { nodes: [], problems: [problem(REASON.InvalidSpec)] }, "Failed", "Degraded"],
  [
    "KMM gives up for all nodes at a kernel, and no node is begun",
    { nodes: [bare({ mapped: false, kernelRefused: REFUSED })], problems: [problem(REASON.KernelRefused)] },
    "Failed",
    "Degraded",
  ],
  [
    "KMM gives up for all nodes at a kernel, and every node is ready",
    { problems: [problem(REASON.KernelRefused)] },
    "Failed",
    "Degraded",
  ],
  ["KMM may come yet", { nodes: [], problems: [problem(REASON.KmmNotInstalled)] }, "InProgress", "Degraded"],
  [
    "the ServiceAccount may come yet",
    { nodes: [loading], problems: [problem(REASON.ServiceAccountMissing)] },
    "InProgress",
    "Degraded",
  ],
  [
    "the API server refuses an object for now",
    { nodes: [loading], problems: [problem(REASON.ApplyFailed)] },
    "InProgress",
    "Degraded",
  ],
  [
    "a MachineConfig has sfc already, and nothing waits for that",
    { nodes: [whole("v2", { sfcConflict: "99-sfc" })] },
    "Current",
    "Degraded",
  ],
  [
    "only a plugin's template is older",
    { nodes: [whole("v2", { plugin: { ...plugin(), current: false } })] },
    "Current",
    "Healthy",
  ],
  [
    "it is being deleted",
    { metadata: { deletionTimestamp: new Date(NOW).toISOString() } as never },
    "Terminating",
    "Progressing",
  ],
];
