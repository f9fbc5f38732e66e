/**
 * `kubectl get onload`, `onloadctl status`, `onloadctl plan`, events and metrics say the same of the same moment, in every
 * situation of a resource.
 */
import { expect, test } from "bun:test";
import { Registry } from "prom-client";
import { onloadCrd } from "../../api/crd.ts";
import { withDefaults, type Onload, type OnloadStatus } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { RawOnload } from "../cache/caches.ts";
import { statusOf, type StatusInput } from "../report/conditions.ts";
import { eventsOfStatus } from "../report/event-texts.ts";
import { OperatorMetrics } from "../report/metrics.ts";
import { isTrue, untouchedStatus } from "../report/status.ts";
import { planRollout, type Policy } from "../rollout/plan.ts";
import { bare, module, NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import { KMM_2 } from "../testing/kmm.ts";
import { NO_ANSWERS } from "./evictions.ts";
import { describePlan, planText } from "./plan-view.ts";
import type { Serving } from "./serving.ts";
import type { ObservedResource } from "./session.ts";
import { describeStatus, statusText } from "./status-view.ts";

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

interface Situation {
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

const SITUATIONS: Record<string, Situation> = {
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
    says: ["Paused", "spec.upgrade.paused is true", 1, 0],
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

const acts: Serving = { state: "acts", message: "The operator holds its Lease", elected: true };
const silent: Serving = { state: "silent", message: "No operator acts", elected: true };
const columns = onloadCrd().spec.versions[0]!.additionalPrinterColumns as { name: string; jsonPath: string }[];

/** What the API server puts into the columns of `kubectl get onload -o wide`: paths here are of plain fields. */
function kubectlRow(object: object): Record<string, unknown> {
  const value = (path: string): unknown => {
    expect(path).toMatch(/^(?:\.[A-Za-z]+)+$/);
    const step = (at: unknown, field: string): unknown => (at as Record<string, unknown> | undefined)?.[field];
    return path.slice(1).split(".").reduce<unknown>(step, object);
  };
  return Object.fromEntries(columns.map(({ name, jsonPath }) => [name, value(jsonPath)]));
}

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
function moment(situation: Situation): { status: OnloadStatus; observed: ObservedResource } {
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

/** A headline stands whole in a text, but for the long message of a node that the table below it has. */
function expectOnce(text: string, before: string, message: string, { problems = [] }: OnloadStatus): void {
  const [first] = problems.filter((problem) => problem.message.length > 60 && message.includes(problem.message));
  const [head, tail] = first ? message.split(first.message) : [message, ""];
  const line = text.split("\n").find((each) => each.startsWith(before + head)) ?? "";
  expect(line).toEndWith(tail!);
  if (!first) return;
  const nodes = problems.filter((problem) => problem.message === first.message);
  expect(text.split(first.message)).toHaveLength(nodes.length + 1);
}

test.each(Object.entries(SITUATIONS))("%s: every place says the same", async (_name, situation) => {
  const [reason, words, desired, ready] = situation.says;
  const { status, observed } = moment(situation);
  const row = kubectlRow(observed.raw);
  expect(row).toMatchObject({ Version: "v2", Desired: desired, Ready: ready, Status: reason });
  expect(row["Message"]).toContain(words);

  for (const serving of [acts, silent]) {
    if (situation.deleting && serving === silent) continue;
    const [seen] = describeStatus([{ ...observed, serving }], NOW);
    const { version, status: word, message } = seen!;
    expect({ version, Desired: seen!.desired, Ready: seen!.ready, word, message }).toEqual({
      version: "v2",
      Desired: desired,
      Ready: ready,
      word: reason,
      message: row["Message"] as string,
    });
    const plan = describePlan(
      { ...observed, serving },
      { holders: new Map(), budgets: [], evictions: NO_ANSWERS },
      true,
    );
    expect([plan.version, plan.status, plan.message]).toEqual(["v2", reason, message]);
    expectOnce(planText([plan]), `${reason}: `, message, status);
  }
  const text = statusText(describeStatus([observed], NOW), acts, false, NOW);
  expect(text.split("\n")[1]!.split(/ {2,}/).slice(2, 7)).toEqual(["v2", `${desired}`, `${ready}`, "-", reason]);

  expectOnce(text, "trading/onload: ", row["Message"] as string, status);

  // Every condition is told once it changes, in the same words.
  const changed = status.conditions!.map((each) => ({ ...each, reason: "Before" }));
  const notes = eventsOfStatus({ conditions: changed }, status).map(({ note, reason: why }) => `${why} ${note}`);
  expect(
    notes.some((note) => note.startsWith(`${reason} `) && note.endsWith(`: ${status.headline!.message}`)),
  ).toBeTrue();

  const registry = new Registry();
  const metrics = new OperatorMetrics(registry, "1");
  const key = { namespace: "trading", name: "onload" };
  const flags = {
    ready: isTrue(status, "Ready"),
    degraded: isTrue(status, "Degraded"),
    status: status.headline!.reason,
  };
  metrics.planned(key, [], { ...flags, status: "Before" });
  await registry.metrics();
  metrics.planned(key, observed.planned!.plan.nodes, flags);
  const value = async (metric: string): Promise<number | undefined> =>
    (await registry.getSingleMetric(metric)?.get())?.values[0]?.value;
  expect(await value("onload_operator_nodes_failed")).toBe(row["Failed"] as number);
  expect(await value("onload_operator_onload_ready")).toBe(reason === "AllNodesReady" || flags.ready ? 1 : 0);
  const told = (await registry.metrics())
    .split("\n")
    .filter((line) => line.startsWith("onload_operator_onload_status{"));
  expect(told).toEqual([
    `onload_operator_onload_status{onload_namespace="trading",onload_name="onload",status="${reason}"} 1`,
  ]);
  const fine = ["AllNodesReady", "Installing", "LettingGo", "Upgrading", "Paused", "NoMatchingNodes", "Deleting"];
  if (fine.includes(reason)) expect(await value("onload_operator_degraded")).toBe(0);
});

test("a resource that no operator has looked at has the headline that the CRD gives it", () => {
  const { observed } = moment({ says: ["", "", 0, 0] });
  const schema = onloadCrd().spec.versions[0]!.schema!.openAPIV3Schema!.properties!["status"] as { default: object };
  const raw = { ...observed.raw, status: schema.default };
  const row = kubectlRow(raw);
  const [seen] = describeStatus([{ ...observed, raw }], NOW);
  expect([seen!.status, seen!.message]).toEqual([row["Status"] as string, row["Message"] as string]);
  const [old] = describeStatus([{ ...observed, raw: { ...observed.raw, status: undefined } as never }], NOW);
  expect([old!.status, old!.message]).toEqual([seen!.status, seen!.message]);
});

test("a spec that cannot be read is told in every place", () => {
  const { observed } = moment({ says: ["", "", 0, 0] });
  const problem = { reason: REASON.InvalidSpec, message: "spec.selector is empty" };
  const raw = { ...observed.raw, status: untouchedStatus(observed.raw, problem, NOW) } as unknown as RawOnload;
  const row = kubectlRow(raw);
  expect([row["Status"], row["Message"]]).toEqual(["InvalidSpec", "spec.selector is empty"]);
  const unread = { ...observed, raw, onload: undefined, planned: undefined, problem: problem.message };
  const [seen] = describeStatus([unread], NOW);
  expect([seen!.status, seen!.message]).toEqual(["InvalidSpec", "spec.selector is empty"]);
});

test("while the status is a moment behind, the headline fits the nodes below it", () => {
  const before = moment({ nodes: [whole("v1")], says: ["", "", 0, 0] });
  const after = moment({ nodes: [whole("v2")], says: ["", "", 0, 0] });
  const observed = { ...after.observed, raw: { ...after.observed.raw, status: before.status } as never };
  expect(describeStatus([observed], NOW)[0]).toMatchObject({ status: "AllNodesReady", ready: 1 });
  // Nobody brings it further: what was written last stands.
  expect(describeStatus([{ ...observed, serving: silent }], NOW)[0]).toMatchObject({ status: "Installing", ready: 0 });
});
