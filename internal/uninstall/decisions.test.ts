/** What an uninstallation decides and says, without a cluster. */
import { describe, expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { parse, parseAllDocuments } from "yaml";
import type { KubeObject } from "../api/core.ts";
import type { Serving } from "../operator/view/serving.ts";
import type { NodeStatus, ResourceStatus } from "../operator/view/status-view.ts";
import { manifestObjects, whyForeign, type LiveObject } from "./installed.ts";
import { isDispensable } from "./namespace-content.ts";
import { isNothing, outline } from "./outline.ts";
import { cleaningProgress } from "./progress.ts";
import { namespaceKept } from "./remove.ts";
import { Stillness } from "./stillness.ts";
import type { Survey } from "./survey.ts";
import { workerFor } from "./worker.ts";

const serving = (state: Serving["state"], elected = true): Serving => ({ state, message: `It is ${state}`, elected });

test.each([
  [serving("acts"), "operator"],
  [serving("acts", false), "operator"],
  [serving("silent"), "this"],
  [serving("none"), "this"],
  // It could come back without asking for the Lease.
  [serving("silent", false), "nobody"],
  [serving("unknown"), "nobody"],
  // One acts for other namespaces, and holds the Lease.
  [{ ...serving("silent"), elsewhere: true }, "nobody"],
] as const)("who cleans the nodes if the operator is %j", (operator, who) => {
  const worker = workerFor(operator);
  expect(worker.who).toBe(who);
  expect(worker.why).toContain(operator.message);
});

describe("objects are removed", () => {
  const kinds = manifestObjects("trading").map(({ kind }) => kind);
  const all = manifestObjects("trading");

  test("each before what it needs", () => {
    const order: [string, string][] = [
      ["Deployment", "ClusterRoleBinding"],
      ["Deployment", "RoleBinding"],
      ["Deployment", "ServiceAccount"],
      // The policy of the CRD must still be there when its deletion is allowed: nothing else says that it worked.
      ["CustomResourceDefinition", "ValidatingAdmissionPolicyBinding"],
      ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"],
      ["RoleBinding", "Role"],
      ["ClusterRole", "ClusterRoleBinding"],
    ];
    for (const [first, then] of order) expect(kinds.lastIndexOf(first)).toBeLessThan(kinds.indexOf(then));
    expect(kinds[0]).toBe("Deployment");
    expect(kinds.at(-1)).toBe("Namespace");
  });

  test("whatever tree of manifests they come from", async () => {
    const folder = join(import.meta.dirname, "../manifests");
    const removed = all.map(({ kind, name }) => `${kind} ${name}`);
    const trees = await Array.fromAsync(new Glob("*/kustomization.yaml").scan(folder));
    // Samples are the user's own by the time that they are applied.
    for (const tree of trees.filter((each) => !each.startsWith("samples"))) {
      const { resources } = parse(await Bun.file(join(folder, tree)).text()) as { resources: string[] };
      for (const file of resources.filter((each) => each.endsWith(".yaml"))) {
        const text = await Bun.file(join(folder, dirname(tree), file)).text();
        for (const document of parseAllDocuments(text)) {
          const { kind, metadata } = document.toJS() as { kind: string; metadata: { name: string } };
          const name = kind === "Namespace" ? "trading" : metadata.name;
          expect({ tree, removed: removed.includes(`${kind} ${name}`), name }).toEqual({ tree, removed: true, name });
        }
      }
    }
    expect(trees.length).toBeGreaterThan(5);
  });

  test("with the namespace that was chosen", () => {
    const namespaced = all.filter(({ namespace }) => namespace !== undefined);
    expect(new Set(namespaced.map(({ namespace }) => namespace))).toEqual(new Set(["trading"]));
    expect(all.at(-1)).toMatchObject({ kind: "Namespace", name: "trading" });
  });
});

test.each([
  ["Deployment", { "app.kubernetes.io/part-of": "onload" }, undefined],
  ["Namespace", {}, "which has not the label of the manifests"],
  ["ClusterRole", { "app.kubernetes.io/part-of": "other" }, "which has not the label of the manifests"],
  ["CustomResourceDefinition", {}, undefined],
  [
    "Deployment",
    { "app.kubernetes.io/part-of": "onload", "olm.owner": "onload-operator.v1" },
    "ClusterServiceVersion onload-operator.v1",
  ],
] as const)("a %s with labels %j is not ours: %p", (kind, labels, why) => {
  const found = whyForeign({ kind, metadata: { name: "a", labels } });
  if (why === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(why);
});

describe("in the operator's namespace", () => {
  const meta = (name: string, more: object = {}): KubeObject => ({ metadata: { name, namespace: "ops", ...more } });
  const ours = manifestObjects("ops");
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "r", uid: "1" };
  test.each([
    ["", "ConfigMap", meta("kube-root-ca.crt"), true],
    ["", "ConfigMap", meta("settings"), false],
    ["", "Secret", meta("pull"), false],
    ["", "Secret", { ...meta("token"), type: "kubernetes.io/service-account-token" }, true],
    ["", "ServiceAccount", meta("default"), true],
    ["", "ServiceAccount", meta("onload-operator-controller-manager"), true],
    ["", "ServiceAccount", meta("other"), false],
    ["", "Pod", meta("p", { ownerReferences: [owner] }), true],
    ["", "Pod", meta("bare"), false],
    ["", "Pod", meta("ending", { deletionTimestamp: "2026-01-01T00:00:00Z" }), true],
    ["events.k8s.io", "Event", meta("e"), true],
    ["coordination.k8s.io", "Lease", meta("daabde26.amd.com"), true],
    ["coordination.k8s.io", "Lease", meta("other"), false],
    ["apps", "Deployment", meta("onload-operator-controller-manager"), true],
    ["other.example", "Deployment", meta("onload-operator-controller-manager"), false],
    ["monitoring.coreos.com", "PrometheusRule", meta("other"), false],
    ["rbac.authorization.k8s.io", "RoleBinding", meta("system:deployers"), true],
  ] as const)("%s %s %j may go: %p", (group, kind, item, may) => {
    expect(isDispensable({ group, kind }, item, ours)).toBe(may);
  });

  test("what keeps it is named, but not without end", () => {
    const content = Array.from({ length: 8 }, (_, i) => `Secret "s${i}"`);
    expect(namespaceKept("ops", content)).toBe(
      'Namespace "ops": it also has Secret "s0", Secret "s1", Secret "s2", Secret "s3", Secret "s4" and 3 more; if they may go, run `kubectl delete namespace ops`',
    );
  });
});

function node(name: string, changes: Partial<NodeStatus> = {}): NodeStatus {
  const rest = { version: "v1", wanted: "", since: "", why: "", failed: false, kernel: "6.1" };
  return { node: name, state: "Leaving", step: "NoFreeSlot", ...rest, ...changes };
}

function resource(nodes: NodeStatus[], changes: Partial<ResourceStatus> = {}): ResourceStatus {
  return {
    namespace: "trading",
    name: "onload",
    version: "v1",
    target: "v1",
    unprotected: "",
    desired: 0,
    ready: 0,
    status: "Deleting",
    message: "",
    health: "waiting",
    needsPerson: false,
    created: "",
    lastReadyVersion: "",
    operator: { state: "acts", message: "" },
    attention: [],
    nodes,
    ...changes,
  };
}

describe("progress", () => {
  test("names the nodes that are worked on first, and counts the rest", () => {
    const waiting = Array.from({ length: 6 }, (_, i) => node(`w${i}`));
    const draining = node("d", { state: "Draining", step: "Evict", why: "EvictionBlocked: \u001b[31mbudget\nfeed" });
    const force = { asked: false, mayIn: () => false };
    const failed = node("f", { state: "UnloadingOnload", step: "Wait", failed: true });
    const { lines } = cleaningProgress(
      [resource([...waiting, draining, failed])],
      new Map([["d", { obstacles: [{ pod: "a/b", why: "budget feed", needsForce: false }], force }]]),
    );
    expect(lines).toEqual([
      "trading/onload: 8 nodes to clean: f (UnloadingOnload, Wait); d (Draining, Evict) EvictionBlocked: [31mbudget feed, pod a/b: budget feed; w0 (Leaving, NoFreeSlot); w1 (Leaving, NoFreeSlot); w2 (Leaving, NoFreeSlot); and 3 more",
    ]);
  });

  test("says what is left when every node is clean", () => {
    expect(cleaningProgress([resource([], { message: "3 nodes to clean" })], new Map()).lines).toEqual([
      "trading/onload: every node is clean; its objects are being removed",
    ]);
    const refused = { status: "ApplyFailed", message: "Cannot delete Module" };
    expect(cleaningProgress([resource([], refused)], new Map()).lines).toEqual([
      "trading/onload: every node is clean; its objects are being removed (Cannot delete Module)",
    ]);
  });

  test("moves when a node or a resource does, not when words change", () => {
    const at = (...nodes: NodeStatus[]): string => cleaningProgress([resource(nodes)], new Map()).position;
    expect(at(node("a", { why: "one" }))).toBe(at(node("a", { why: "two" })));
    expect(at(node("a"))).not.toBe(at(node("a", { state: "Draining" })));
    expect(at(node("a"))).not.toBe(at());
  });
});

test("a standstill is told after 30 s and whenever it has doubled, until the limit", () => {
  const stillness = new Stillness(300_000);
  const told: number[] = [];
  for (let s = 0; s < 300; s++) if (stillness.look("a", s * 1000).remind) told.push(s);
  expect(told).toEqual([30, 60, 120, 240]);
  expect(stillness.look("a", 300_000)).toMatchObject({ expired: true, age: "5m" });
  expect(stillness.look("b", 301_000)).toMatchObject({ expired: false, remind: false, age: "0s" });
});

describe("the outline", () => {
  const live = (kind: string, name: string, terminating = false): LiveObject => ({
    resource: { group: "", version: "v1", plural: "", kind, namespaced: false, verbs: [] },
    ref: { name },
    uid: "1",
    terminating,
  });
  const found: Survey = {
    namespace: "ops",
    onloads: [],
    plans: [],
    worker: workerFor(serving("acts")),
    kinds: [],
    installed: [live("Deployment", "manager"), live("CustomResourceDefinition", "onloads"), live("Namespace", "ops")],
    others: [],
    foreign: [],
    leftovers: [],
  };

  test("lists what goes and what stays", () => {
    expect(outline(found, false)).toMatchInlineSnapshot(`
      "Objects that are removed, in this order:
        Deployment "manager"
        Namespace "ops"

      What stays:
        CustomResourceDefinition "onloads" (--crd removes it)
        KMM
      "
    `);
  });

  test("keeps a namespace that others use, and removes the CRD if asked for", () => {
    expect(outline({ ...found, foreign: ['Secret "pull"'] }, true)).toMatchInlineSnapshot(`
      "Objects that are removed, in this order:
        Deployment "manager"
        CustomResourceDefinition "onloads"

      What stays:
        Namespace "ops": it also has Secret "pull"; if they may go, run \`kubectl delete namespace ops\`
        KMM
      "
    `);
  });

  test("names what a resource without its finalizer has left", () => {
    const text = outline({ ...found, leftovers: ['Module "a/b-module"'] }, false);
    expect(text).toContain('Module "a/b-module", whose Onload resource is gone without having cleaned its nodes');
  });

  test("a CRD that was deleted already does not stay", () => {
    const installed = [live("CustomResourceDefinition", "onloads", true)];
    expect(outline({ ...found, installed }, false)).toContain("it was deleted already, and goes with the last Onload");
  });

  test("a CRD alone is nothing to remove, unless asked for", () => {
    const installed = [live("CustomResourceDefinition", "onloads")];
    expect(isNothing({ onloads: [], installed }, false)).toBe(true);
    expect(isNothing({ onloads: [], installed }, true)).toBe(false);
    expect(isNothing(found, false)).toBe(false);
  });
});
