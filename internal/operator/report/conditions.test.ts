import { describe, expect, test } from "bun:test";
import type { DeepReadonly } from "../../api/core.ts";
import type { Onload, OnloadStatus } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import { bare, stepRecord, module, NOW, plugin, policy, whole } from "../testing/facts.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Policy } from "../rollout/node-plan.ts";
import { planRollout } from "../rollout/plan.ts";
import { attemptFor, beginRollback, effectiveOnload, nextLastReady, standingRollback } from "../rollout/rollback.ts";
import { statusOf, type StatusInput } from "./conditions.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };
const loading = (name: string, ageMs = 0): NodeFacts =>
  bare({ name, labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord("LabelOnload", ageMs) });

function onload(
  changes: { status?: OnloadStatus; deleting?: boolean; onFailure?: string; retry?: string } = {},
): Onload {
  return {
    metadata: {
      namespace: "ns",
      name: "o",
      generation: 7,
      ...(changes.deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
      ...(changes.retry === undefined ? {} : { annotations: { "onload.amd.com/retry": changes.retry } }),
    },
    spec: {
      onload: { version: "v2", userImage: "new" },
      upgrade: { paused: false, onFailure: changes.onFailure ?? "Halt" },
    },
    ...(changes.status ? { status: changes.status } : {}),
  } as unknown as Onload;
}

function status(nodes: NodeFacts[], input: Partial<StatusInput> = {}, changes: Partial<Policy> = {}): OnloadStatus {
  const plan = planRollout(nodes, { ...policy, ...changes }, NOW);
  const rest = {
    version: "v2",
    selector: undefined,
    problems: [],
    rollback: undefined,
    lastReady: undefined,
    now: NOW,
  };
  return statusOf({ onload: onload(), plan, ...rest, ...input });
}

// Stalled repeats Degraded; see kstatus.go.test.ts.
const summary = (s: OnloadStatus): string[] =>
  s
    .conditions!.filter(({ type }) => type !== "Stalled")
    .map(({ type, status: value, reason }) => `${type}=${value} ${reason}`);

describe("conditions", () => {
  const lastReady = { version: "v1", time: "2026-01-01T00:00:00Z", onload: {} };
  const upgrading = { onload: onload({ status: { lastReady } }) };
  const cases: Record<string, [OnloadStatus, string[]]> = {
    "all there": [
      status([whole("v2")]),
      ["Ready=True AllNodesReady", "Progressing=False AsExpected", "Degraded=False AsExpected"],
    ],
    "no node": [
      status([]),
      ["Ready=False NoMatchingNodes", "Progressing=False AsExpected", "Degraded=False AsExpected"],
    ],
    installing: [
      status([bare()]),
      ["Ready=False NodesNotReady", "Progressing=True Installing", "Degraded=False AsExpected"],
    ],
    upgrading: [
      status([whole("v1")], upgrading),
      ["Ready=False NodesNotReady", "Progressing=True Upgrading", "Degraded=False AsExpected"],
    ],
    paused: [
      status(
        [whole("v1")],
        { onload: { ...onload(), spec: { ...onload().spec, upgrade: { paused: true } } } as never },
        { paused: true },
      ),
      ["Ready=False NodesNotReady", "Progressing=False Paused", "Degraded=False AsExpected"],
    ],
    halted: [
      status([loading("n1", 601_000), whole("v1", { name: "n2" })]),
      ["Ready=False NodesNotReady", "Progressing=False Halted", "Degraded=True NodesFailed"],
    ],
    "halted, no other node": [
      status([loading("n1", 601_000)]),
      ["Ready=False NodesNotReady", "Progressing=False Halted", "Degraded=True NodesFailed"],
    ],
    "only a cordoned node is left": [
      status([whole("v1", { cordoned: true })]),
      ["Ready=False NodesNotReady", "Progressing=False NodesNotReady", "Degraded=False AsExpected"],
    ],
    "no mapping for a kernel": [
      status([bare({ mapped: false })]),
      ["Ready=False NodesNotReady", "Progressing=False NodesNotReady", "Degraded=True NodesNotReady"],
    ],
    "KMM is missing": [
      status([bare()], { problems: [{ reason: REASON.KmmNotInstalled, message: "m" }] }),
      ["Ready=False KmmNotInstalled", "Progressing=True Installing", "Degraded=True KmmNotInstalled"],
    ],
    "held back, all there": [
      status([whole("v2")], { problems: [{ reason: REASON.ChangeHeldBack, message: "m" }] }),
      ["Ready=True AllNodesReady", "Progressing=False AsExpected", "Degraded=True ChangeHeldBack"],
    ],
    deleting: [
      status([whole("v1", { want: undefined })], { onload: onload({ deleting: true }) }),
      ["Ready=False Deleting", "Progressing=True Deleting", "Degraded=False AsExpected"],
    ],
    "rolled back": [
      status([whole("v1", { want: "v1" })], { version: "v1", rollback: rollback("v2") }),
      ["Ready=False RolledBack", "Progressing=False AsExpected", "Degraded=True RolledBack"],
    ],
  };
  test.each(Object.entries(cases))("%s", (_name, [seen, expected]) => {
    expect(summary(seen)).toEqual(expected);
  });

  test("a condition's time changes only with its status", () => {
    const first = status([bare()]);
    const old = { ...onload({ status: first }) };
    const later = status([whole("v2")], { onload: old, now: NOW + 60_000 });
    const times = later.conditions!.map(({ lastTransitionTime }) => Date.parse(lastTransitionTime) - NOW);
    expect(times).toEqual([60_000, 60_000, 0]);
  });
});

test("counts and problems", () => {
  const nodes = [
    whole("v2", { name: "n1" }),
    whole("v1", { name: "n2", cordoned: true }),
    ...Array.from({ length: 12 }, (_, i) => loading(`x${i}`, i >= 10 ? 601_000 : 0)),
    whole("v1", { name: "n3", want: undefined }),
  ];
  const seen = status(nodes);
  expect(seen.nodes).toEqual({ desired: 14, updated: 1, ready: 1, upgrading: 12, failed: 2 });
  expect(seen.problems!.map(({ node, reason }) => `${node} ${reason}`)).toEqual([
    "x10 ModuleLoadFailed",
    "x11 ModuleLoadFailed",
    "n2 Cordoned",
  ]);
});

test("a node whose plugin brings the files of another version is not ready", () => {
  const ready = (version: string | undefined): number =>
    status([whole("v2", { plugin: { ...plugin(), current: false, version } })]).nodes!.ready;
  expect(["v1", "v2", undefined].map(ready)).toEqual([0, 1, 1]);
});

test("at most ten problems", () => {
  const nodes = Array.from({ length: 30 }, (_, i) => bare({ name: `n${i}`, cordoned: true }));
  expect(status(nodes).problems).toHaveLength(10);
});

function rollback(fromVersion: string, retry?: string): NonNullable<OnloadStatus["rollback"]> {
  const rest = { toVersion: "v1", observedGeneration: 7, since: "2026-01-01T00:00:00Z" };
  return { fromVersion, ...rest, ...(retry === undefined ? {} : { retry }) };
}

describe("rollback", () => {
  const kernelMappings = [{ regexp: ".*", kernelModuleImage: "old" }];
  const readyWith = (version: string) => ({
    version,
    time: "2026-01-01T00:00:00Z",
    onload: { version, userImage: "old", kernelMappings },
  });
  const lastReady = readyWith("v1");
  const failed = planRollout([loading("n1", 601_000)], policy, NOW);
  const resource = (changes: Parameters<typeof onload>[0]): DeepReadonly<Onload> =>
    onload({ onFailure: "Rollback", ...changes });

  test("begins when a node failed on the way from a version that was Ready", () => {
    expect(beginRollback(resource({ status: { lastReady } }), failed, NOW)).toMatchObject({
      fromVersion: "v2",
      toVersion: "v1",
      observedGeneration: 7,
    });
  });
  test.each([
    ["nothing was Ready before", resource({})],
    ["the failed version was Ready before", resource({ status: { lastReady: readyWith("v2") } })],
    ["onFailure is Halt", resource({ onFailure: "Halt", status: { lastReady } })],
    ["it rolls back already", resource({ status: { lastReady, rollback: rollback("v2") } })],
    ["it is being deleted", resource({ deleting: true, status: { lastReady } })],
  ])("does not begin where %s", (_why, each) => {
    expect(beginRollback(each, failed, NOW)).toBeUndefined();
  });
  test("does not begin without a failure", () => {
    expect(
      beginRollback(resource({ status: { lastReady } }), planRollout([loading("n1")], policy, NOW), NOW),
    ).toBeUndefined();
  });

  describe("holds until spec.onload or the retry annotation changes", () => {
    const begun = (changes: Parameters<typeof onload>[0]): Onload => {
      const before = resource({ ...changes, status: { lastReady } });
      const made = beginRollback(before, failed, NOW)!;
      const stored = { lastReady, rollback: JSON.parse(JSON.stringify(made)) as NonNullable<OnloadStatus["rollback"]> };
      return resource({ ...changes, status: stored }) as Onload;
    };
    const edited = (each: Onload, spec: object): Onload => ({
      ...each,
      metadata: { ...each.metadata, generation: 8 },
      spec: { ...each.spec, ...spec },
    });
    const held = begun({});
    const upgrade = { ...held.spec.upgrade, paused: true, maxUnavailable: 3 };
    test.each<[string, Onload, boolean]>([
      ["as it began", held, true],
      ["paused", edited(held, { upgrade }), true],
      ["another toleration", edited(held, { tolerations: [{ operator: "Exists" }] }), true],
      [
        "the same spec.onload, its keys in another order",
        edited(held, { onload: { userImage: "new", version: "v2" } }),
        true,
      ],
      ["another image", edited(held, { onload: { ...held.spec.onload, userImage: "other" } }), false],
      ["another version", edited(held, { onload: { ...held.spec.onload, version: "v3" } }), false],
      ["a retry", { ...held, metadata: { ...held.metadata, annotations: { "onload.amd.com/retry": "1" } } }, false],
      ["begun in a retry", begun({ retry: "two\nlines" }), true],
      [
        "begun in a retry, and tried again",
        { ...begun({ retry: "1" }), metadata: onload({ retry: "2" }).metadata },
        false,
      ],
    ])("%s", (_what, each, holds) => {
      expect(standingRollback(each) !== undefined).toBe(holds);
      expect(effectiveOnload(each).spec.onload as object).toEqual(holds ? lastReady.onload : each.spec.onload);
    });
    test("what is kept of a retry annotation is short, however long it is", () => {
      expect(JSON.stringify(begun({ retry: "x".repeat(200_000) }).status!.rollback).length).toBeLessThan(1000);
    });
  });

  test("an attempt is another once what is attempted is, or a retry is asked for", () => {
    const first = onload();
    const upgrade = { ...first.spec.upgrade, paused: true, maxUnavailable: 3, onFailure: "Rollback" as const };
    const calmed = { ...first, spec: { ...first.spec, selector: { a: "b" }, upgrade } };
    expect(attemptFor(calmed)).toBe(attemptFor(first));
    const drain = { ...first.spec.upgrade.drain, force: true };
    const others = [
      { ...first, spec: { ...first.spec, onload: { ...first.spec.onload, userImage: "other" } } },
      { ...first, spec: { ...first.spec, upgrade: { ...first.spec.upgrade, drain } } },
      { ...first, spec: { ...first.spec, upgrade: { ...first.spec.upgrade, stepTimeoutSeconds: 7 } } },
      onload({ retry: "1" }),
      onload({ retry: "1\n" }),
      // What a node has waited for on the way to the version that failed says nothing of the way back.
      onload({ status: { lastReady, rollback: rollback("v2") } }),
    ].map(attemptFor);
    expect(new Set([attemptFor(first), ...others]).size).toBe(7);
    for (const attempt of others) expect(attempt.length).toBeLessThan(40);
  });

  test("one that an earlier version began holds until the spec or the retry annotation changes", () => {
    const held = resource({ status: { lastReady, rollback: rollback("v2") } });
    expect(standingRollback(held)).toBeDefined();
    expect(effectiveOnload(held).spec.onload as object).toEqual(lastReady.onload);
    expect(standingRollback({ ...held, metadata: { ...held.metadata, generation: 8 } })).toBeUndefined();
    expect(standingRollback(resource({ retry: "1", status: { lastReady, rollback: rollback("v2") } }))).toBeUndefined();
    expect(
      standingRollback(resource({ retry: "1", status: { lastReady, rollback: rollback("v2", "1") } })),
    ).toBeDefined();
  });

  test("a version counts as Ready once all nodes run it, and not while it rolls back or a change is held back", () => {
    const done = planRollout([whole("v2", { name: "a" }), whole("v2", { name: "b" })], policy, NOW);
    expect(nextLastReady(onload(), done, false, NOW)?.version).toBe("v2");
    expect(nextLastReady(onload(), done, true, NOW)).toBeUndefined();
    expect(
      nextLastReady(onload(), planRollout([whole("v2"), whole("v1", { name: "b" })], policy, NOW), false, NOW),
    ).toBeUndefined();
    const held = resource({ status: { lastReady, rollback: rollback("v2") } });
    expect(nextLastReady(held, done, false, NOW)?.version).toBe("v1");
  });
});
