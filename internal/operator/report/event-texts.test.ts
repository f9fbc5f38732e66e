import { describe, expect, test } from "bun:test";
import type { Condition } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import { bare, holder, module, noLoadLabel, NOW, policy, stepRecord, whole } from "../testing/facts.ts";
import { KMM_1, KMM_2, NO_KMM } from "../testing/kmm.ts";
import type { LoadLabelFacts, NodeFacts } from "../assess/facts.ts";
import { stepRecordAnnotation } from "../observe/step-record.ts";
import { nodePatch } from "../rollout/patch.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import { planRollout } from "../rollout/plan.ts";
import { eventOfStep, eventsOfChange, eventsOfStatus, remember, type PreviousNodeState } from "./event-texts.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };
const KEY = { namespace: "ns", name: "o" };
const planOf = (node: Parameters<typeof planRollout>[0][number]): NodePlan =>
  planRollout([node], policy, NOW).nodes[0]!;

describe("the patch of a step", () => {
  test("labels and mark together", () => {
    expect(nodePatch(planOf(bare({ sfcManaged: true })), KEY, KMM_2, "3", NOW)).toEqual({
      metadata: {
        labels: { "onload.amd.com/ns.o": "v2", "kmm.node.kubernetes.io/version-module.ns.o-sfcmod": "v2" },
        annotations: { [stepRecordAnnotation(KEY)]: "Install 2026-01-01T12:00:00.000Z 3" },
      },
    });
  });
  test("KMM 1.1 is spared its own labels", () => {
    const label = (part: string): string => `beta.kmm.node.kubernetes.io/version-${part}.ns.o-module`;
    const asked = "kmm.node.kubernetes.io/version-module.ns.o-module";
    expect(nodePatch(planOf(bare()), KEY, KMM_1, "1", NOW)?.metadata.labels).toEqual({
      "onload.amd.com/ns.o": "v2",
      [asked]: "v2",
      [label("module-loader")]: "v2",
      [label("device-plugin")]: "v2",
    });
    const drained = bare({ labels: { ...none, onload: "v1" }, onload: module("v1"), holders: [] });
    const gone = { [asked]: null, [label("module-loader")]: null, [label("device-plugin")]: null };
    expect(nodePatch(planOf(drained), KEY, KMM_1, "1", NOW)?.metadata.labels).toEqual(gone);
    // After KMM was uninstalled, what was set with it goes too.
    expect(nodePatch(planOf(drained), KEY, NO_KMM, "1", NOW)?.metadata.labels).toEqual(gone);
    expect(nodePatch(planOf(drained), KEY, KMM_2, "1", NOW)?.metadata.labels).toEqual({ [asked]: null });
  });
  describe("if KMM 1.1's Modules ask for a load label", () => {
    const [onload, sfc] = ["latch.onload.amd.com/ns.o-module", "latch.onload.amd.com/ns.o-sfcmod"];
    const versions = (module: string, version: string | null): Record<string, string | null> => ({
      [`kmm.node.kubernetes.io/version-module.ns.${module}`]: version,
      [`beta.kmm.node.kubernetes.io/version-module-loader.ns.${module}`]: version,
      [`beta.kmm.node.kubernetes.io/version-device-plugin.ns.${module}`]: version,
    });
    const on: LoadLabelFacts = { value: "on", required: true, effective: true };
    const off: LoadLabelFacts = { value: "off", required: true, effective: false };
    const labelsOf = (node: NodeFacts, kmm = KMM_1) => nodePatch(planOf(node), KEY, kmm, "1", NOW)?.metadata.labels;
    const drained = (onload: LoadLabelFacts): NodeFacts =>
      bare({
        labels: { ...none, onload: "v1" },
        onload: module("v1"),
        holders: [],
        loadLabels: { onload, sfc: noLoadLabel },
      });
    const left = bare({ want: undefined, stepRecord: stepRecord(), loadLabels: { onload: off, sfc: off } });

    test("loading puts it on", () => {
      const asked = { value: undefined, required: true, effective: false };
      const first = bare({ loadLabels: { onload: asked, sfc: noLoadLabel } });
      expect(labelsOf(first)).toEqual({
        "onload.amd.com/ns.o": "v2",
        ...versions("o-module", "v2"),
        [onload]: "on",
      });
    });
    test("unloading puts it off and leaves the version labels, until the next version takes their place", () => {
      expect(labelsOf(drained(on))).toEqual({ [onload]: "off" });
      const next = bare({ stepRecord: stepRecord("UnlabelOnload"), loadLabels: { onload: off, sfc: off } });
      expect(labelsOf(next)).toEqual({
        ...versions("o-module", "v2"),
        [onload]: "on",
        // This version has no sfc.
        ...versions("o-sfcmod", null),
        [sfc]: null,
      });
    });
    test("the last step takes all that is left", () => {
      expect(labelsOf(left)).toEqual({
        ...versions("o-module", null),
        ...versions("o-sfcmod", null),
        [onload]: null,
        [sfc]: null,
      });
    });
    test("what was loaded without it goes by its version labels", () => {
      const other = { value: undefined, required: true, effective: false };
      expect(labelsOf(drained(other))).toEqual(versions("o-module", null));
    });
    test("a load label that the Module no longer requires goes with the next version", () => {
      const kept = { value: "off" as const, required: false, effective: false };
      const next = bare({ stepRecord: stepRecord("UnlabelOnload"), loadLabels: { onload: kept, sfc: noLoadLabel } });
      expect(labelsOf(next)).toEqual({ ...versions("o-module", "v2"), [onload]: null });
    });
    test("another KMM, or none, is asked by the version label", () => {
      const asked = { "kmm.node.kubernetes.io/version-module.ns.o-module": null };
      expect(labelsOf(drained(on), KMM_2)).toEqual({ ...asked, [onload]: null });
      expect(nodePatch(planOf(drained(on)), KEY, NO_KMM, "1", NOW)?.metadata.labels).toEqual({
        ...versions("o-module", null),
        [onload]: null,
      });
    });
  });
  test("eviction is marked once", () => {
    const draining = (step: string) =>
      planOf(
        whole("v1", {
          labels: { ...none, onload: "v1" },
          plugin: bare().plugin,
          holders: [holder()],
          allocatable: 0,
          stepRecord: stepRecord(step),
        }),
      );
    expect(nodePatch(draining("UnlabelPlugin"), KEY, KMM_2, "1", NOW)?.metadata.labels).toBeUndefined();
    expect(
      nodePatch(draining("UnlabelPlugin"), KEY, KMM_2, "1", NOW)?.metadata.annotations[stepRecordAnnotation(KEY)],
    ).toStartWith("Evict ");
    expect(nodePatch(draining("Evict"), KEY, KMM_2, "1", NOW)).toBeUndefined();
  });
  test("a newer attempt gives a failed step its time again", () => {
    const late = bare({
      labels: { ...none, onload: "v2" },
      onload: module(),
      stepRecord: stepRecord("LabelOnload", 601_000, "0"),
    });
    expect(nodePatch(planOf(late), KEY, KMM_2, "1", NOW)?.metadata.annotations[stepRecordAnnotation(KEY)]).toBe(
      "LabelOnload 2026-01-01T12:00:00.000Z 1",
    );
  });
  test("a node that is wanted no more is marked as let go, and one that is upgraded is not", () => {
    const markOf = (node: NodeFacts): string | null | undefined =>
      nodePatch(planOf(node), KEY, KMM_2, "1", NOW)?.metadata.annotations[stepRecordAnnotation(KEY)];
    expect(markOf(whole("v1", { want: undefined, holders: [] }))).toBe(
      "UnlabelPlugin 2026-01-01T12:00:00.000Z 1 letGo",
    );
    expect(markOf(whole("v1"))).toBe("UnlabelPlugin 2026-01-01T12:00:00.000Z 1");
  });
  test("nothing to do is no patch", () => {
    expect(nodePatch(planOf(whole("v2")), KEY, KMM_2, "1", NOW)).toBeUndefined();
  });
});

describe("events", () => {
  const before = (state: PreviousNodeState["state"], problem?: string): PreviousNodeState => ({
    state,
    since: 0,
    problem,
  });
  test("a step has an event", () => {
    const { step, facts } = planOf(whole("v1"));
    expect(eventOfStep(step, facts, false)).toMatchObject({ reason: "PluginRemoved", node: "node-1" });
    expect(eventOfStep("Wait", facts, false)).toBeUndefined();
  });
  const left = { want: undefined };
  test.each<[why: string, changes: Partial<NodeFacts>, deleting: boolean]>([
    ["for version v2", {}, false],
    ["because it no longer has the labels of spec.selector", left, false],
    ["because the resource is being deleted", left, true],
    ["because Onload other/one keeps it", { ...left, keptBy: "other/one" }, false],
  ])("a node that leaves service is told %s", (why, changes, deleting) => {
    expect(eventOfStep("UnlabelPlugin", whole("v1", { want: "v2", ...changes }), deleting)?.note).toBe(
      `Node node-1: taken out of service ${why}: stopping device plugin v1`,
    );
  });
  test("a step has the version that the node gets, or the one that leaves it", () => {
    const versionAt = (node: NodeFacts) => eventOfStep("UnlabelPlugin", node, false)?.version;
    expect(versionAt(whole("v1", { want: "v2" }))).toBe("v2");
    expect(versionAt(whole("v1", left))).toBe("v1");
    expect(versionAt(bare({ ...left, labels: { ...none, plugin: "v0" } }))).toBe("v0");
    expect(versionAt(bare(left))).toBeUndefined();
  });
  test("a node that becomes Ready is reported once", () => {
    const plan = planOf(whole("v2"));
    expect(eventsOfChange(before("StartingPlugin"), plan).map(({ reason }) => reason)).toEqual(["NodeReady"]);
    expect(eventsOfChange(before("Ready"), plan)).toEqual([]);
  });
  test("a failure is a warning, reported once however its message changes", () => {
    const plan = planOf(
      bare({ labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord("LabelOnload", 601_000) }),
    );
    const [event] = eventsOfChange(before("LoadingOnload"), plan);
    expect(event).toMatchObject({ type: "Warning", reason: "ModuleLoadFailed" });
    const known = remember(before("LoadingOnload"), plan, NOW);
    expect(eventsOfChange(known, { ...plan, problem: { ...plan.problem!, message: "other words" } })).toEqual([]);
  });
  test("a failure of another kind is reported too", () => {
    const loading = { labels: { ...none, onload: "v2" }, stepRecord: stepRecord("LabelOnload") };
    const failing = (reason: "ModuleLoadFailed" | "ModuleImageMissing"): NodePlan =>
      planOf(bare({ ...loading, onload: { ...module(), failure: { reason, message: "m" } } }));
    const told = remember(before("LoadingOnload"), failing("ModuleImageMissing"), NOW);
    expect(eventsOfChange(told, failing("ModuleLoadFailed")).map(({ reason }) => reason)).toEqual(["ModuleLoadFailed"]);
  });
  test("a failure is reported once, although KMM's report comes and goes and the node falls back", () => {
    const labels = { ...none, plugin: "v2", onload: "v2" };
    const failure = { reason: NODE_REASON.ImagePullFailed, message: "m" };
    const broken = { ...bare().plugin, present: true, failure };
    const failed = planOf(bare({ labels, onload: module("v2"), plugin: broken, stepRecord: stepRecord() }));
    const failureRecord = { ...failed.failureRecord!, since: NOW };
    const between = planOf(bare({ labels, onload: module("v2"), stepRecord: stepRecord(), failureRecord }));
    const back = planOf(bare({ labels, onload: module(), stepRecord: stepRecord(), failureRecord }));
    const told = remember(before("StartingPlugin"), failed, NOW);
    for (const plan of [between, back, failed]) expect(eventsOfChange(told, plan)).toEqual([]);
  });
  test("a state is remembered with the time it began", () => {
    const plan = planOf(whole("v2"));
    expect(remember(undefined, plan, 5).since).toBe(5);
    expect(remember(remember(undefined, plan, 5), plan, 9).since).toBe(5);
  });
  const condition = (type: string, status: "True" | "False", reason: string): Condition => ({
    type,
    status,
    reason,
    message: "m",
    lastTransitionTime: "",
  });
  test.each([
    ["the first Ready", [], [condition("Ready", "False", "NodesNotReady")], ["Normal NodesNotReady"]],
    ["a first problem", [], [condition("Degraded", "True", "KmmNotInstalled")], ["Warning KmmNotInstalled"]],
    ["the first of the others is no news", [], [condition("Degraded", "False", "AsExpected")], []],
    ["the same again", [condition("Ready", "True", "A")], [condition("Ready", "True", "A")], []],
    ["what begins at once", [], [condition("Progressing", "True", "Installing")], ["Normal Installing"]],
    ["that nothing begins", [], [condition("Progressing", "False", "AsExpected")], []],
    ["another reason", [condition("Ready", "False", "A")], [condition("Ready", "False", "B")], ["Normal B"]],
    [
      "what Degraded tells already",
      [condition("Degraded", "True", "A"), condition("Stalled", "True", "A")],
      [condition("Degraded", "True", "B"), condition("Stalled", "True", "B")],
      ["Warning B"],
    ],
    [
      "that nothing is wrong any more",
      [condition("Degraded", "True", "A")],
      [condition("Degraded", "False", "B")],
      ["Normal B"],
    ],
    ["a protection that is lost", [], [condition("Protected", "False", "A")], ["Warning A"]],
    ["a protection that is there from the start", [], [condition("Protected", "True", "A")], []],
  ])("%s", (_name, old, now, expected) => {
    expect(
      eventsOfStatus({ conditions: old }, { conditions: now }).map(({ type, reason }) => `${type} ${reason}`),
    ).toEqual(expected);
  });

  const status = (version: string, lastReady: string | undefined, changes: OnloadStatus = {}): OnloadStatus => ({
    version,
    ...(lastReady === undefined ? {} : { lastReady: { version: lastReady, time: "", onload: {} } }),
    ...changes,
  });
  const rollback = { fromVersion: "v2", toVersion: "v1", observedGeneration: 1, since: "a", message: "m" };
  const rolledBack = [condition("Ready", "False", "RolledBack")];
  test.each<[string, OnloadStatus | undefined, OnloadStatus, string[]]>([
    ["a first installation is no upgrade", undefined, status("v1", undefined), []],
    ["nor is its end", status("v1", undefined), status("v1", "v1"), []],
    ["an upgrade begins", status("v1", "v1"), status("v2", "v1"), ["Normal UpgradeStarted"]],
    ["begins once", status("v2", "v1"), status("v2", "v1"), []],
    ["begins anew with another version", status("v2", "v1"), status("v3", "v1"), ["Normal UpgradeStarted"]],
    ["is taken back", status("v2", "v1"), status("v1", "v1"), []],
    ["ends", status("v2", "v1"), status("v2", "v2"), ["Normal UpgradeFinished"]],
    ["a rollback begins", status("v2", "v1"), status("v1", "v1", { rollback }), ["Warning RollbackStarted"]],
    ["goes on", status("v1", "v1", { rollback }), status("v1", "v1", { rollback }), []],
    [
      "ends",
      status("v1", "v1", { rollback }),
      status("v1", "v1", { rollback, conditions: rolledBack }),
      ["Normal RollbackFinished", "Normal RolledBack"],
    ],
    [
      "has ended",
      status("v1", "v1", { rollback, conditions: rolledBack }),
      status("v1", "v1", { rollback, conditions: rolledBack }),
      [],
    ],
    [
      "another one begins",
      status("v3", "v1", { rollback }),
      status("v1", "v1", { rollback: { ...rollback, since: "b" } }),
      ["Warning RollbackStarted"],
    ],
  ])("of upgrades and rollbacks: %s", (_what, old, now, expected) => {
    expect(eventsOfStatus(old, now).map(({ type, reason }) => `${type} ${reason}`)).toEqual(expected);
  });
});
