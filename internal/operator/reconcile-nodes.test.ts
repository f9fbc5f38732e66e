import { describe, expect, test } from "bun:test";
import type { Node, Pod } from "../api/core.ts";
import { onloadModuleLabel, onloadModuleName, pluginLabel } from "../api/names.ts";
import type { OnloadSpecInput } from "../api/onload.ts";
import { ONLOADS } from "../api/resources.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, NODES, PODS } from "../kube/resource.ts";
import type { RawOnload } from "./cache/caches.ts";
import { refusal, type Call } from "./testing/memory-cluster.ts";
import { crashing, imagesOf, KEY, LABELS, ReconcilerBed } from "./testing/reconciler-bed.ts";

const PLUGIN = pluginLabel(KEY);
const ONLOAD = onloadModuleLabel(KEY);
const LOAD = `latch.onload.amd.com/${KEY.namespace}.${onloadModuleName(KEY.name)}`;

/** A bed whose objects are applied and seen, for version v2. */
async function bedFor(spec: Partial<OnloadSpecInput> = {}): Promise<ReconcilerBed> {
  const bed = new ReconcilerBed();
  bed.putOnload(spec);
  bed.upgrade("v2");
  await bed.settle();
  bed.seeTemplate();
  bed.now += 1000;
  await bed.settle();
  bed.cluster.take();
  bed.events.length = 0;
  return bed;
}

/** Nodes that are emptied for version v2 and have pods that hold amd.com/onload, each watched. */
async function draining(spec: Partial<OnloadSpecInput> = {}, ...pods: string[]): Promise<ReconcilerBed> {
  const bed = await bedFor(spec);
  agree(bed);
  bed.cluster.budget = "The disruption budget web needs 2 healthy pods and has 2 currently.";
  bed.putEmptiedNode("n1");
  for (const pod of pods) bed.putHolder(pod, "n1");
  await bed.settle();
  expect([...bed.watches]).toEqual(["n1"]);
  bed.cluster.calls.length = 0;
  bed.events.length = 0;
  return bed;
}
/** The owner of the applications' namespace lets force take its pods away, or does not any more. */
function agree(bed: ReconcilerBed, value = "true"): void {
  const metadata = { name: "apps", annotations: { "onload.amd.com/allow-force-drain": value } };
  bed.cluster.put(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata });
}
const evictions = (bed: ReconcilerBed): Call[] =>
  bed.cluster.calls.filter(({ verb }) => verb === "evict" || verb === "delete");
const isOnloadLabelled = (bed: ReconcilerBed, node = "n1"): boolean =>
  ONLOAD in bed.labels(node) && bed.labels(node)[LOAD] !== "off";
const RETRY_MS = 5000;

describe("pods that hold amd.com/onload", () => {
  test("are evicted as the pods that they were seen to be, with the grace that the resource gives", async () => {
    const bed = await draining({ upgrade: { drain: { gracePeriodSeconds: 7 } } }, "app");
    const uid = bed.cluster.podsOn().find(({ metadata }) => metadata.name === "app")!.metadata.uid;
    bed.cluster.budget = undefined;
    bed.now += RETRY_MS;
    await bed.reconcile();
    expect(evictions(bed)).toMatchObject([{ verb: "evict", name: "app", options: { uid, gracePeriodSeconds: 7 } }]);
    expect(bed.holders()).toEqual([]);
    expect(bed.events).toMatchObject([{ type: "Normal", reason: "PodEvicted", note: "Node n1: evicted pod apps/app" }]);
    expect(await bed.metric("onload_operator_evictions_total", { result: "evicted" })).toEqual([1]);
  });

  test("have a second to end at least: with none the API server forgets a pod whose processes still run", async () => {
    const bed = await draining(
      { upgrade: { drain: { gracePeriodSeconds: 0, timeoutSeconds: 60, force: true } } },
      "app",
    );
    bed.now += RETRY_MS;
    await bed.reconcile();
    bed.now += 60_000;
    await bed.reconcile();
    expect(evictions(bed).map(({ verb, options }) => [verb, options["gracePeriodSeconds"]])).toEqual([
      ["evict", 1],
      ["delete", 1],
    ]);
  });

  test("stay while their budget refuses, which is said by its name; they are asked every five seconds", async () => {
    const bed = await draining({}, "app");
    for (let i = 0; i < 4; i++) {
      bed.now += RETRY_MS / 2;
      await bed.reconcile();
    }
    expect(evictions(bed).map(({ verb }) => verb)).toEqual(["evict", "evict"]);
    expect(bed.holders()).toEqual(["app"]);
    expect(isOnloadLabelled(bed)).toBe(true);
    // It is said at once, and is no failure before the drain's time is over.
    const { problems, nodes, conditions } = bed.status!;
    expect(problems?.[0]).toMatchObject({ node: "n1", step: "Draining", reason: "EvictionBlocked" });
    expect(problems?.[0]?.message).toContain("The disruption budget web needs 2 healthy pods");
    expect(nodes?.failed).toBe(0);
    expect(conditions?.find(({ type }) => type === "Degraded")?.status).toBe("False");
    bed.now += 300_000;
    await bed.reconcile();
    expect(bed.status?.nodes?.failed).toBe(1);
    expect(bed.status?.problems?.[0]).toMatchObject({
      node: "n1",
      reason: "EvictionBlocked",
      message: expect.stringContaining("The disruption budget web needs 2 healthy pods") as string,
    });
  });

  test("are asked all at once: one that is refused keeps no other from leaving", async () => {
    const bed = await draining({}, "a", "b", "c");
    bed.cluster.budget = undefined;
    bed.now += RETRY_MS;
    bed.cluster.before = ({ verb, name }) => {
      if (verb === "evict" && name === "b") throw refusal("evict pod b", 500, "InternalError");
    };
    await bed.reconcile();
    expect(bed.holders()).toEqual(["b"]);
    expect(await bed.metric("onload_operator_evictions_total", { result: "failed" })).toEqual([1]);
  });

  test("that somebody makes again on the same node at once are asked every five seconds, too", async () => {
    const bed = await draining({}, "app");
    bed.cluster.budget = undefined;
    let made = 0;
    for (let i = 0; i < 400; i++) {
      bed.now += 50;
      if (bed.holders().length === 0) bed.putHolder(`again-${made++}`, "n1");
      await bed.reconcile();
    }
    expect(evictions(bed).length).toBe(4);
    expect(bed.events.filter(({ reason }) => reason === "PodEvicted").length).toBe(4);
  });

  test("and whom a budget keeps is asked as often beside them, however long the answer takes", async () => {
    const bed = await draining({}, "kept");
    bed.cluster.budget = undefined;
    bed.cluster.before = ({ verb, name }) => {
      if (verb !== "evict" || name !== "kept") return;
      bed.now += 150;
      throw refusal("evict pod kept", 429, "TooManyRequests");
    };
    let made = 0;
    const end = bed.now + 60_000;
    while (bed.now < end) {
      bed.now += 50;
      if (bed.holders().length === 1) bed.putHolder(`again-${made++}`, "n1");
      await bed.reconcile();
    }
    expect(evictions(bed).filter(({ name }) => name === "kept").length).toBeWithin(11, 14);
  });

  test.each([
    ["evicted", {}, 0],
    ["deleted", { force: true }, 400_000],
  ] as const)("and have gone already are not told as %s", async (result, drain, laterMs) => {
    const bed = await draining({ upgrade: { drain } }, "app");
    const before = await bed.metric("onload_operator_evictions_total", { result });
    // The watch does not know yet, and a pod of the same name has come.
    bed.watched = bed.cluster.podsOn("n1");
    bed.cluster.remove(PODS, { namespace: "apps", name: "app" });
    if (result === "evicted") bed.putHolder("app", "n1");
    bed.now += RETRY_MS + laterMs;
    await bed.reconcile();
    expect(evictions(bed).length).toBe(1);
    expect(bed.holders()).toEqual(result === "evicted" ? ["app"] : []);
    expect(bed.events.map(({ reason }) => reason)).not.toContain("PodEvicted");
    expect(bed.events.map(({ reason }) => reason)).not.toContain("EvictionBlocked");
    expect(await bed.metric("onload_operator_evictions_total", { result })).toEqual(before);
    expect(await bed.metric("onload_operator_evictions_total", { result: "gone" })).toEqual([1]);
  });

  test("whose name another pod has by now are not reported as pods that could not be deleted", async () => {
    const bed = await draining({ upgrade: { drain: { force: true } } }, "app");
    bed.watched = bed.cluster.podsOn("n1");
    bed.cluster.remove(PODS, { namespace: "apps", name: "app" });
    bed.putHolder("app", "n1");
    bed.now += 400_000;
    await bed.reconcile();
    expect(evictions(bed).map(({ verb }) => verb)).toEqual(["delete"]);
    expect(bed.holders()).toEqual(["app"]);
    expect(await bed.metric("onload_operator_evictions_total", { result: "gone" })).toEqual([1]);
    expect(await bed.metric("onload_operator_evictions_total", { result: "failed" })).toEqual([0]);
  });

  test.each([
    ["that nobody would recreate", ({ metadata }: Pod) => delete metadata.ownerReferences],
    ["that is on its way out", ({ metadata }: Pod) => (metadata.deletionTimestamp = "2026-01-01T00:00:00Z")],
  ])("are not asked to leave if it is one %s", async (_name, change) => {
    const bed = await draining({}, "app");
    bed.cluster.edit<Pod>(PODS, { namespace: "apps", name: "app" }, change);
    bed.now += RETRY_MS;
    await bed.reconcile();
    expect(evictions(bed)).toEqual([]);
    expect(isOnloadLabelled(bed)).toBe(true);
  });

  test("are deleted only if the resource says so, and only after the time that it gives", async () => {
    for (const force of [false, true]) {
      const bed = await draining({ upgrade: { drain: { force, timeoutSeconds: 60 } } }, "app");
      const uid = bed.cluster.podsOn().find(({ metadata }) => metadata.name === "app")!.metadata.uid;
      bed.now += 55_000;
      await bed.reconcile();
      expect(evictions(bed).map(({ verb }) => verb)).toEqual(["evict"]);
      bed.cluster.calls.length = 0;
      bed.now += 10_000;
      await bed.reconcile();
      expect(evictions(bed).map(({ verb }) => verb)).toEqual([force ? "delete" : "evict"]);
      expect(evictions(bed)[0]!.options["uid"]).toBe(uid);
    }
  });

  test("that cannot be deleted are told, and are deleted once they can be", async () => {
    const bed = await draining({ upgrade: { drain: { force: true, timeoutSeconds: 60 } } }, "app");
    bed.cluster.before = ({ verb }) => {
      if (verb === "delete") throw refusal('pods "app" is forbidden', 403, "Forbidden");
    };
    bed.now += 61_000;
    await bed.reconcile();
    bed.now += 1000;
    await bed.reconcile();
    expect(bed.events.find(({ reason }) => reason === "EvictionBlocked")?.note).toContain('pods "app" is forbidden');
    expect(bed.status?.problems?.[0]?.message).toContain('pods "app" is forbidden');
    expect(await bed.metric("onload_operator_evictions_total", { result: "failed" })).toEqual([1]);
    expect(await bed.metric("onload_operator_evictions_total", { result: "gone" })).toEqual([0]);
    bed.cluster.before = () => undefined;
    bed.now += RETRY_MS;
    await bed.reconcile();
    expect(bed.holders()).toEqual([]);
  });

  test("are not deleted past their budget if their namespace has not agreed, which is said", async () => {
    const bed = await draining({ upgrade: { drain: { force: true, timeoutSeconds: 60 } } }, "app");
    agree(bed, "false");
    bed.now += 61_000;
    await bed.reconcile();
    bed.now += 900_000;
    await bed.reconcile();
    expect(evictions(bed).map(({ verb }) => verb)).toEqual(["evict", "evict"]);
    expect(bed.status?.problems?.[0]).toMatchObject({
      reason: "EvictionBlocked",
      message: expect.stringContaining("onload.amd.com/allow-force-drain=true on the pod or its namespace") as string,
    });
    // The operator's administrator may decide it for all.
    bed.environment.forceEverywhere = true;
    bed.now += RETRY_MS;
    await bed.reconcile();
    expect(evictions(bed).at(-1)?.verb).toBe("delete");
  });

  test("are asked again whatever the clock of people does", async () => {
    const bed = await draining({}, "app");
    bed.uptime = bed.now;
    bed.now -= 3_600_000;
    bed.uptime += RETRY_MS;
    await bed.reconcile();
    expect(evictions(bed).length).toBe(1);
  });
});

describe("a module is not unloaded", () => {
  test("while the watch has not seen a pod that has come", async () => {
    const bed = await draining({}, "app");
    bed.watched = [];
    const { requeueAfterMs } = await bed.reconcile();
    expect(isOnloadLabelled(bed)).toBe(true);
    expect(requeueAfterMs).toBeLessThan(1000);
    bed.watched = undefined;
    bed.cluster.remove(PODS, { namespace: "apps", name: "app" });
    await bed.reconcile();
    expect(isOnloadLabelled(bed)).toBe(false);
  });

  test("while the pods of its node cannot be listed", async () => {
    const bed = await draining({}, "app");
    bed.watched = [];
    bed.cluster.before = ({ verb }) => {
      if (verb === "list") throw refusal("list pods", 500, "InternalError");
    };
    await bed.reconcile().catch(() => undefined);
    expect(isOnloadLabelled(bed)).toBe(true);
  });

  test("on a node that has changed since the cache saw it", async () => {
    const bed = await bedFor();
    bed.putEmptiedNode("n1");
    await bed.reconcile();
    bed.cluster.behind = true;
    bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => (metadata.labels![PLUGIN] = "v1"));
    const { requeueAfterMs } = await bed.reconcile();
    expect(isOnloadLabelled(bed)).toBe(true);
    expect(requeueAfterMs).toBeLessThan(1000);
    expect(bed.condition("Degraded")).toStartWith("Degraded=False");
  });

  test("on a node that has changed between the plan and the step, although the cache has seen that", async () => {
    const bed = await draining({}, "app");
    bed.cluster.remove(PODS, { namespace: "apps", name: "app" });
    bed.cluster.before = ({ verb }) => {
      if (verb !== "list") return;
      bed.cluster.before = () => undefined;
      bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => (metadata.labels![PLUGIN] = "v1"));
    };
    await bed.reconcile();
    expect(isOnloadLabelled(bed)).toBe(true);
    // Nor is a request spent on it.
    expect(bed.cluster.take().filter((call) => call.startsWith("mergePatch"))).toEqual([]);
  });

  test("on what was known before the plugin was stopped, although its pod was away then", async () => {
    const bed = await bedFor();
    // Out of service by itself: it starts without a slot once no pod is seen on it.
    bed.putServingNode("n0", "v2");
    bed.putNode("n1", { [PLUGIN]: "v1", [ONLOAD]: "v1" });
    bed.cluster.edit<Node>(NODES, { name: "n0" }, ({ status }) => (status!.conditions = []));
    await bed.reconcile();
    expect(bed.cluster.take()).toContain("list pods spec.nodeName=n1");
    bed.cluster.budget = "The budget is full.";
    bed.putPlugin("n1", "v1");
    // A pod comes after the last look.
    bed.cluster.before = ({ verb, what }) => {
      if (verb === "mergePatch" && what === "nodes" && bed.holders().length === 0) bed.putHolder("app", "n1");
    };
    await bed.reconcile();
    expect(PLUGIN in bed.labels("n1")).toBe(false);
    bed.cluster.remove(PODS, { ...KEY, name: "plugin-n1" });
    for (let i = 0; i < 4; i++) await bed.reconcile();
    expect(bed.labels("n1")[ONLOAD]).toBe("v1");
    expect(bed.holders()).toEqual(["app"]);
  });

  test("and nothing is begun without a slot where a pod has come since nobody was seen", async () => {
    const bed = await bedFor();
    bed.putServingNode("n0", "v2");
    bed.putNode("n1", { [PLUGIN]: "v1", [ONLOAD]: "v1" });
    bed.cluster.edit<Node>(NODES, { name: "n0" }, ({ status }) => (status!.conditions = []));
    await bed.reconcile();
    bed.putHolder("app", "n1");
    bed.putPlugin("n1", "v1");
    for (let i = 0; i < 4; i++) await bed.reconcile();
    expect(PLUGIN in bed.labels("n1")).toBe(true);
  });

  test("on what was listed while the plugin was there, if it is a person who has stopped it", async () => {
    const bed = await bedFor();
    bed.putServingNode("n0", "v2");
    bed.cluster.edit<Node>(NODES, { name: "n0" }, ({ status }) => (status!.conditions = []));
    bed.putNode("n1", { [PLUGIN]: "v1", [ONLOAD]: "v1" });
    bed.putPlugin("n1", "v1");
    await bed.reconcile();
    expect(bed.cluster.take()).toContain("list pods spec.nodeName=n1");
    bed.putHolder("app", "n1");
    bed.cluster.budget = "The budget is full.";
    bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => delete metadata.labels![PLUGIN]);
    bed.cluster.remove(PODS, { ...KEY, name: "plugin-n1" });
    for (let i = 0; i < 4; i++) await bed.reconcile();
    expect(bed.cluster.take()).toContain("list pods spec.nodeName=n1");
    expect(bed.labels("n1")[ONLOAD]).toBe("v1");
    expect(bed.holders()).toEqual(["app"]);
  });

  test("on what is known from before the plugin was stopped", async () => {
    const bed = await bedFor();
    bed.putServingNode("n1", "v1");
    await bed.reconcile();
    while (PLUGIN in bed.labels("n1")) await bed.reconcile();
    bed.cluster.remove(PODS, { ...KEY, name: "plugin-n1" });
    bed.cluster.calls.length = 0;
    await bed.reconcile();
    await bed.reconcile();
    expect(bed.cluster.take()).toContain("list pods spec.nodeName=n1");
  });
});

describe("pods of nodes that a change of spec.selector would let go", () => {
  const lists = (bed: ReconcilerBed): string[] =>
    bed.cluster.take().filter((call) => call.startsWith("list pods spec."));

  test("are looked at once, while a person has to confirm it, and not all of them are followed", async () => {
    const bed = await bedFor();
    const names = Array.from({ length: 60 }, (_, i) => `n${i}`);
    for (const name of names) {
      bed.putServingNode(name, "v2");
      bed.putHolder(`app-${name}`, name);
    }
    await bed.settle();
    bed.cluster.edit<RawOnload>(ONLOADS, KEY, (onload) => {
      onload.metadata.generation = (onload.metadata.generation ?? 0) + 1;
      (onload.spec as OnloadSpecInput).selector = { onload: "no" };
    });
    bed.cluster.take();
    await bed.settle();
    expect(lists(bed).length).toBe(60);
    expect(bed.watches.size).toBe(50);
    for (let i = 0; i < 3; i++) {
      bed.now += 1000;
      await bed.reconcile();
      expect(bed.condition("Degraded")).toContain("spec.selector lets go of 60 nodes");
    }
    expect(lists(bed)).toEqual([]);
    // One that is emptied must not be unloaded under a pod that comes.
    bed.putEmptiedNode("emptied");
    bed.putHolder("app", "emptied");
    await bed.settle();
    expect(bed.watches.has("emptied")).toBe(true);
  });
});

describe("steps", () => {
  test("are counted, and what is only noted on a node is none", async () => {
    const bed = await bedFor();
    bed.putNode("n1", { [ONLOAD]: "v2" }, "LabelOnload");
    bed.putLoader("n1", "v2", crashing(3));
    bed.putNode("n2");
    await bed.settle();
    expect(bed.status?.nodes?.failed).toBe(1);
    expect(bed.cluster.take()).toContain("mergePatch nodes n1");
    const counted = (await bed.registry.getSingleMetric("onload_operator_steps_total")!.get()).values;
    expect(counted.map(({ labels, value }) => [labels["step"], value])).toEqual([["Install", 1]]);
  });

  test("are taken on all nodes, whatever fails on one", async () => {
    const bed = await bedFor();
    for (const name of ["n1", "n2", "n3"]) bed.putNode(name);
    bed.cluster.before = ({ verb, name }) => {
      // Whatever is thrown: libraries throw other things than errors.
      // oxlint-disable-next-line typescript/only-throw-error -- that is what is tested
      if (verb === "mergePatch" && name === "n2") throw "a string";
    };
    expect(bed.reconcile()).rejects.toThrow("a string");
    await bed.reconcile().catch(() => undefined);
    expect([PLUGIN in bed.labels("n1"), PLUGIN in bed.labels("n2"), PLUGIN in bed.labels("n3")]).toEqual([
      true,
      false,
      true,
    ]);
  });

  test("that meet a node which has changed or is gone are planned again a moment later, and are no failure", async () => {
    for (const [status, reason] of [
      [409, "Conflict"],
      [404, "NotFound"],
    ] as const) {
      const bed = await bedFor();
      bed.putNode("n1");
      bed.cluster.before = ({ verb }) => {
        if (verb === "mergePatch") throw refusal("patch nodes n1", status, reason);
      };
      const { requeueAfterMs } = await bed.reconcile();
      expect(requeueAfterMs).toBe(20);
      expect(bed.events.map(({ reason: each }) => each)).not.toContain("NodeLabelled");
      expect(bed.condition("Degraded")).toStartWith("Degraded=False");
      // Unless it goes on for ever: something else refuses then, and asking 50 times a second helps nobody.
      bed.now += 10_000;
      expect(bed.reconcile()).rejects.toThrow("Cannot patch nodes n1");
      await bed.reconcile().catch(() => undefined);
      expect(bed.condition("Degraded")).toStartWith("Degraded=True StepFailed: Cannot patch nodes n1");
    }
  });

  test.each([
    ["Install", (bed: ReconcilerBed) => bed.putNode("n1")],
    ["UnlabelPlugin", (bed: ReconcilerBed) => bed.putServingNode("n1", "v1")],
    ["UnlabelOnload", (bed: ReconcilerBed) => bed.putEmptiedNode("n1")],
    ["LabelOnload", (bed: ReconcilerBed) => bed.putNode("n1", { [PLUGIN]: "v2" })],
  ] as const)("are taken only on the node as it was seen: %s", async (step, prepare) => {
    const bed = await bedFor();
    prepare(bed);
    const patched = (): Call | undefined =>
      bed.cluster.calls.find(({ verb, what, body }) => {
        const text = JSON.stringify(body);
        return verb === "mergePatch" && what === "nodes" && text.includes(`${step} `);
      });
    let seen: string | undefined;
    bed.cluster.before = (call) => {
      if (call.verb !== "mergePatch" || call.what !== "nodes" || call !== patched()) return;
      seen = bed.cluster.object<Node>(NODES, { name: "n1" })!.metadata.resourceVersion;
      // Somebody is quicker, and the cache has not seen it when the call is made.
      bed.cluster.behind = true;
      bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => (metadata.labels!["other"] = "changed"));
    };
    for (let i = 0; i < 8 && !patched(); i++) await bed.reconcile();
    expect(patched()?.options["resourceVersion"]).toBe(seen!);
    const { labels } = bed.cluster.object<Node>(NODES, { name: "n1" })!.metadata;
    expect(labels!["other"]).toBe("changed");
    expect(JSON.stringify(bed.cluster.object(NODES, { name: "n1" }))).not.toContain(`${step} `);
  });

  test("replace only the resource's own plugin, and only the pod that was seen", async () => {
    const bed = await bedFor();
    bed.putServingNode("n1", "v2");
    const own = { ...KEY, name: "plugin-n1" };
    bed.cluster.edit<Pod>(PODS, own, ({ metadata }) => (metadata.annotations = { "onload.amd.com/template": "old" }));
    bed.cluster.put<Pod>(PODS, {
      ...bed.cluster.object<Pod>(PODS, own)!,
      metadata: {
        namespace: "elsewhere",
        name: "plugin-n1",
        labels: bed.cluster.object<Pod>(PODS, own)!.metadata.labels!,
      },
    });
    const { uid } = bed.cluster.object<Pod>(PODS, own)!.metadata;
    for (let i = 0; i < 4; i++) await bed.reconcile();
    expect(evictions(bed)).toMatchObject([{ verb: "delete", name: "plugin-n1", options: { uid } }]);
    expect(bed.cluster.object(PODS, own)).toBeUndefined();
    expect(bed.cluster.object(PODS, { ...own, namespace: "elsewhere" })).toBeDefined();
  });

  test("are not taken again while the watch is behind", async () => {
    const bed = await bedFor();
    bed.putNode("n1");
    bed.cluster.behind = true;
    await bed.reconcile();
    await bed.reconcile();
    expect(bed.cluster.take().filter((call) => call === "mergePatch nodes n1").length).toBe(1);
  });

  test("are not taken while KMM is not installed", async () => {
    const bed = await bedFor();
    bed.cluster.remove(CUSTOM_RESOURCE_DEFINITIONS, { name: "modules.kmm.sigs.x-k8s.io" });
    bed.putNode("n1");
    await bed.reconcile();
    expect(bed.labels("n1")).toEqual({ onload: "yes" });
    expect(bed.condition("Ready")).toStartWith("Ready=False KmmNotInstalled");
  });

  test("are reported as events once", async () => {
    const bed = await bedFor();
    bed.putNode("n1");
    await bed.reconcile();
    await bed.reconcile();
    expect(bed.events.filter(({ reason }) => reason === "NodeLabelled").length).toBe(1);
    expect(await bed.metric("onload_operator_steps_total", { ...LABELS, step: "Install" })).toEqual([1]);
  });
});

describe("the same PATCH of a node is not sent twice within a second", () => {
  /** PATCHes of nodes while a second of passes goes by, one every ten milliseconds. */
  async function patchesInASecond(bed: ReconcilerBed, between: () => void = () => undefined): Promise<number> {
    bed.cluster.calls.length = 0;
    for (let i = 0; i < 100; i++) {
      bed.now += 10;
      between();
      await bed.reconcile().catch(() => undefined);
    }
    return bed.cluster.calls.filter(({ verb, what }) => verb === "mergePatch" && what === "nodes").length;
  }

  test("if the cache never shows the change", async () => {
    const bed = await bedFor();
    bed.cluster.caches.nodes.observe = () => undefined;
    bed.putNode("n1");
    bed.cluster.behind = true;
    expect(await patchesInASecond(bed)).toBe(1);
    expect(await patchesInASecond(bed)).toBe(1);
    // When the cache has caught up, the rollout goes on at once.
    bed.cluster.catchUp();
    bed.cluster.take();
    await bed.reconcile();
    expect(bed.labels("n1")[ONLOAD]).toBe("v2");
  });

  test("if something takes the change back as it is written", async () => {
    const bed = await bedFor();
    bed.putNode("n1");
    const mergePatch = bed.cluster.mergePatch.bind(bed.cluster);
    bed.cluster.mergePatch = async (resource, ref, patch, options) => {
      const kept = resource === NODES ? { metadata: { annotations: { written: `${bed.now}` } } } : patch;
      return mergePatch(resource, ref, kept, options) as never;
    };
    expect(await patchesInASecond(bed)).toBe(1);
  });

  test("if it is refused, which is a failure all the while", async () => {
    const bed = await bedFor();
    bed.putNode("n1");
    bed.cluster.before = ({ verb, what }) => {
      if (verb === "mergePatch" && what === "nodes") throw refusal("patch the node", 500, "InternalError");
    };
    for (let i = 0; i < 12; i++) expect(await patchesInASecond(bed)).toBeLessThanOrEqual(1);
    expect(bed.condition("Degraded")).toStartWith("Degraded=True StepFailed");
  });

  test("if somebody takes it back at once each time, which is told after some times", async () => {
    const bed = await bedFor();
    bed.putNode("n1");
    const takeBack = (): void => {
      if (!(ONLOAD in bed.labels("n1"))) return;
      bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => {
        metadata.labels = { onload: "yes" };
        metadata.annotations = {};
      });
    };
    expect(await patchesInASecond(bed, takeBack)).toBe(1);
    for (let i = 0; i < 20; i++) expect(await patchesInASecond(bed, takeBack)).toBeLessThanOrEqual(1);
    const why = bed.condition("Degraded");
    expect(why).toStartWith("Degraded=True StepFailed");
    expect(why).toContain(
      'Cannot keep label onload.amd.com/ns.main of node "n1" as it should be: somebody takes the change back',
    );
    // Left alone, it goes on by itself.
    for (let i = 0; i < 22; i++) await patchesInASecond(bed);
    expect(bed.labels("n1")[ONLOAD]).toBe("v2");
    expect(bed.condition("Degraded")).toStartWith("Degraded=False");
  });

  test.each([
    ["", 0],
    [", and some are refused, as those on an old version are", 3],
  ])("which is told too if passes come for changes and when they are due%s", async (_, refusals) => {
    const bed = await bedFor();
    bed.putNode("n1");
    let degraded = 0;
    let failures = 0;
    let sent = 0;
    bed.cluster.calls.length = 0;
    bed.cluster.before = ({ verb, what }) => {
      if (verb === "mergePatch" && what === "nodes" && ++sent % refusals === 0) {
        throw refusal("patch the node", 409, "Conflict");
      }
    };
    for (let end = bed.now + 180_000; bed.now < end;) {
      // As the controller does: at once for a change, when it was asked to, or after a time that doubles with each failure.
      const pass = (): Promise<number> =>
        bed.reconcile().then(
          ({ requeueAfterMs = 60_000 }) => [requeueAfterMs, (failures = 0)][0]!,
          () => 5 * 2 ** Math.min(failures++, 14),
        );
      const due = await pass();
      // The operator sees its own change before somebody takes it back.
      if (ONLOAD in bed.labels("n1")) await pass();
      const isSet = ONLOAD in bed.labels("n1");
      bed.now += isSet ? 20 : due;
      if (isSet) {
        bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => {
          metadata.labels = { onload: "yes" };
          metadata.annotations = {};
        });
      }
      if (bed.condition("Degraded").startsWith("Degraded=True StepFailed")) degraded++;
      else degraded = 0;
    }
    expect(degraded).toBeGreaterThan(10);
    expect(bed.condition("Degraded")).toContain("somebody takes the change back each time");
    const patches = bed.cluster.calls.filter(({ verb, what }) => verb === "mergePatch" && what === "nodes").length;
    expect(patches).toBeWithin(15, refusals > 0 ? 60 : 40);
  });

  test("but at once if it was refused and somebody else has changed the node meanwhile", async () => {
    const bed = await bedFor();
    bed.putNode("n1");
    bed.cluster.before = ({ verb, what }) => {
      if (verb !== "mergePatch" || what !== "nodes") return;
      bed.cluster.before = () => undefined;
      bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => {
        metadata.annotations = { "example.com/note": "x" };
      });
      throw refusal("patch the node", 409, "Conflict");
    };
    await bed.reconcile();
    expect(bed.labels("n1")).not.toHaveProperty([ONLOAD]);
    await bed.reconcile();
    expect(bed.labels("n1")[ONLOAD]).toBe("v2");
  });

  test("and the pass says when it goes on", async () => {
    const bed = await bedFor();
    bed.cluster.caches.nodes.observe = () => undefined;
    bed.putNode("n1");
    bed.cluster.behind = true;
    await bed.reconcile();
    bed.now += 400;
    expect((await bed.reconcile()).requeueAfterMs).toBe(600);
  });
});

describe("while a cache may be outdated", () => {
  const WHY = "Cannot follow nodes: no answer for 120 s";

  test.each([
    ["a node that serves an older version", {}, (bed: ReconcilerBed) => bed.putServingNode("n1", "v1")],
    ["a node that is emptied", {}, (bed: ReconcilerBed) => bed.putEmptiedNode("n1")],
    [
      "a pod that holds amd.com/onload",
      {},
      (bed: ReconcilerBed) => {
        bed.putEmptiedNode("n1");
        bed.putHolder("app", "n1");
      },
    ],
    ["a node without anything", {}, (bed: ReconcilerBed) => bed.putNode("n1")],
    ["the objects of a resource that is deleted", {}, (bed: ReconcilerBed) => bed.deleteOnload()],
  ])("%s stays as it is, and the status says why", async (_name, spec, prepare) => {
    const bed = await bedFor(spec);
    prepare(bed);
    bed.outdated = WHY;
    const writes = (): string[] =>
      bed.cluster.take().filter((call) => !call.startsWith("list") && !call.startsWith("get"));
    bed.cluster.take();
    const { requeueAfterMs } = await bed.reconcile();
    bed.now += 1000;
    await bed.settle();
    expect(new Set(writes())).toEqual(new Set(["apply onloads/status main"]));
    expect(bed.condition("Degraded")).toStartWith(`Degraded=True CacheOutdated: Nothing is done`);
    expect(bed.condition("Degraded")).toContain(WHY);
    expect(requeueAfterMs).toBeLessThanOrEqual(10_000);

    bed.outdated = undefined;
    await bed.reconcile();
    for (let i = 0; i < 3; i++) await bed.reconcile();
    expect(writes().some((call) => !call.includes("status"))).toBe(true);
  });

  test("no change of spec.selector comes to hold: there may be nodes that serve", async () => {
    const bed = await bedFor();
    bed.outdated = WHY;
    bed.cluster.edit<RawOnload>(ONLOADS, KEY, (onload) => {
      onload.metadata.generation = (onload.metadata.generation ?? 0) + 1;
      (onload.spec as OnloadSpecInput).selector = { onload: "no" };
    });
    await bed.settle();
    expect(bed.status?.selector).toEqual({ onload: "yes" });
    bed.outdated = undefined;
    await bed.settle();
    expect(bed.status?.selector).toEqual({ onload: "no" });
  });

  test("no rollback begins: the failure may be over", async () => {
    const bed = await bedFor({ upgrade: { onFailure: "Rollback" } });
    bed.cluster.edit<RawOnload>(ONLOADS, KEY, (onload) => {
      onload.status = { ...(onload.status as object), lastReady: { version: "v1", time: "x", onload: imagesOf("v1") } };
    });
    bed.putNode("n1", { [PLUGIN]: "v2", [ONLOAD]: "v2" }, "Install");
    bed.now += 900_000;
    bed.outdated = WHY;
    await bed.settle();
    expect(bed.status?.rollback).toBeUndefined();
    bed.outdated = undefined;
    await bed.settle();
    expect(bed.status?.rollback?.toVersion).toBe("v1");
  });
});
