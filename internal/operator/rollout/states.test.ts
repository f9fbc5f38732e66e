import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Glob } from "bun";
import { NODE_REASON } from "../../api/reasons.ts";
import {
  bare,
  holder,
  module,
  noLoadLabel,
  noModule,
  NOW,
  plugin,
  policy,
  stepRecord,
  whole,
} from "../testing/facts.ts";
import type { LoadLabelFacts, NodeFacts } from "../assess/facts.ts";
import { planRollout } from "./plan.ts";
import { stateOf } from "./state-of.ts";
import { NODE_STATES, STATES, type NodeState, type StateRow } from "./states.ts";
import { labelChange, type LabelChange, type StepName } from "./steps.ts";

const loadLabel = (value: "on" | "off" | undefined): LoadLabelFacts => ({
  value,
  required: true,
  effective: value === "on",
});
const ROOT = join(import.meta.dir, "../../..");
const none = { plugin: undefined, onload: undefined, sfc: undefined };

const LOAD_FAILURE = { reason: NODE_REASON.ModuleLoadFailed, message: "Unknown symbol" };

interface Row {
  node: NodeFacts;
  state: NodeState;
  step: StepName;
  labels?: LabelChange;
}

/** Every row of the design's table, and the states between. */
const ROWS: Record<string, Row> = {
  "wanted, no labels: plugin and onload in one PATCH": {
    node: bare(),
    state: "New",
    step: "Install",
    labels: { plugin: "v2", onload: "v2" },
  },
  "wanted, no labels, sfc managed: plugin and sfc in one PATCH": {
    node: bare({ sfcManaged: true }),
    state: "New",
    step: "Install",
    labels: { plugin: "v2", sfc: "v2" },
  },
  "sfc labelled, not ready": {
    node: bare({ sfcManaged: true, labels: { ...none, plugin: "v2", sfc: "v2" }, sfc: module() }),
    state: "LoadingSfc",
    step: "Wait",
  },
  "sfc ready with another version than the label says": {
    node: bare({ sfcManaged: true, labels: { ...none, plugin: "v2", sfc: "v2" }, sfc: module("v1") }),
    state: "LoadingSfc",
    step: "Wait",
  },
  "sfc ready, onload not labelled": {
    node: bare({ sfcManaged: true, labels: { ...none, plugin: "v2", sfc: "v2" }, sfc: module("v2") }),
    state: "SfcReady",
    step: "LabelOnload",
    labels: { onload: "v2" },
  },
  "sfc's load label was taken away, and sfc went with it": {
    node: bare({
      sfcManaged: true,
      labels: { ...none, plugin: "v2", sfc: "v2" },
      loadLabels: { onload: loadLabel("on"), sfc: loadLabel(undefined) },
      sfc: module(),
    }),
    state: "SfcUnlabelled",
    step: "LabelSfc",
    labels: { sfc: "v2" },
  },
  "onload's load label was taken away, and onload went with it": {
    node: whole("v2", { loadLabels: { onload: loadLabel(undefined), sfc: noLoadLabel }, onload: module() }),
    state: "OnloadUnlabelled",
    step: "LabelOnload",
    labels: { onload: "v2" },
  },
  "onload's load label is not there, but onload is: somebody else loaded it": {
    node: whole("v2", { loadLabels: { onload: loadLabel(undefined), sfc: noLoadLabel } }),
    state: "Ready",
    step: "None",
  },
  "onload is loaded, and sfc under it is gone": {
    node: whole("v2", { sfcManaged: true, labels: { plugin: "v2", onload: "v2", sfc: "v2" } }),
    state: "SfcMissing",
    step: "None",
  },
  "onload is loaded, sfc under it is gone, and another version is wanted": {
    node: whole("v1", { sfcManaged: true, labels: { plugin: "v1", onload: "v1", sfc: "v1" } }),
    state: "Outdated",
    step: "UnlabelPlugin",
    labels: { plugin: null },
  },
  "older version, no slot free": {
    node: whole("v1", { cordoned: true }),
    state: "Outdated",
    step: "None",
  },
  "older version, slot taken: plugin label goes": {
    node: whole("v1"),
    state: "Outdated",
    step: "UnlabelPlugin",
    labels: { plugin: null },
  },
  "plugin label gone, its pod not yet": {
    node: whole("v1", { labels: { ...none, onload: "v1" } }),
    state: "StoppingPlugin",
    step: "Wait",
  },
  "plugin gone, nobody has looked for pods": {
    node: whole("v1", { labels: { ...none, onload: "v1" }, plugin: bare().plugin }),
    state: "Inspecting",
    step: "Inspect",
  },
  "plugin gone, a pod holds amd.com/onload": {
    node: whole("v1", { labels: { ...none, onload: "v1" }, plugin: bare().plugin, holders: [holder()] }),
    state: "Draining",
    step: "Evict",
  },
  "drained: onload's label goes": {
    node: whole("v1", { labels: { ...none, onload: "v1", sfc: "v1" }, plugin: bare().plugin, holders: [] }),
    state: "Drained",
    step: "UnlabelOnload",
    labels: { onload: null },
  },
  "onload's label gone, KMM has not unloaded it": {
    node: bare({ labels: { ...none, sfc: "v1" }, onload: module("v1"), sfc: module("v1"), stepRecord: stepRecord() }),
    state: "UnloadingOnload",
    step: "Wait",
  },
  "onload unloaded: sfc's label goes": {
    node: bare({ labels: { ...none, sfc: "v1" }, sfc: module("v1"), stepRecord: stepRecord() }),
    state: "OnloadUnloaded",
    step: "UnlabelSfc",
    labels: { sfc: null },
  },
  "sfc's label gone, KMM has not unloaded it": {
    node: bare({ sfc: module(), stepRecord: stepRecord(), sfcManaged: true }),
    state: "UnloadingSfc",
    step: "Wait",
  },
  "unloaded, sfc managed: sfc first": {
    node: bare({ stepRecord: stepRecord("UnlabelSfc"), sfcManaged: true }),
    state: "Unloaded",
    step: "LabelSfc",
    labels: { sfc: "v2" },
  },
  "unloaded, sfc not managed: onload": {
    node: bare({ stepRecord: stepRecord("UnlabelOnload") }),
    state: "Unloaded",
    step: "LabelOnload",
    labels: { onload: "v2" },
  },
  "onload labelled, KMM says the old version is ready": {
    node: bare({ labels: { ...none, onload: "v2" }, onload: module("v1"), stepRecord: stepRecord() }),
    state: "LoadingOnload",
    step: "Wait",
  },
  "module ready: plugin label comes": {
    node: bare({ labels: { ...none, onload: "v2" }, onload: module("v2"), stepRecord: stepRecord() }),
    state: "ModuleReady",
    step: "LabelPlugin",
    labels: { plugin: "v2" },
  },
  "plugin's pod not ready": {
    node: whole("v2", { plugin: plugin(false), stepRecord: stepRecord() }),
    state: "StartingPlugin",
    step: "Wait",
  },
  "plugin ready, nothing allocatable": {
    node: whole("v2", { allocatable: 0, stepRecord: stepRecord() }),
    state: "StartingPlugin",
    step: "Wait",
  },
  "all there": { node: whole("v2"), state: "Ready", step: "None" },
  "all there, the plugin's pod from an older template": {
    node: whole("v2", { plugin: { ...plugin(), current: false } }),
    state: "PluginOutdated",
    step: "ReplacePlugin",
  },
  "not wanted any more: first it must be known which pods are there": {
    node: whole("v1", { want: undefined }),
    state: "Unwanted",
    step: "Inspect",
  },
  "not wanted any more, and no pod is there: plugin label goes": {
    node: whole("v1", { want: undefined, holders: [] }),
    state: "Unwanted",
    step: "UnlabelPlugin",
    labels: { plugin: null },
  },
  "not wanted any more, on the way to a version: plugin label goes": {
    node: bare({ want: undefined, labels: { ...none, plugin: "v2", onload: "v1" }, onload: module() }),
    state: "Leaving",
    step: "UnlabelPlugin",
    labels: { plugin: null },
  },
  "not wanted, only the annotation left": {
    node: bare({ want: undefined, stepRecord: stepRecord() }),
    state: "Cleaned",
    step: "ClearMark",
  },
  "not wanted, the annotation taken away, a load label that is off left": {
    node: bare({ want: undefined, loadLabels: { onload: loadLabel("off"), sfc: noLoadLabel } }),
    state: "Cleaned",
    step: "ClearMark",
  },
  "not wanted, nothing left, kept by an older resource": {
    node: bare({ want: undefined, keptBy: "ns/older" }),
    state: "Absent",
    step: "None",
  },
  "wanted, unlabelled, another resource's labels still there": {
    node: bare({ blockedBy: "ns/other" }),
    state: "Blocked",
    step: "None",
  },
  "wanted, unlabelled, tainted": {
    node: bare({ taints: { kmm: { text: "k:NoSchedule", passing: false }, plugin: undefined } }),
    state: "Tainted",
    step: "None",
  },
  "wanted, unlabelled, cordoned": { node: bare({ cordoned: true }), state: "Cordoned", step: "None" },
  "wanted, no kernel mapping": { node: bare({ mapped: false }), state: "Unmapped", step: "None" },
  "onload of the wanted version, loaded without the sfc that is wanted now": {
    node: whole("v2", { sfcManaged: true }),
    state: "Outdated",
    step: "UnlabelPlugin",
    labels: { plugin: null },
  },
  "the same, out of service": {
    node: bare({ sfcManaged: true, labels: { ...none, onload: "v2" }, onload: module("v2"), holders: [] }),
    state: "Drained",
    step: "UnlabelOnload",
    labels: { onload: null },
  },
  "sfc that nobody loads any more, under an onload that cannot be loaded without it": {
    node: whole("v2", {
      labels: { plugin: "v2", onload: "v2", sfc: "v2" },
      sfcAbandoned: true,
      onload: { ...module(), failure: LOAD_FAILURE },
      sfc: { ...module(), failure: LOAD_FAILURE },
    }),
    state: "Leaving",
    step: "UnlabelPlugin",
    labels: { plugin: null },
  },
  "sfc's label taken off by a person": {
    node: whole("v2", { sfcManaged: true, stepRecord: stepRecord(), sfc: module("v2") }),
    state: "SfcUnlabelled",
    step: "LabelSfc",
    labels: { sfc: "v2" },
  },
  "onload's label taken off by a person, with sfc ready: KMM unloads it first": {
    node: bare({ sfcManaged: true, labels: { ...none, sfc: "v2" }, sfc: module("v2"), onload: module("v2") }),
    state: "UnloadingOnload",
    step: "Wait",
  },
  "second change mid-way, plugin already gone": {
    node: bare({ want: "v3", labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord() }),
    state: "Inspecting",
    step: "Inspect",
  },
  "second change mid-way, first of two modules labelled": {
    node: bare({ want: "v3", labels: { ...none, plugin: "v2", sfc: "v2" }, sfc: module(), stepRecord: stepRecord() }),
    state: "Leaving",
    step: "UnlabelPlugin",
    labels: { plugin: null },
  },
  "back to the old version before it was unloaded": {
    node: whole("v1", { want: "v1", labels: { ...none, onload: "v1" }, plugin: bare().plugin }),
    state: "ModuleReady",
    step: "LabelPlugin",
    labels: { plugin: "v1" },
  },
  "wanted again while the old module is unloaded": {
    node: bare({ onload: module("v1"), stepRecord: stepRecord() }),
    state: "UnloadingOnload",
    step: "Wait",
  },
  "rebooted: KMM has not loaded the module in this boot": {
    node: whole("v2", { onload: { ...noModule, present: true } }),
    state: "LoadingOnload",
    step: "Wait",
  },
};

describe("state and step", () => {
  test.each(Object.entries(ROWS))("%s", (_name, { node, state, step, labels }) => {
    expect(stateOf(node)).toBe(state);
    const plan = planRollout([node], policy, NOW).nodes[0]!;
    expect({ state: plan.state, step: plan.step }).toEqual({ state, step });
    expect(labelChange(plan.step, node)).toEqual(labels);
  });

  test("every state has a row here", () => {
    const seen = new Set(Object.values(ROWS).map(({ state }) => state));
    expect(NODE_STATES.filter((state) => !seen.has(state))).toEqual([]);
    expect(Object.keys(STATES).sort()).toEqual([...NODE_STATES].sort());
  });
});

describe("the plugin label waits until the DaemonSet controller has seen the new template", () => {
  const unseen = { ...policy, templateSeen: false };
  const node = (ageMs: number): NodeFacts =>
    bare({ labels: { ...none, onload: "v2" }, onload: module("v2"), stepRecord: stepRecord("LabelOnload", ageMs) });
  test("for a step's time", () => {
    const { nodes, wakeAt } = planRollout([node(1000)], unseen, NOW);
    expect(nodes[0]).toMatchObject({ state: "ModuleReady", step: "Wait", problem: undefined });
    expect(wakeAt).toBe(NOW - 1000 + policy.limits.step);
  });
  test("and has failed then, with a reason and a remedy, so that no other node starts", () => {
    const { nodes, halted } = planRollout([node(policy.limits.step)], unseen, NOW);
    expect(nodes[0]!.problem).toMatchObject({ reason: "StepTimedOut", failed: true });
    expect(nodes[0]!.problem!.message).toMatch(/^The DaemonSet controller has not seen .* after 600 s; see whether /);
    expect(halted).toBeTrue();
  });
  test("but what it took to load counts for nothing once the template is seen", () => {
    const { nodes } = planRollout([node(policy.limits.step)], policy, NOW);
    expect(nodes[0]).toMatchObject({ step: "LabelPlugin", problem: undefined });
  });
});

describe("rows", () => {
  test("are asked what a state means: nobody else goes by a state's name", async () => {
    const states = NODE_STATES.join("|");
    // The step of one state alone is another name for that state.
    const byName = new RegExp(`\\bstate\\)? [!=]== "(${states})"|\\bcase "(${states})"|rowOf\\(\\w+\\)\\.step [!=]==`);
    expect(byName.test('if (plan.state !== "Draining") return;')).toBeTrue();
    expect(byName.test('if (rowOf(state).step === "LabelPlugin") return;')).toBeTrue();
    const found: string[] = [];
    const sources = new Glob("{cmd,internal}/**/*.ts");
    for await (const file of sources.scan({ cwd: ROOT })) {
      if (/\.test\.ts$|\/testing\/|operator\/rollout\/state(s|-of)\.ts$/.test(file)) continue;
      const lines = (await Bun.file(join(ROOT, file)).text()).split("\n");
      found.push(...lines.filter((line) => byName.test(line)).map((line) => `${file}: ${line.trim()}`));
    }
    expect(found).toEqual([]);
  });
  test("a state that waits, or whose step may be put off, must say for what and how long", () => {
    const awaits = {
      whom: "nobody",
      to: "to act",
      what: "Nothing",
      reason: NODE_REASON.StepTimedOut,
      limit: "step",
    } as const;
    const rows: StateRow[] = [
      { says: "s", step: "Wait", awaits },
      { says: "s", step: "LabelPlugin", awaits },
      { says: "s", step: "LabelOnload" },
      // @ts-expect-error: waits for ever
      { says: "s", step: "Wait" },
      // @ts-expect-error: waits for ever
      { says: "s", step: "Wait", awaits: { what: "Nothing", reason: NODE_REASON.StepTimedOut } },
      // @ts-expect-error: its plan may put it off for ever
      { says: "s", step: "LabelPlugin" },
      // @ts-expect-error: its plan may put it off for ever
      { says: "s", step: "ClearMark" },
      { says: "s", step: "None", complete: true },
      { says: "s", step: "None", waits: "Waits for somebody", obstacle: "cordon" },
      // @ts-expect-error: lasts for ever, whatever happens
      { says: "s", step: "None", waits: "Waits for somebody" },
      // @ts-expect-error: is lacking for ever
      { says: "s", step: "None", waits: "Waits for somebody", lacks: { module: "sfc" } },
      // @ts-expect-error: nothing is done, and nobody knows why
      { says: "s", step: "None" },
    ];
    expect(rows).toHaveLength(12);
  });
  test("every state that waits is told of with whom, for what, and its limit", () => {
    for (const state of NODE_STATES) {
      const { says, awaits }: StateRow = STATES[state];
      expect(says).toMatch(/^[A-Za-z].{8,}[^.]$/);
      if (awaits) expect(`${awaits.whom} ${awaits.to}`).toMatch(/ to [a-z]/);
    }
  });
  test("the diagram names every state", async () => {
    const diagram = /```([^`]*)```/.exec(await Bun.file(`${import.meta.dir}/states.ts`).text())![1]!;
    expect(NODE_STATES.filter((state) => !new RegExp(`\\b${state}\\b`).test(diagram))).toEqual([]);
  });
});

describe("pods are evicted", () => {
  const draining = (changes: Partial<NodeFacts> = {}): NodeFacts =>
    whole("v1", {
      labels: { ...none, onload: "v1" },
      plugin: bare().plugin,
      holders: [holder()],
      stepRecord: stepRecord("UnlabelPlugin", 5000),
      ...changes,
    });
  const end = NOW + 25_000;
  test.each<[string, NodeFacts, StepName, number | undefined]>([
    ["not while the kubelet still offers amd.com/onload", draining(), "Wait", end],
    ["once it offers none", draining({ allocatable: 0 }), "Evict", undefined],
    [
      "after half a minute all the same",
      draining({ stepRecord: stepRecord("UnlabelPlugin", 30_000) }),
      "Evict",
      undefined,
    ],
    ["where no kubelet will say so", draining({ ready: false }), "Evict", undefined],
    [
      "where they have been required already",
      draining({ stepRecord: stepRecord("Evict") }),
      "Evict",
      NOW + policy.limits.drain,
    ],
  ])("%s", (_name, node, step, wakeAt) => {
    const plan = planRollout([node], policy, NOW);
    expect({ step: plan.nodes[0]!.step, wakeAt: plan.wakeAt }).toEqual({ step, wakeAt });
  });
});

describe("what load labels have left on a leaving node", () => {
  const loadLabels = { onload: loadLabel("off"), sfc: noLoadLabel };
  const left = bare({ name: "a", want: undefined, stepRecord: stepRecord(), loadLabels });
  const unloading = bare({
    name: "b",
    want: undefined,
    onload: module(),
    stepRecord: stepRecord("UnlabelOnload"),
    loadLabels,
  });
  const draining = bare({ name: "b", want: undefined, labels: { ...none, onload: "v1" }, holders: [holder()] });
  test.each<[string, NodeFacts, NodeFacts, StepName]>([
    ["waits for other leaving nodes that unload", left, unloading, "Wait"],
    ["waits for those that are about to", left, { ...draining, holders: undefined }, "Wait"],
    ["waits for no drain, which may take long", left, draining, "ClearMark"],
    ["waits for no upgrade", left, { ...unloading, want: "v2" }, "ClearMark"],
    [
      "waits for no node that has failed",
      left,
      { ...unloading, stepRecord: stepRecord("UnlabelOnload", 601_000) },
      "ClearMark",
    ],
    ["does not wait where another resource does", { ...left, claimed: true }, unloading, "ClearMark"],
    [
      "waits no longer than a step may take",
      { ...left, stepRecord: stepRecord("UnlabelOnload", 600_000) },
      unloading,
      "ClearMark",
    ],
    ["is nothing to wait for where there is none", { ...left, loadLabels: bare().loadLabels }, unloading, "ClearMark"],
  ])("%s", (_name, node, other, step) => {
    expect(planRollout([node, other], policy, NOW).nodes[0]!.step).toBe(step);
  });
});
