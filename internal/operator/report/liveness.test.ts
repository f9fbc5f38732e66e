/**
 * Whatever the nodes are like: if nothing moves, either a person wants it so, or the status says what is wrong and what to
 * do, and the resource is degraded within the time that steps may take.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Onload, OnloadStatus } from "../../api/onload.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { waitText } from "../rollout/awaited.ts";
import type { NodePlan, Policy } from "../rollout/node-plan.ts";
import { planRollout, type RolloutPlan } from "../rollout/plan.ts";
import { anyNode, anyPolicy } from "../testing/any-facts.ts";
import { bare, module, NOW, noModule, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import { statusOf } from "./conditions.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };

/** The plan and the status after nothing has happened for `ms`, as the status in between is read back. */
function after(nodes: readonly NodeFacts[], rules: Policy, ms: number): { plan: RolloutPlan; status: OnloadStatus } {
  const spec = { upgrade: { paused: rules.paused } };
  const stalledSince =
    rules.stalledSince === undefined ? {} : { stalledSince: new Date(rules.stalledSince).toISOString() };
  let onload = { metadata: { generation: 1 }, spec, status: stalledSince } as unknown as Onload;
  const at = (now: number): { plan: RolloutPlan; status: OnloadStatus } => {
    const since = onload.status?.stalledSince;
    const plan = planRollout(
      nodes,
      { ...rules, stalledSince: since === undefined ? undefined : Date.parse(since) },
      now,
    );
    const rest = { selector: undefined, problems: [], rollback: undefined, lastReady: undefined };
    return { plan, status: statusOf({ onload, version: "v2", plan, now, ...rest }) };
  };
  onload = { ...onload, status: at(NOW).status };
  return at(NOW + ms);
}

function degraded({ conditions }: OnloadStatus): string | undefined {
  const found = conditions!.find(({ type, status }) => type === "Degraded" && status === "True");
  return found?.message;
}

test("no node that waits is without a reason", () => {
  fc.assert(
    fc.property(
      fc.array(anyNode, { minLength: 1, maxLength: 5 }),
      anyPolicy,
      fc.nat(2_000_000),
      (drawn, drawnRules, ms) => {
        const nodes = drawn.map((each, i) => ({ ...each, name: `n${i}` }));
        const { plan } = after(nodes, drawnRules, ms);
        const waits = ({ facts, state, step }: NodePlan): boolean => {
          if (step !== "None" && step !== "Wait" && step !== "Evict") return false;
          return facts.want === undefined ? state !== "Absent" : state !== "Ready" || !facts.ready;
        };
        const textOf = (node: NodePlan): string => node.problem?.message ?? waitText(node, plan.slots);
        const silent = plan.nodes.filter((node) => waits(node) && textOf(node).length < 10);
        expect(silent.map(({ state, step, gate }) => ({ state, step, gate }))).toEqual([]);
      },
    ),
    { numRuns: Number(process.env["LIVENESS_RUNS"] ?? 5000) },
  );
});

/** Long enough for every time limit. */
const LONG = 2_000_000;

test("whenever nothing moves, the status says why", () => {
  fc.assert(
    fc.property(fc.array(anyNode, { minLength: 1, maxLength: 5 }), anyPolicy, (drawn, drawnRules) => {
      const nodes = drawn.map((each, i) => ({ ...each, name: `n${i}` }));
      const { plan, status } = after(nodes, drawnRules, LONG);
      // The operator itself still does something. Asking pods to leave is noted when it begins, and once more is nothing.
      const begins = ({ step, facts }: NodePlan): boolean =>
        step === "Evict" ? facts.stepRecord?.step !== "Evict" : step !== "None" && step !== "Wait";
      if (plan.nodes.some(begins)) return;
      const unfinished = plan.nodes.filter(({ facts, state }) => facts.want === undefined || state !== "Ready");
      if (unfinished.length === 0) return;
      const message = degraded(status);
      if (message !== undefined) {
        // With what to do about it.
        expect(message).toContain("; ");
        return;
      }
      // A person's wish for one node explains that node, and those that wait for its slot.
      const cordoned = plan.nodes.filter(({ facts }) => facts.want !== undefined && facts.cordoned);
      const isWished = ({ facts, gate }: NodePlan): boolean =>
        facts.cordoned || (gate === "NoFreeSlot" && cordoned.length >= drawnRules.maxUnavailable);
      const wanted = drawnRules.paused || unfinished.every(isWished);
      expect({ wanted, unfinished: unfinished.map(({ state, gate, step }) => ({ state, gate, step })) }).toEqual({
        wanted: true,
        unfinished: unfinished.map(({ state, gate, step }) => ({ state, gate, step })),
      });
    }),
    { numRuns: Number(process.env["LIVENESS_RUNS"] ?? 5000) },
  );
});

describe("what is said when nothing moves", () => {
  const waitsForImage = whole("v1", { missingImages: [{ image: "r/m:2", why: undefined }] });
  test("an image that KMM looks for without an end", () => {
    expect(degraded(after([waitsForImage], policy, policy.limits.step - 1).status)).toBeUndefined();
    const { status, plan } = after([waitsForImage], policy, policy.limits.step);
    expect(degraded(status)).toBe(
      'Node "node-1": KMM has not found r/m:2 for 600 s; build and push the image, or correct spec.onload.kernelMappings',
    );
    expect(status.problems).toMatchObject([{ node: "node-1", reason: "ModuleImageMissing" }]);
    expect(plan.halted).toBeFalse();
  });
  test("that time begins when nothing moves any more, outlives the operator, and is looked at when it is over", () => {
    const before = { ...policy, stalledSince: NOW - 1000 };
    const { plan, status } = after([waitsForImage], before, 1000);
    expect(status.stalledSince).toBe(new Date(NOW - 1000).toISOString());
    expect(plan.wakeAt).toBe(NOW - 1000 + policy.limits.step);
    const moving = bare({ name: "m", labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord() });
    expect(after([waitsForImage, moving], before, 1000).status.stalledSince).toBeUndefined();
    const fromAfar = { ...policy, stalledSince: NOW + 1e9 };
    expect(after([waitsForImage], fromAfar, policy.limits.step).status.problems).toHaveLength(1);
  });
  test("that time goes on while KMM says now and then why an image is missing", () => {
    const failed = whole("v1", { missingImages: [{ image: "r/m:2", why: "ImagePullBackOff" }] });
    const { status } = after([failed], { ...policy, stalledSince: NOW - 1000 }, 1000);
    expect(degraded(status)).toContain("ImagePullBackOff");
    expect(status.stalledSince).toBe(new Date(NOW - 1000).toISOString());
  });
  test("a DaemonSet controller that sees no new template", () => {
    const outdated = whole("v2", { plugin: { ...plugin(), current: false } });
    const { status } = after([outdated], { ...policy, templateSeen: false }, policy.limits.step);
    expect(degraded(status)).toContain("The DaemonSet controller has not seen the present template");
    expect(degraded(status)).toContain("see whether");
  });
  test("a node that is not Ready for as long as a step may take, and what waits for it", () => {
    const nodes = [whole("v1", { name: "n1", ready: false, readySince: NOW }), whole("v1", { name: "n2" })];
    const early = after(nodes, policy, policy.limits.step - 1).status;
    expect(degraded(early)).toBeUndefined();
    expect(early.conditions!.find(({ type }) => type === "Progressing")!.message).toBe(
      "2 nodes still to be upgraded: 1 NodeNotReady, 1 NoFreeSlot; The slot is held by n1 (not Ready)",
    );
    const { status } = after(nodes, policy, policy.limits.step);
    expect(degraded(status)).toStartWith(
      'Node "n1": The node is not Ready; bring the node back, or delete its Node object',
    );
  });
  test("a person's own wish is no fault", () => {
    const cordoned = [whole("v1", { name: "n1", cordoned: true }), whole("v1", { name: "n2" })];
    const { status } = after(cordoned, policy, LONG);
    expect(degraded(status)).toBeUndefined();
    expect(status.stalledSince).toBeUndefined();
    expect(degraded(after([waitsForImage], { ...policy, paused: true }, LONG).status)).toBeUndefined();
  });
  test("a hundred nodes that load one version while another is wanted do not keep one another from it", () => {
    const nodes = Array.from({ length: 100 }, (_, i) =>
      whole("v1", { name: `n${i}`, onload: { ...noModule, present: true }, plugin: plugin(false), allocatable: 100 }),
    );
    const { plan } = after(nodes, policy, 1);
    expect(plan.nodes.filter(({ step }) => step === "UnlabelPlugin")).toHaveLength(1);
    expect(plan.slots).toStartWith("The slot is held by n0 (out of service), n1 (out of service)");
  });
});
