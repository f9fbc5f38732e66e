/** Resources at moments that a person may look at, as `onloadctl status` and `onloadctl plan` observe them. */
import { withDefaults, type Onload, type OnloadStatus } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { RawOnload } from "../cache/caches.ts";
import { statusOf, type StatusInput } from "../report/conditions.ts";
import type { Policy } from "../rollout/node-plan.ts";
import { planRollout } from "../rollout/plan.ts";
import type { Serving } from "../view/serving.ts";
import type { ObservedResource } from "../view/session.ts";
import { bare, module, NOW, plugin, policy, stepRecord, whole } from "./facts.ts";
import { KMM_2 } from "./kmm.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };
const loading = (name: string, ageMs: number): NodeFacts =>
  bare({ name, labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord("LabelOnload", ageMs) });
const lastReady = { version: "v1", time: "2026-01-01T00:00:00Z", onload: {} };
const rollback = {
  fromVersion: "v2",
  toVersion: "v1",
  observedGeneration: 3,
  since: "2026-01-01T00:00:00Z",
  message: 'Node "n1" failed at LoadingOnload: the image is missing',
};

/** A moment of a resource. */
export interface Situation {
  nodes?: NodeFacts[];
  policy?: Partial<Policy>;
  input?: Partial<StatusInput>;
  deleting?: true;
  /** What is to be read in every place: the reason, words of the message, and the columns Desired and Ready. */
  says: [reason: string, words: string, desired: number, ready: number];
}

/** A node without the labels of spec.selector, whose pods are gone. */
const leaving = (name: string): NodeFacts =>
  bare({ name, want: undefined, labels: none, onload: module(), stepRecord: stepRecord() });

/** By what is so. */
export const SITUATIONS: Record<string, Situation> = {
  "all is well": { nodes: [whole("v2")], says: ["AllNodesReady", "1 of 1 node is ready with version v2", 1, 1] },
  "no node matches": { says: ["NoMatchingNodes", "No node has the labels of spec.selector", 0, 0] },
  "the only node is another resource's": {
    nodes: [bare({ want: undefined, keptBy: "a/b" })],
    says: ["NodesNotReady", 'Onload "a/b" selects this node too', 0, 0],
  },
  installing: { nodes: [bare()], says: ["Installing", "node-1 New", 1, 0] },
  upgrading: {
    nodes: [whole("v1", { name: "n1" }), whole("v2", { name: "n2" })],
    input: { lastReady },
    says: ["Upgrading", "now: n1 Outdated", 2, 1],
  },
  paused: {
    nodes: [whole("v1", { name: "n1" })],
    policy: { paused: true },
    says: ["Paused", "spec.upgrade.paused is true; to go on: onloadctl resume ", 1, 0],
  },
  "a new node is cordoned": { nodes: [bare({ cordoned: true })], says: ["NodesNotReady", "1 Cordoned", 1, 0] },
  "an upgraded node is not Ready": {
    nodes: [whole("v2", { ready: false, readySince: NOW })],
    says: ["NodesNotReady", "1 node not ready: 1 NodeNotReady", 1, 0],
  },
  "all older nodes are cordoned": {
    nodes: [whole("v1", { cordoned: true })],
    says: ["NodesNotReady", "1 node still to be upgraded: 1 Cordoned", 1, 0],
  },
  "no mapping for a kernel": {
    nodes: [bare({ mapped: false })],
    says: ["NodesNotReady", "No entry of spec.onload.kernelMappings", 1, 0],
  },
  "KMM gives up for all nodes at a kernel": {
    nodes: [
      bare({ mapped: false, kernelRefused: { why: "KMM gives up", remedy: "give it another", stopsAll: true } }),
      whole("v1", { name: "n1" }),
    ],
    input: { problems: [{ reason: REASON.KernelRefused, message: "No node is begun, because KMM gives up" }] },
    says: ["KernelRefused", "No node is begun, because KMM gives up", 2, 0],
  },
  "a node has failed, and others wait": {
    nodes: [loading("n1", 601_000), whole("v1", { name: "n2" })],
    says: ["NodesFailed", 'Node "n1" failed at LoadingOnload', 2, 0],
  },
  "a change is held back": {
    nodes: [whole("v2")],
    input: { problems: [{ reason: REASON.ChangeHeldBack, message: "Held back, because" }] },
    says: ["ChangeHeldBack", "Held back, because", 1, 1],
  },
  "KMM is not installed": {
    nodes: [bare()],
    input: { problems: [{ reason: REASON.KmmNotInstalled, message: "install KMM" }] },
    says: ["KmmNotInstalled", "install KMM", 1, 0],
  },
  "a ServiceAccount is missing, and nodes wait": {
    nodes: [whole("v1")],
    input: { problems: [{ reason: REASON.ServiceAccountMissing, message: "create it" }] },
    policy: { paused: true },
    says: ["ServiceAccountMissing", "create it", 1, 0],
  },
  "a module image is not found yet": {
    nodes: [whole("v1", { missingImages: [{ image: "r/m:2", why: undefined }] })],
    says: ["NodesNotReady", "1 NoModuleImage", 1, 0],
  },
  "rolling back": {
    nodes: [bare({ want: "v1", labels: { ...none, onload: "v1" }, onload: module(), stepRecord: stepRecord() })],
    input: { version: "v1", rollback, lastReady },
    says: ["RolledBack", "Version v2 failed and is rolled back to v1: Node", 1, 0],
  },
  "rolled back": {
    nodes: [whole("v1", { want: "v1" })],
    input: { version: "v1", rollback, lastReady },
    says: [
      "RolledBack",
      "the image is missing; correct spec.onload, or try the same again: onloadctl retry onload -n trading",
      1,
      1,
    ],
  },
  "being deleted": {
    nodes: [whole("v1", { want: undefined })],
    deleting: true,
    says: ["Deleting", "1 node still to be cleaned", 0, 0],
  },
  "the only node is let go": {
    nodes: [leaving("n1")],
    says: ["LettingGo", "1 node let go; now: n1 UnloadingOnload", 0, 0],
  },
  "one node is let go, and the others stay": {
    nodes: [whole("v2", { name: "n1" }), leaving("n2")],
    says: ["LettingGo", "1 node let go; now: n2 UnloadingOnload", 1, 1],
  },
  "a plugin is replaced": {
    nodes: [whole("v2", { plugin: { ...plugin(), current: false } })],
    says: ["Installing", "now: node-1 PluginOutdated", 1, 1],
  },
  "a plugin starts": {
    nodes: [whole("v2", { plugin: plugin(false), allocatable: 0, stepRecord: stepRecord() })],
    says: ["Installing", "now: node-1 StartingPlugin", 1, 0],
  },
};

/** An operator acts. */
export const acts: Serving = { state: "acts", message: "The operator holds its Lease", elected: true };

function resource({ deleting, policy: changes }: Situation): RawOnload & Onload {
  const raw = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: {
      name: "onload",
      namespace: "trading",
      generation: 3,
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["onload.amd.com/node-cleanup"] } : {}),
    },
    spec: {
      selector: { onload: "yes" },
      serviceAccountName: "onload",
      upgrade: { paused: changes?.paused ?? false },
      onload: { version: "v2", userImage: "r/u:v2", kernelMappings: [{ regexp: ".*", kernelModuleImage: "r/m:v2" }] },
    },
  };
  return { ...raw, ...withDefaults(raw) } as unknown as RawOnload & Onload;
}

/** The moment after the operator has written its status. */
export function moment(situation: Situation): { status: OnloadStatus; observed: ObservedResource } {
  const onload = resource(situation);
  const before = situation.input?.lastReady ? { ...onload, status: { lastReady } as OnloadStatus } : onload;
  const rules = { ...policy, ...situation.policy };
  const plan = planRollout(situation.nodes ?? [], rules, NOW);
  const rest = { selector: undefined, problems: [], rollback: undefined, lastReady: undefined, now: NOW };
  const input = { onload: before, plan, version: "v2", ...rest, ...situation.input };
  const status = JSON.parse(JSON.stringify(statusOf(input))) as OnloadStatus;
  const effective = withDefaults({ ...onload, spec: { ...onload.spec, onload: { ...onload.spec.onload } } } as never);
  effective.spec.onload.version = input.version;
  const raw = { ...onload, status } as unknown as RawOnload;
  const live = { onload: undefined, sfc: undefined, daemonSet: undefined };
  const force = { asked: false, mayIn: (): boolean => false };
  const planned = { kmm: KMM_2, effective, live, desired: undefined, policy: rules, force, plan };
  const common = { problem: undefined, heldBack: undefined, attention: [], serving: acts };
  return { status, observed: { raw, onload: { ...onload, status }, planned, ...common } };
}
