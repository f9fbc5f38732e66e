/** What a person reads at once is said once, in every situation of a resource. */
import { expect, test } from "bun:test";
import type { OwnerReference, Pod } from "../../api/core.ts";
import { ONLOAD_RESOURCE } from "../../api/names.ts";
import { REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { holderOf } from "../cache/holders.ts";
import { bare, module, NOW, plugin, stepRecord, whole } from "../testing/facts.ts";
import { acts, moment, SITUATIONS, type Situation } from "../testing/moments.ts";
import { NO_ANSWERS } from "./evictions.ts";
import { describePlan, planText, type Outlook } from "./plan-view.ts";
import type { Planned } from "../plan.ts";
import { untouchedStatus } from "../report/status.ts";
import { planRollout } from "../rollout/plan.ts";
import { saidOnce } from "./said-once.ts";
import { describeStatus, statusText } from "./status-view.ts";

const MISSING =
  "Image registry.example.com/onload-module:9.9.9 is not available: manifest unknown; build and push $& it";

test("what the table tells of a node is not told above it", () => {
  const sentence = `Node "a" failed at LoadingOnload: ${MISSING} (and 1 more node)`;
  const below = ["NoFreeSlot: The slot is held by a (LoadingOnload)", `ModuleImageMissing: ${MISSING}`];
  expect(saidOnce(sentence, below)).toBe('Node "a" failed at LoadingOnload: see below (and 1 more node)');
  expect(saidOnce(sentence, [])).toBe(sentence);
});

test("what is short, or something else, stays", () => {
  expect(saidOnce('Node "a": The node is not Ready', ["NodeNotReady: The node is not Ready"])).toEndWith("not Ready");
  expect(saidOnce("0 of 2 nodes are ready", [`ModuleImageMissing: ${MISSING}`])).toBe("0 of 2 nodes are ready");
});

const owner = (kind: string, name: string): OwnerReference => ({
  apiVersion: "apps/v1",
  kind,
  name,
  uid: "2",
  controller: true,
});
const daemonSetPod: Pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    namespace: "t",
    name: "feed-x",
    uid: "1",
    ownerReferences: [owner("DaemonSet", "feed")],
  },
  spec: { containers: [{ name: "c", resources: { limits: { [ONLOAD_RESOURCE]: 1 } } }] },
} as Pod;
const budgetPod: Pod = {
  ...daemonSetPod,
  metadata: { namespace: "t", name: "quotes-0", uid: "3", ownerReferences: [owner("StatefulSet", "quotes")] },
};
const BUDGET =
  "Cannot evict pod as it would violate the pod's disruption budget: The disruption budget quotes needs 2 healthy pods";
const copy = (pod: Pod, name: string): Pod => ({ ...pod, metadata: { ...pod.metadata, name, uid: name } });
const force = { asked: false, mayIn: (): boolean => false };
const labels = { plugin: "v1", onload: "v1", sfc: undefined };
const none = { plugin: undefined, onload: undefined, sfc: undefined };
const draining = (ageMs: number, ...pods: Pod[]): NodeFacts[] => [
  bare({
    name: "n1",
    cordoned: false,
    labels: { ...labels, plugin: undefined },
    onload: module("v1"),
    stepRecord: stepRecord("Evict", ageMs),
    holders: pods.map((pod) => {
      const held = holderOf(pod, force)!;
      return pod === budgetPod ? { ...held, evictable: true, refusal: BUDGET } : held;
    }),
  }),
];
const refused = 'DaemonSet onload-module-x7k2p: pods "x" is forbidden: exceeded quota: none, requested: pods=1';

const HELD_BACK =
  "The change of spec.selector would let go of 2 nodes that serve, and spec.upgrade.maxUnavailable allows 1";

/** What the other situations have not: pods in the way, and texts that are long. */
const MORE: Record<string, Omit<Situation, "says">> = {
  "a DaemonSet's pod holds a drain": { nodes: draining(1000, daemonSetPod) },
  "a DaemonSet's pod has held a drain for too long": { nodes: draining(400_000, daemonSetPod) },
  "a DaemonSet's pod and a budget hold a drain": { nodes: draining(1000, daemonSetPod, budgetPod) },
  "a node waits for one that is held by a budget": {
    nodes: [...draining(1000, budgetPod), whole("v1", { name: "n2" })],
  },
  "two DaemonSets' pods hold a drain": { nodes: draining(1000, daemonSetPod, copy(daemonSetPod, "feed-y")) },
  "a budget has held a drain for too long": { nodes: draining(400_000, budgetPod) },
  "two nodes have failed, each for another reason": {
    nodes: ["n1", "n2"].map((name, i) =>
      bare({
        name,
        labels: { ...none, onload: "v2" },
        onload: module(),
        stepRecord: stepRecord("LabelOnload", 601_000),
        missingImages: [{ image: `registry.example.com/onload-module:${i}`, why: "manifest unknown to the registry" }],
      }),
    ),
  },
  "a loader is refused, and a node waits for it": {
    nodes: [
      bare({
        name: "n1",
        labels: { ...none, onload: "v2" },
        stepRecord: stepRecord("LabelOnload", 5000),
        refusals: { onload: refused },
      }),
      whole("v1", { name: "n2" }),
    ],
  },
  "a plugin is refused": {
    nodes: [
      whole("v2", {
        plugin: { ...plugin(false), present: false },
        allocatable: 0,
        stepRecord: stepRecord("LabelPlugin", 5000),
        refusals: { plugin: refused },
      }),
    ],
  },
  "nodes have waited for a slot for long": {
    nodes: [whole("v2", { name: "n1", ready: false, readySince: NOW - 1e9 }), whole("v1", { name: "n2" })],
    policy: { stalledSince: NOW - 700_000 },
  },
  "a missing image has kept a node waiting for long": {
    nodes: [whole("v1", { missingImages: [{ image: "registry.example.com/module:2", why: undefined }] })],
    policy: { stalledSince: NOW - 700_000 },
  },
  "an image cannot be pulled, and the node serves": {
    nodes: [
      whole("v1", { missingImages: [{ image: "registry.example.com/module:2", why: "unauthorized to pull that" }] }),
    ],
  },
  "the selector is held back": {
    nodes: [whole("v2")],
    input: { problems: [{ reason: REASON.ChangeHeldBack, message: HELD_BACK }] },
  },
};

/** So long a text that stands twice is noticed by a reader. */
const LONG = 40;

/** The longest text that stands twice in a text, or in both of two; "" if none is long. */
function twice(a: string, b?: string): string {
  let longest = "";
  for (let at = 0; at + LONG <= a.length; at++) {
    const isThere = (text: string): boolean =>
      b === undefined ? a.includes(text, at + text.length) : b.includes(text);
    let length = Math.max(LONG, longest.length + 1);
    while (at + length <= a.length && isThere(a.slice(at, at + length))) longest = a.slice(at, at + length++);
  }
  return longest;
}

/** What stands twice in an output. Rows of different nodes may say the same: a reader takes a row for itself. */
function saidTwice(output: string, heading: string): string[] {
  const lines = output.split("\n").map((line) => line.replaceAll(/ {2,}/g, " "));
  const table = lines.findIndex((line) => line.startsWith(heading));
  const above = (table < 0 ? lines : lines.slice(0, table)).join("\n");
  const rows = table < 0 ? [] : lines.slice(table + 1);
  return [twice(above), ...rows.flatMap((row) => [twice(row), twice(row, above)])].filter((text) => text !== "");
}

test("a text that stands twice is found", () => {
  const long = "a reason that is long enough for a reader to notice it";
  expect(twice(`x ${long}, y ${long} z`)).toBe(` ${long}`);
  expect(twice(`x ${long}`, `y ${long}`)).toBe(` ${long}`);
  expect(saidTwice(`a: ${long}\nNODE  WHY\nn1  ${long}\nn2  b\n`, "NODE")).toEqual([` ${long}`]);
  expect(saidTwice(`a\nNODE  WHY\nn1  ${long}\nn2  ${long}\n`, "NODE")).toEqual([]);
});

/** Names as clouds give them. */
function named({ nodes = [], ...rest }: Situation): Situation {
  const full = (name: string): string => `${name}.compute.trading.example.com`;
  return { ...rest, nodes: nodes.map((facts) => ({ ...facts, name: full(facts.name) })) };
}

/** What a command knows itself: it asks for no eviction, so that only the operator knows the refusal of a budget. */
function withoutAnswers(planned: Planned): Planned {
  const nodes = planned.plan.nodes.map((node) => {
    const holders = node.facts.holders?.map((each) => (each.evictable ? { ...each, refusal: undefined } : each));
    return { ...node, facts: { ...node.facts, holders } };
  });
  const plans = planRollout(
    nodes.map(({ facts }) => facts),
    planned.policy,
    NOW,
  );
  return { ...planned, plan: plans };
}

const holding = [daemonSetPod, copy(daemonSetPod, "feed-y"), budgetPod, copy(budgetPod, "quotes-1")];

const ALL: [string, Situation][] = [
  ...Object.entries(SITUATIONS),
  ...Object.entries(MORE).map(([what, each]): [string, Situation] => [what, { ...each, says: ["", "", 0, 0] }]),
];

test.each(ALL)("%s: nothing is said twice", (_what, situation) => {
  const { observed: seen } = moment(named(situation));
  const observed = { ...seen, planned: seen.planned && withoutAnswers(seen.planned) };
  expect(saidTwice(statusText(describeStatus([observed], NOW), acts, true, NOW), "NODE ")).toEqual([]);
  const pods = new Map(observed.planned!.plan.nodes.map(({ facts }) => [facts.name, holding]));
  const refusals = new Map([
    ["3", BUDGET],
    ["quotes-1", BUDGET],
  ]);
  for (const outlook of [
    { holders: new Map(), budgets: [], evictions: NO_ANSWERS },
    { holders: pods, budgets: [], evictions: { refusals, gap: undefined } },
  ] satisfies Outlook[]) {
    for (const isLive of [true, false]) {
      expect(saidTwice(planText([describePlan(observed, outlook, isLive)]), "TURN ")).toEqual([]);
    }
  }
});

test("what is said of the resource as a whole is not a note of its plan as well", () => {
  const { observed } = moment({ nodes: [whole("v2")], says: ["", "", 0, 0] });
  const nothing: Outlook = { holders: new Map(), budgets: [], evictions: NO_ANSWERS };
  const problem = {
    reason: REASON.InvalidSpec,
    message: "spec.selector has no label, so that no node could ever match it",
  };
  const raw = { ...observed.raw, status: untouchedStatus(observed.raw, problem, NOW) } as never;
  const unread = { ...observed, raw, onload: undefined, planned: undefined, problem: problem.message };
  const held = moment({
    nodes: [whole("v2")],
    input: { problems: [{ reason: REASON.ChangeHeldBack, message: HELD_BACK }] },
    says: ["", "", 0, 0],
  }).observed;
  for (const each of [unread, { ...held, heldBack: HELD_BACK }]) {
    const text = planText([describePlan(each, nothing, true)]);
    expect(saidTwice(text, "TURN ")).toEqual([]);
    expect(text).toContain(each === unread ? problem.message : HELD_BACK);
    expect(saidTwice(statusText(describeStatus([each], NOW), acts, true, NOW), "NODE ")).toEqual([]);
  }
  // Without a headline the note stands.
  expect(planText([describePlan({ ...held, heldBack: HELD_BACK }, nothing)])).toContain(`Held back: ${HELD_BACK}`);
});
