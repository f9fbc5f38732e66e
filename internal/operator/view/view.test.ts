/** What status and plan say of one resource, from facts of nodes to text. */
import { describe, expect, test } from "bun:test";
import type { Pod } from "../../api/core.ts";
import { withDefaults, type Onload, type OnloadStatus } from "../../api/onload.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Policy } from "../rollout/node-plan.ts";
import { planRollout } from "../rollout/plan.ts";
import { bare, holder as factsOfHolder, module, stepRecord, NOW, plugin, policy, whole } from "../testing/facts.ts";
import { KMM_2 } from "../testing/kmm.ts";
import { consequences } from "./consequences.ts";
import { NO_ANSWERS } from "./evictions.ts";
import { noneText } from "./none-text.ts";
import { describePlan, planText, type Outlook } from "./plan-view.ts";
import type { Serving } from "./serving.ts";
import type { ObservedResource } from "./session.ts";
import { describeStatus, statusLines, statusText } from "./status-view.ts";

const SPEC = {
  selector: { onload: "yes" },
  serviceAccountName: "onload",
  onload: {
    version: "v2",
    userImage: "registry.example/onload-user:v2",
    kernelMappings: [{ regexp: ".*", kernelModuleImage: "registry.example/onload-module:v2-${KERNEL_FULL_VERSION}" }],
  },
};

function observed(nodes: NodeFacts[], changes: Partial<Policy> = {}, status: OnloadStatus = {}): ObservedResource {
  const metadata = {
    name: "onload",
    namespace: "trading",
    creationTimestamp: new Date(NOW - 7_200_000).toISOString(),
    generation: 1,
  };
  const raw = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata, spec: SPEC, status };
  const onload = withDefaults(raw);
  const rules = { ...policy, ...changes };
  return {
    raw,
    onload,
    problem: undefined,
    heldBack: undefined,
    attention: [],
    serving: acts,
    planned: {
      kmm: KMM_2,
      effective: onload,
      live: { onload: undefined, sfc: undefined, daemonSet: undefined },
      desired: undefined,
      policy: rules,
      force: { asked: false, mayIn: () => false },
      plan: planRollout(nodes, rules, NOW),
    },
  };
}

const acts: Serving = { state: "acts", message: "The operator holds its Lease", elected: true };
const nothing: Outlook = { holders: new Map(), budgets: [], evictions: NO_ANSWERS };

function holder(name: string, owner?: string): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "apps",
      uid: name,
      labels: { app: "feed" },
      ...(owner
        ? {
            ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }],
          }
        : {}),
    },
    spec: { containers: [{ name: "app", resources: { limits: { "amd.com/onload": "1" } } }] },
  };
}

test("plan says once what nodes wait for", () => {
  const outdated = ["n1", "n2"].map((name) => whole("v2", { name, plugin: { ...plugin(), current: false } }));
  const { notes } = describePlan(observed(outdated, { templateSeen: false }), nothing);
  expect(notes).toEqual(["The DaemonSet controller has not seen the present template of the device plugin"]);
});

test("status shows what runs, what goes on, and why", () => {
  const draining = whole("v1", {
    name: "node-2",
    labels: { plugin: undefined, onload: "v1", sfc: undefined },
    plugin: plugin(false),
    stepRecord: stepRecord("Evict", 600_000),
  });
  const stuck: NodeFacts = {
    ...draining,
    plugin: { ...draining.plugin, present: false },
    holders: [
      {
        namespace: "apps",
        name: "feed-0",
        uid: "1",
        terminating: false,
        evictable: true,
        forceable: false,
        refusal: undefined,
      },
    ],
  };
  const status: OnloadStatus = {
    version: "v2",
    nodes: { desired: 3, updated: 1, ready: 1, upgrading: 1, failed: 1 },
    conditions: [
      {
        type: "Degraded",
        status: "True",
        reason: "NodesFailed",
        message: 'Node "node-2" failed',
        lastTransitionTime: new Date(NOW).toISOString(),
      },
    ],
    problems: [
      { node: "node-2", step: "Draining", reason: "EvictionBlocked", message: "budget feed holds apps/feed-0" },
    ],
  };
  const report = describeStatus([observed([whole("v2"), stuck, whole("v1", { name: "node-3" })], {}, status)], NOW);
  expect(statusText(report, acts, false, NOW)).toMatchInlineSnapshot(`
    "NAMESPACE   NAME     VERSION   DESIRED   READY   ACCELERATED   STATUS        AGE
    trading     onload   v2        3         1       -             NodesFailed   2h

    trading/onload: Node "node-2" failed
    NODE     VERSION    STATE               STEP     SINCE   WHY
    node-1   v2         Ready               -        -       -
    node-2   v1 -> v2   Failed (Draining)   Evict    10m     EvictionBlocked: budget feed holds apps/feed-0
    node-3   v1 -> v2   Outdated            Halted   60m     Another node has failed; no further node starts until that is resolved
    "
  `);
});

test("status counts pods that are accelerated, as far as nodes have told", () => {
  const [report] = describeStatus([observed([whole("v2")])], NOW);
  const text = (unknownNodes: number): string =>
    statusText([{ ...report!, accelerated: { pods: 2, of: 3, unknownNodes } }], acts, false, NOW);
  expect(text(0)).toMatch(/ACCELERATED[^]* 2\/3 /);
  expect(text(0)).not.toContain("did not say");
  expect(text(4)).toContain("\nAccelerated: 4 nodes did not say");
});

test("status says what is not protected, beside what goes on", () => {
  const condition = { lastTransitionTime: "2026-01-01T00:00:00Z", reason: "PoliciesMissing", message: "no policies" };
  const conditions = [{ ...condition, type: "Protected", status: "False" as const }];
  const text = statusText(describeStatus([observed([whole("v2")], {}, { conditions })], NOW), acts, false, NOW);
  expect(text).toContain("\nNot protected: no policies\n");
  const others = [{ ...condition, type: "Protected", status: "True" as const }];
  expect(
    statusText(describeStatus([observed([whole("v2")], {}, { conditions: others })], NOW), acts, false, NOW),
  ).not.toContain("rotected");
});

test("plan lists nodes in their order, with pods and what holds them", () => {
  const nodes = [
    ...["a", "b", "c"].map((name) => whole("v1", { name })),
    whole("v1", { name: "cordoned", cordoned: true }),
    whole("v2", { name: "done" }),
    bare({ name: "new" }),
  ];
  const outlook: Outlook = {
    holders: new Map([
      ["a", [holder("feed-0", "feed")]],
      ["b", [holder("alone")]],
    ]),
    budgets: [
      {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { name: "feed", namespace: "apps" },
        spec: { selector: { matchLabels: { app: "feed" } } },
        status: { disruptionsAllowed: 0 },
      },
    ],
    evictions: NO_ANSWERS,
  };
  expect(planText([describePlan(observed(nodes, { maxUnavailable: 3 }), outlook)])).toMatchInlineSnapshot(`
    "trading/onload: version v2, at most 3 of its nodes out of service at once
    The 3 slots are held by cordoned (cordoned), new (New), a (starts now)
    TURN   NODE       VERSION      STEPS                                                               EVICTS        BLOCKED BY
    now    new        none -> v2   load onload, start plugin                                           -             -
    now    a          v1 -> v2     stop plugin, evict pods, unload onload, load onload, start plugin   apps/feed-0   pod apps/feed-0: budget feed allows no disruption now
    1      b          v1 -> v2     stop plugin, evict pods, unload onload, load onload, start plugin   apps/alone    pod apps/alone: no controller would recreate it; delete it, or set spec.upgrade.drain.force and set annotation onload.amd.com/allow-force-drain=true on the pod or its namespace
    1      c          v1 -> v2     stop plugin, unload onload, load onload, start plugin               -             -
    -      cordoned   v1 -> v2     stop plugin, unload onload, load onload, start plugin               -             Cordoned: The node is cordoned: it is skipped until uncordoned
    "
  `);
});

test("what the API server says of an eviction counts more than the status of budgets", () => {
  const web = holder("web-0", "feed");
  const budgets: Outlook["budgets"] = [
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "feed", namespace: "apps" },
      spec: { selector: { matchLabels: { app: "feed" } } },
      status: { disruptionsAllowed: 0 },
    },
  ];
  const blocked = (answer: string | undefined, gap?: string): ReturnType<typeof describePlan> => {
    const refusals = new Map(answer === undefined ? [] : [[web.metadata.uid!, answer] as const]);
    const outlook = { holders: new Map([["a", [web]]]), budgets, evictions: { refusals, gap } };
    return describePlan(observed([whole("v1", { name: "a" })]), outlook);
  };
  expect(blocked("").nodes[0]!.blockedBy).toEqual([]);
  expect(blocked("two budgets").nodes[0]!.blockedBy).toEqual(["pod apps/web-0: two budgets"]);
  const unknown = blocked(undefined, "not asked");
  expect(unknown.nodes[0]!.blockedBy).toEqual(["pod apps/web-0: budget feed allows no disruption now"]);
  expect(unknown.notes).toContain("not asked");
});

test("status tells from elsewhere why pods are not evicted while there is time yet", () => {
  const draining = bare({
    name: "node-2",
    labels: { plugin: undefined, onload: "v1", sfc: undefined },
    onload: module("v1"),
    stepRecord: stepRecord("Evict"),
    holders: [factsOfHolder()],
  });
  const problems = [
    { node: "node-2", step: "Draining", reason: "EvictionBlocked", message: "apps/feed-0 (budget web)" },
  ];
  const [seen] = describeStatus([observed([draining], {}, { problems })]);
  expect(seen!.nodes[0]).toMatchObject({
    state: "Draining",
    why: "EvictionBlocked: apps/feed-0 (budget web)",
    failed: false,
  });
  const [knows] = describeStatus([observed([{ ...draining, holders: [factsOfHolder({ refusal: "budget web" })] }])]);
  expect(knows!.nodes[0]!.why).toStartWith("EvictionBlocked: Pods still hold amd.com/onload (a/p (budget web)); ");
});

test("status says of each node that waits for a slot who holds it", () => {
  const nodes = [whole("v1", { name: "node-1", cordoned: true }), whole("v1", { name: "node-2" })];
  expect(describeStatus([observed(nodes)], NOW)[0]!.nodes.map(({ step, why }) => `${step}: ${why}`)).toEqual([
    "Cordoned: Cordoned: The node is cordoned: it is skipped until uncordoned",
    "NoFreeSlot: The slot is held by node-1 (cordoned)",
  ]);
});

test("a paused or halted rollout says so", () => {
  const paused = describePlan(observed([whole("v1")], { paused: true }), nothing);
  expect(paused.notes).toEqual(["Paused: no node with an older version starts"]);
  expect(paused.nodes).toMatchObject([
    { turn: -1, next: "Paused", steps: ["stop plugin", "unload onload", "load onload", "start plugin"] },
  ]);
});

test("that a rollout is paused, a plan says once", () => {
  const paused = observed([whole("v1")], { paused: true });
  (paused.raw.status as OnloadStatus).conditions = [
    { type: "Progressing", status: "False", reason: "Paused", message: "m", lastTransitionTime: "" },
  ];
  expect(describePlan(paused, nothing, true)).toMatchObject({ status: "Paused", notes: [] });
});

test("nothing to do is said in words", () => {
  expect(planText([describePlan(observed([whole("v2")]), nothing)])).toBe(
    "trading/onload: version v2, at most 1 of its nodes out of service at once\nNothing to do on any node\n",
  );
  expect(planText([])).toBe("No Onload resources found\n");
  expect(statusText([], acts, false, NOW)).toBe("No Onload resources found\n");
  expect(noneText(undefined, ["a"])).toBe("No Onload resources found");
  expect(noneText("a", ["b", "c", "b"])).toBe('No Onload resources found in namespace "a"; there are some in b, c');
  expect(noneText("a", [])).toBe('No Onload resources found in namespace "a"');
});

describe("what a person is told before a change is applied", () => {
  const told = (nodes: NodeFacts[], accountMissing = false, holders: Outlook["holders"] = new Map()): string[] => {
    const resource = observed(nodes);
    return consequences(
      resource,
      describePlan(resource, { holders, budgets: [], evictions: NO_ANSWERS }),
      accountMissing,
    );
  };

  test("nodes that serve and will not for a while, with their pods", () => {
    const holders = new Map([["node-1", [holder("a", "b"), holder("c", "b")]]]);
    expect(told([whole("v1")], false, holders)).toEqual([
      "1 node that serves is taken out of service, and 2 pods are evicted",
    ]);
    expect(told([whole("v1"), whole("v1", { name: "node-2" })])).toEqual([
      "2 nodes that serve are taken out of service",
    ]);
    // Nodes that need nothing, that are new, and whose turn never comes by itself are none of these.
    expect(told([whole("v2"), bare(), whole("v1", { cordoned: true })])).toEqual([]);
  });

  test("a selector that matches nothing, or lets go of nodes", () => {
    const none = "spec.selector matches no node: nothing is installed until a node has its labels";
    expect(told([])).toEqual([none]);
    expect(told([whole("v2", { want: undefined, holders: [] })])).toEqual([
      none,
      "spec.selector lets go of node node-1: the drivers there are unloaded",
      "1 node that serves is taken out of service",
    ]);
    const many = Array.from({ length: 9 }, (_, i) => whole("v2", { name: `n${i}`, want: undefined, holders: [] }));
    expect(told([bare(), ...many])[0]).toBe(
      "spec.selector lets go of 9 nodes (n0, n1, n2, n3, n4 and 4 more): the drivers there are unloaded",
    );
  });

  test("nodes that another resource keeps, and a ServiceAccount that does not exist", () => {
    expect(told([bare({ want: undefined, keptBy: "other/onload" })], true)).toEqual([
      "Onload other/onload keeps node node-1, because it has it or is older",
      'ServiceAccount "onload" does not exist in namespace "trading": no pod can start until it is there and is allowed to run privileged pods',
    ]);
  });
});

describe("what a newcomer sees", () => {
  test("how long a budget may hold a drain", () => {
    const held = factsOfHolder({ refusal: "The disruption budget feed holds it" });
    const draining = whole("v1", {
      labels: { plugin: undefined, onload: "v1", sfc: undefined },
      plugin: { ...plugin(false), present: false },
      holders: [held],
      stepRecord: stepRecord("Evict", 21_000),
    });
    const [seen] = describeStatus([observed([draining])], NOW);
    expect(seen!.nodes[0]!.why).toMatch(/^EvictionBlocked: .*feed holds it.* \(21s of 5m\)$/);
  });

  const unready = {
    onload: { ...module(), ready: undefined, labelledReady: false },
    plugin: plugin(false),
    allocatable: 0,
  };

  test("a node on its way up serves nobody: its deletion takes nothing out of service", () => {
    const plan = describePlan(observed([whole("v2", { want: undefined, ...unready })]), nothing);
    expect(plan.nodes.map(({ leavesService }) => leavesService)).toEqual([false]);
    const serving = describePlan(observed([whole("v2", { want: undefined })]), nothing);
    expect(serving.nodes.map(({ leavesService }) => leavesService)).toEqual([true]);
  });

  test.each([
    [
      "a taint",
      whole("v1", { taints: { kmm: { text: "dedicated=x:NoSchedule", passing: false }, plugin: undefined } }),
      {},
    ],
    ["a confirmation", whole("v1", { want: undefined, holders: [factsOfHolder()] }), { letGoConfirmed: false }],
    ["its node", whole("v1", { ready: false }), {}],
    ["an uncordon", whole("v1", { cordoned: true }), {}],
    ["a mapping", whole("v1", { mapped: false }), {}],
    ["a resume", whole("v1"), { paused: true }],
  ] as [string, NodeFacts, Partial<Policy>][])("a node that waits for %s stays in service", (_, node, changes) => {
    const nodes = ["n1", "n2"].map((name) => ({ ...node, name }));
    const plan = describePlan(observed(nodes, changes), nothing);
    expect(plan.nodes.map(({ leavesService }) => leavesService)).toEqual([false, false]);
    const free = describePlan(observed([whole("v1")]), nothing);
    expect(free.nodes.map(({ leavesService }) => leavesService)).toEqual([true]);
  });

  test("a node that gets the version that its labels name shows it once", () => {
    const text = planText([describePlan(observed([whole("v2", { ...unready, stepRecord: stepRecord() })]), nothing)]);
    expect(text).toMatch(/^now +node-1 +v2 +/m);
  });

  test("that it is paused, while nodes are installed", () => {
    const resource = observed([bare()]);
    (resource.onload as Onload).spec.upgrade.paused = true;
    const [seen] = describeStatus([resource], NOW);
    expect(seen!.attention).toEqual([
      "Paused: no node with an older version starts; to go on: onloadctl resume onload -n trading",
    ]);
    const paused = observed([whole("v1")], { paused: true });
    (paused.onload as Onload).spec.upgrade.paused = true;
    (paused.raw.status as OnloadStatus).conditions = [
      { type: "Progressing", status: "False", reason: "Paused", message: "m", lastTransitionTime: "" },
    ];
    expect(describeStatus([paused], NOW)[0]).toMatchObject({ status: "Paused", attention: [] });
  });

  test("no numbers that nobody has counted, and that no node has failed", () => {
    const report = describeStatus([{ ...observed([]), serving: { ...acts, state: "silent" } }], NOW);
    expect(report[0]).toMatchObject({ desired: null, ready: null });
    const lines = statusLines(report, acts, { wide: false, onlyFailed: true }, NOW).map(({ text }) => text);
    expect(lines[1]).toMatch(/^trading +onload +v2 +- +- +- /);
    expect(lines).toContain("No node has failed");
  });
});
