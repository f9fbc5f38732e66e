import { describe, expect, test } from "bun:test";
import type { CustomResourceDefinition, DaemonSet, KubeObject, Node, Pod } from "../api/core.ts";
import type { Module } from "../api/kmm.ts";
import {
  FINALIZER,
  onloadModuleLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleLabel,
  sfcModuleName,
} from "../api/names.ts";
import { MODULES, ONLOADS } from "../api/resources.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, DAEMON_SETS, NAMESPACES, NODES, PODS } from "../kube/resource.ts";
import { ConnectionError } from "../kube/errors.ts";
import type { OnloadStatus } from "../api/onload.ts";
import type { RawOnload } from "./cache/caches.ts";
import { refusal, type Call } from "./testing/memory-cluster.ts";
import {
  crashing,
  imagesOf,
  KEY,
  kmmCrd,
  LABELS,
  MODULE_REF,
  PLUGIN_REF,
  ReconcilerBed,
} from "./testing/reconciler-bed.ts";

/** A bed with a resource that is applied, and nodes that serve version v1. */
async function serving(...nodes: string[]): Promise<ReconcilerBed> {
  const bed = new ReconcilerBed();
  bed.putOnload();
  await bed.settle();
  bed.seeTemplate();
  for (const node of nodes) bed.putServingNode(node);
  bed.now += 1000;
  await bed.settle();
  bed.cluster.take();
  bed.events.length = 0;
  return bed;
}

/** Lets calls of a kind fail. */
function fail(
  bed: ReconcilerBed,
  which: (call: Call) => boolean,
  error: () => Error = () => refusal("do it", 500, "InternalError"),
): void {
  bed.cluster.before = (call) => {
    if (which(call)) throw error();
  };
}

describe("a resource whose namespace is being deleted", () => {
  const ending = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: KEY.namespace, deletionTimestamp: "2026-01-01T00:00:00Z" },
  };

  test("is deleted with it, and nothing else is done before the cache knows", async () => {
    const bed = await serving("n1");
    bed.cluster.put(NAMESPACES, ending);
    await bed.reconcile();
    expect(bed.cluster.take()).toEqual(["delete onloads main"]);
    expect(bed.onload?.metadata.deletionTimestamp).toBeDefined();
    await bed.settle();
    expect(bed.cluster.take()).toContain("mergePatch nodes n1");
  });

  test("is deleted although its spec cannot be read", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload({ onload: undefined as never });
    bed.cluster.put(NAMESPACES, ending);
    await bed.reconcile();
    expect(bed.cluster.take()).toEqual(["delete onloads main"]);
  });

  test("is tried again if that is refused", async () => {
    const bed = await serving("n1");
    bed.cluster.put(NAMESPACES, ending);
    fail(bed, ({ verb }) => verb === "delete");
    await expect(bed.reconcile()).rejects.toThrow("Cannot do it");
    expect(bed.cluster.take()).toEqual(["delete onloads main"]);
    expect(bed.labels("n1")).toHaveProperty([pluginLabel(KEY)]);
    bed.now += 60_000;
    await expect(bed.reconcile()).rejects.toThrow("Cannot do it");
    expect(bed.condition("Degraded")).toStartWith("Degraded=True StepFailed: Cannot do it");
  });

  test("is tried again if that is refused, although its spec cannot be read", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload({ onload: undefined as never });
    bed.cluster.put(NAMESPACES, ending);
    fail(bed, ({ verb }) => verb === "delete");
    await expect(bed.reconcile()).rejects.toThrow("Cannot do it");
    expect(bed.condition("Degraded")).toStartWith("Degraded=True");
  });

  test("other namespaces are no matter", async () => {
    const bed = await serving("n1");
    bed.cluster.put(NAMESPACES, { ...ending, metadata: { ...ending.metadata, name: "other" } });
    await bed.reconcile();
    expect(bed.cluster.take()).toEqual([]);
  });
});

describe("a new resource", () => {
  test("gets its finalizer, its nodes' labels and then its objects, and its status, in this order", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload({}, { finalizers: [] });
    bed.putNode("n1");
    await bed.reconcile();
    expect(bed.cluster.take()).toEqual([
      "get serviceaccounts sa",
      "mergePatch onloads main",
      "mergePatch nodes n1",
      "get modules main-module",
      "apply daemonsets main-onload-device-plugin-ds",
      "apply modules main-module",
      "apply onloads/status main",
    ]);
    expect(bed.onload?.metadata.finalizers).toEqual([FINALIZER]);
  });

  test("has no node touched while its finalizer is refused", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload({}, { finalizers: [] });
    bed.putNode("n1");
    fail(bed, ({ verb, what }) => verb === "mergePatch" && what === "onloads");
    expect(bed.reconcile()).rejects.toThrow("Cannot do it");
    await bed.reconcile().catch(() => undefined);
    expect(bed.labels("n1")).toEqual({ onload: "yes" });
  });

  test("costs nothing more once everything is as it should be", async () => {
    const bed = await serving("n1");
    bed.now += 60_000;
    await bed.reconcile();
    expect(bed.cluster.take()).toEqual([]);
    expect(bed.condition("Ready")).toStartWith("Ready=True AllNodesReady");
  });
});

describe("nothing outlives a pass", () => {
  test("a ServiceAccount that cannot be read is a problem, and keeps nothing from being done and reported", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putNode("n1");
    let patching = 0;
    bed.cluster.before = async ({ verb, what }) => {
      if (what === "serviceaccounts") throw refusal("get serviceaccounts ns/sa", 500, "InternalError");
      if (verb !== "mergePatch") return;
      patching++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      patching--;
    };
    const { requeueAfterMs } = await bed.reconcile();
    expect(patching).toBe(0);
    expect(bed.labels("n1")).toHaveProperty([pluginLabel(KEY)], "v1");
    expect(bed.condition("Degraded")).toStartWith(
      "Degraded=True ServiceAccountUnknown: Cannot get serviceaccounts ns/sa",
    );
    expect(bed.events.map(({ reason }) => reason)).toContain("NodeLabelled");
    expect(requeueAfterMs).toBeLessThanOrEqual(10_000);
  });

  test("whatever call fails, none is under way when a pass ends", async () => {
    for (const broken of ["serviceaccounts", "nodes", "modules", "daemonsets", "onloads", "onloads/status", "pods"]) {
      const bed = new ReconcilerBed();
      bed.putOnload({}, { finalizers: [] });
      bed.putNode("n1");
      bed.putNode("n2");
      bed.putEmptiedNode("n3", "v0");
      bed.putNode("n4", { [onloadModuleLabel(KEY)]: "v1" });
      bed.putLoader("n4", "v1", crashing(0));
      let running = 0;
      bed.cluster.before = async ({ what }) => {
        if (what === broken) throw refusal(`write ${what}`, 500, "InternalError");
        running++;
        await new Promise((resolve) => setTimeout(resolve, 1));
        running--;
      };
      for (let pass = 0; pass < 4; pass++) {
        await bed.reconcile().catch(() => undefined);
        expect({ broken, running }).toEqual({ broken, running: 0 });
      }
    }
  });

  test.each([
    ["is refused", () => refusal("apply the status", 403, "Forbidden")],
    // As a webhook does that never answers, or that answers as the API server itself may for a moment.
    [
      "is not answered",
      () => new ConnectionError("apply the status", "https://a", "ETIMEDOUT", "no answer within 15 s"),
    ],
    ["is always overtaken", () => refusal("apply the status", 409, "Conflict")],
    ["is of no resource", () => refusal("apply the status", 404, "NotFound")],
  ])(
    "that the status cannot be written, which %s, is told once by an event, and again if it happens again",
    async (_, why) => {
      const bed = new ReconcilerBed();
      bed.putOnload();
      await bed.settle();
      const told = (): string[] =>
        bed.events.filter(({ reason }) => reason === "StatusNotWritten").map(({ note }) => note);
      let version = 1;
      const passes = async (seconds: number): Promise<void> => {
        bed.upgrade(`v${++version}`);
        for (let i = 0; i < seconds; i++) {
          bed.now += 1000;
          await bed.reconcile().catch(() => undefined);
        }
      };
      const refuse = (): void => {
        bed.cluster.before = ({ what }) => {
          if (what === "onloads/status") throw why();
        };
      };
      refuse();
      await passes(9);
      expect(told()).toEqual([]);
      await passes(60);
      expect(told()).toHaveLength(1);
      expect(told()[0]).toStartWith(
        "The status says how things were, because it cannot be written: Cannot apply the status",
      );
      bed.cluster.before = () => undefined;
      await passes(5);
      refuse();
      await passes(9);
      expect(told()).toHaveLength(1);
      await passes(60);
      expect(told()).toHaveLength(2);
    },
  );

  test("being asked to stop ends a pass only when its calls have ended", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putNode("n1");
    const stop = new AbortController();
    let running = 0;
    bed.cluster.before = async ({ verb }) => {
      if (verb !== "mergePatch") return;
      running++;
      stop.abort();
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
    };
    expect(bed.reconcile(undefined, stop.signal)).rejects.toThrow();
    await bed.reconcile(undefined, stop.signal).catch(() => undefined);
    expect(running).toBe(0);
    // A leader that was deposed writes nothing more.
    expect(bed.status).toBeUndefined();
  });
});

describe("the ServiceAccount", () => {
  test("is looked up once in five minutes while it exists", async () => {
    const bed = await serving("n1");
    for (let i = 0; i < 10; i++) {
      bed.now += 20_000;
      await bed.reconcile();
    }
    expect(bed.cluster.take()).not.toContain("get serviceaccounts sa");
    bed.now += 200_000;
    await bed.reconcile();
    expect(bed.cluster.take()).toContain("get serviceaccounts sa");
  });

  test("is a problem until it is made, and found within seconds", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload({ serviceAccountName: "other" });
    await bed.reconcile();
    expect(bed.condition("Degraded")).toStartWith("Degraded=True ServiceAccountMissing");
    const calls = bed.cluster.take().length;
    await bed.reconcile();
    expect(bed.cluster.take().filter((call) => call.startsWith("get")).length).toBe(0);
    expect(calls).toBeGreaterThan(0);
    bed.cluster.put({ plural: "serviceaccounts" } as never, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace: KEY.namespace, name: "other" },
    });
    bed.now += 10_000;
    await bed.reconcile();
    expect(bed.condition("Degraded")).not.toContain("ServiceAccount");
  });
});

test("no node is taken out of service while its pods could not be made again, because a ServiceAccount is missing", async () => {
  const bed = await serving("n1");
  bed.cluster.edit<RawOnload>(ONLOADS, KEY, (each) => {
    (each.spec as { serviceAccountName: string }).serviceAccountName = "tpyo";
    each.metadata.generation = 2;
  });
  bed.upgrade("v2");
  await bed.settle();
  expect(bed.condition("Degraded")).toStartWith("Degraded=True ServiceAccountMissing");
  expect(bed.labels("n1")).toMatchObject({ [pluginLabel(KEY)]: "v1" });
  const metadata = { namespace: KEY.namespace, name: "tpyo" };
  bed.cluster.put({ plural: "serviceaccounts" } as never, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  bed.now += 10_000;
  await bed.settle();
  expect(bed.labels("n1")).not.toHaveProperty([pluginLabel(KEY)]);
});

test("a node of another operating system is not begun, and keeps no other waiting", async () => {
  const bed = new ReconcilerBed();
  bed.putNode("a-windows");
  bed.putNode("n1");
  for (const [name, operatingSystem] of [
    ["a-windows", "windows"],
    ["n1", "linux"],
  ] as const) {
    bed.cluster.edit<Node>(NODES, { name }, (node) => (node.status!.nodeInfo!.operatingSystem = operatingSystem));
  }
  bed.putOnload();
  await bed.settle();
  expect(bed.labels("a-windows")).toEqual({ onload: "yes" });
  expect(bed.labels("n1")).toHaveProperty([onloadModuleLabel(KEY)]);
  expect(bed.condition("Degraded")).toMatch(
    /^Degraded=True NodesNotReady: Node "a-windows": Onload is for Linux, and the node runs windows: the node gets nothing; correct spec\.selector/,
  );
});

describe("a kernel at which KMM gives up for all nodes, on a node of nobody's", () => {
  /** With KMM 2 a Module selects every Linux node. */
  function bedOfKmm2(): ReconcilerBed {
    const bed = new ReconcilerBed();
    bed.cluster.put<CustomResourceDefinition>(CUSTOM_RESOURCE_DEFINITIONS, kmmCrd("NodeModulesConfig", "Cluster"));
    return bed;
  }
  const putStranger = (bed: ReconcilerBed, kernelVersion: string): void =>
    void bed.cluster.put<Node>(NODES, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "stranger", labels: { "kubernetes.io/os": "linux" } },
      status: { nodeInfo: { kernelVersion } },
    } as unknown as Node);

  test("keeps the Module from being made, and nodes from being begun, until it is gone", async () => {
    const bed = bedOfKmm2();
    putStranger(bed, "6.1");
    bed.putNode("n1");
    bed.putOnload();
    await bed.settle();
    expect(bed.condition("Degraded")).toMatch(
      /^Degraded=True KernelRefused: No node is begun .* at kernel 6\.1, .* \(stranger\); give the node another kernel, or/,
    );
    expect(bed.module).toBeUndefined();
    expect(bed.labels("n1")).toEqual({ onload: "yes" });
    putStranger(bed, "6.1.0");
    await bed.settle();
    expect(bed.module).toBeDefined();
    expect(bed.labels("n1")).toHaveProperty([onloadModuleLabel(KEY)]);
    expect(bed.condition("Degraded")).not.toContain("KernelRefused");
  });

  test("keeps a Module of another version from being applied, and nodes in service", async () => {
    const bed = bedOfKmm2();
    bed.putOnload();
    await bed.settle();
    bed.seeTemplate();
    bed.putServingNode("n1");
    putStranger(bed, "6.1");
    bed.upgrade("v2");
    await bed.settle();
    expect(bed.module?.spec.moduleLoader.container.version).toBe("v1");
    expect(bed.daemonSet?.spec.template.metadata.labels).toMatchObject({ "onload.amd.com/version": "v1" });
    expect(bed.labels("n1")).toMatchObject({ [pluginLabel(KEY)]: "v1", [onloadModuleLabel(KEY)]: "v1" });
    expect(bed.condition("Degraded")).toContain("KernelRefused");
  });

  test("lets the plugin be what the nodes have, when an upgrade that could not begin is taken back", async () => {
    const bed = bedOfKmm2();
    // Objects are written, and no node is begun.
    bed.putOnload({ upgrade: { paused: true } });
    await bed.settle();
    bed.seeTemplate();
    bed.putServingNode("n1");
    bed.upgrade("v2");
    await bed.settle();
    expect(bed.daemonSet?.spec.template.metadata.labels).toMatchObject({ "onload.amd.com/version": "v2" });
    putStranger(bed, "6.1");
    bed.upgrade("v1");
    await bed.settle();
    expect(bed.daemonSet?.spec.template.metadata.labels).toMatchObject({ "onload.amd.com/version": "v1" });
    expect(bed.module?.spec.moduleLoader.container.version).toBe("v2");
    expect(bed.condition("Degraded")).toContain("KernelRefused");
  });

  test("is one for which a mapping cannot be evaluated, with KMM 2.4 and later", async () => {
    const bed = bedOfKmm2();
    putStranger(bed, "6.1.0");
    bed.putNode("n1");
    const { userImage, version } = imagesOf("v1");
    const kernelMappings = ["^5", "(6"].map((regexp) => ({ regexp, kernelModuleImage: "r/m:1" }));
    bed.putOnload({ onload: { userImage, version, kernelMappings } });
    bed.cluster.put<CustomResourceDefinition>(CUSTOM_RESOURCE_DEFINITIONS, kmmCrd("ModuleImagesConfig", "Namespaced"));
    await bed.settle();
    expect(bed.condition("Degraded")).toMatch(
      /^Degraded=True KernelRefused: No node is begun .* at the kernel of stranger, because spec\.onload\.kernelMappings\[1\]\.regexp cannot be evaluated: .*; correct it$/,
    );
    expect(bed.module).toBeUndefined();
    expect(bed.labels("n1")).toEqual({ onload: "yes" });
    putStranger(bed, "5.14.0");
    await bed.settle();
    expect(bed.labels("n1")).toHaveProperty([onloadModuleLabel(KEY)]);
    expect(bed.condition("Degraded")).not.toContain("KernelRefused");
  });

  test("is not one for which KMM 2.0 has no image's name: there, only its own node gets nothing", async () => {
    const bed = bedOfKmm2();
    bed.putNode("n1");
    bed.putNode("rt");
    bed.cluster.edit<Node>(NODES, { name: "rt" }, ({ status }) => (status!.nodeInfo!.kernelVersion = "5.14.0-1+rt"));
    const { userImage, version } = imagesOf("v1");
    const kernelMappings = [{ regexp: "^5", kernelModuleImage: "r/m:1-${KERNEL_FULL_VERSION}" }];
    bed.putOnload({ onload: { userImage, version, kernelMappings } });
    await bed.settle();
    expect(bed.labels("n1")).toHaveProperty([onloadModuleLabel(KEY)]);
    expect(bed.labels("rt")).toEqual({ onload: "yes" });
    expect(JSON.stringify(bed.onload!.status)).toContain(
      "KMM would ask for r/m:1-5.14.0-1+rt at kernel 5.14.0-1+rt, which cannot be the name of an image: the node gets nothing; install KMM 2.1.1 or later, or",
    );
  });

  test("does not matter while no mapping matches it", async () => {
    const bed = bedOfKmm2();
    putStranger(bed, "6.1");
    const { userImage, version } = imagesOf("v1");
    const kernelMappings = [{ regexp: "^5\\.", kernelModuleImage: "registry/module" }];
    bed.putOnload({ onload: { userImage, version, kernelMappings } });
    await bed.settle();
    expect(bed.module).toBeDefined();
    expect(bed.condition("Degraded")).not.toContain("KernelRefused");
  });
});

describe("the logs of failed pods", () => {
  /** A node whose module fails to load, with its pod's log read once. */
  async function failing(): Promise<ReconcilerBed> {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putNode("n1", { [pluginLabel(KEY)]: "v1", [onloadModuleLabel(KEY)]: "v1" }, "Install");
    bed.putLoader("n1", "v1", crashing(1));
    bed.cluster.logs.set("loader-n1", "modprobe: first");
    const { requeueAfterMs } = await bed.reconcile();
    expect(requeueAfterMs).toBeLessThan(1000);
    bed.now += 1000;
    await bed.reconcile();
    return bed;
  }
  const problem = (bed: ReconcilerBed): string | undefined => bed.status?.problems?.[0]?.message;

  test("reach the status, and so do those of the next failure", async () => {
    const bed = await failing();
    expect(problem(bed)).toContain("modprobe: first");
    bed.cluster.logs.set("loader-n1", "modprobe: second");
    bed.putLoader("n1", "v1", crashing(2));
    bed.now += 1000;
    const { requeueAfterMs } = await bed.reconcile();
    expect(requeueAfterMs).toBeLessThan(1000);
    bed.now += 1000;
    await bed.reconcile();
    expect(problem(bed)).toContain("modprobe: second");
  });

  test("reach the status when more pods have failed than are remembered", async () => {
    const bed = await failing();
    for (let i = 2; i < 250; i++) {
      bed.cluster.remove(PODS, { ...KEY, name: "loader-n1" });
      bed.cluster.logs.set("loader-n1", `modprobe: number ${i}`);
      bed.putLoader("n1", "v1", crashing(1));
      bed.now += 1000;
      await bed.reconcile();
    }
    bed.now += 1000;
    await bed.reconcile();
    expect(problem(bed)).toContain("modprobe: number 249");
  });

  test("are read once for each failure", async () => {
    const bed = await failing();
    bed.cluster.take();
    for (let i = 0; i < 5; i++) await bed.reconcile();
    expect(bed.cluster.take().filter((call) => call.startsWith("podLog"))).toEqual([]);
  });

  test("are those of the container that ran before, once it has been started anew", async () => {
    const bed = await failing();
    const reads = bed.cluster.calls.filter(({ verb }) => verb === "podLog");
    expect(reads.map(({ options }) => options["previous"])).toEqual([true]);
  });

  test("of other teams' modules are not read", async () => {
    const bed = await failing();
    bed.cluster.take();
    bed.cluster.edit<Pod>(PODS, { ...KEY, name: "loader-n1" }, (pod) => {
      bed.cluster.put<Pod>(PODS, {
        ...pod,
        metadata: { namespace: "gpus", name: "gpu", labels: { "kmm.node.kubernetes.io/module.name": "gpu-module" } },
      });
      bed.cluster.put<Pod>(PODS, {
        ...pod,
        metadata: { namespace: "gpus", name: "same", labels: { "kmm.node.kubernetes.io/module.name": "main-module" } },
      });
    });
    await bed.reconcile();
    expect(bed.cluster.take().filter((call) => call.startsWith("podLog"))).toEqual([]);
  });

  test("are asked for again later if the kubelet did not answer", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putNode("n1", { [pluginLabel(KEY)]: "v1", [onloadModuleLabel(KEY)]: "v1" }, "Install");
    bed.putLoader("n1", "v1", crashing(1));
    bed.cluster.logs.set("loader-n1", "modprobe: FATAL");
    fail(bed, ({ verb }) => verb === "podLog");
    const { requeueAfterMs } = await bed.reconcile();
    expect(requeueAfterMs).toBeLessThanOrEqual(30_000);
    await bed.reconcile();
    expect(bed.cluster.take().filter((call) => call.startsWith("podLog")).length).toBe(1);
    bed.cluster.before = () => undefined;
    bed.now += 30_000;
    await bed.reconcile();
    await bed.reconcile();
    expect(problem(bed)).toContain("modprobe: FATAL");
  });

  test("are replaced by what a hook has printed", async () => {
    const bed = await failing();
    const message = 'Exec lifecycle hook failed - error: x, message: "modprobe: in the hook"';
    const status = crashing(2)!;
    status.containerStatuses![0]!.state = { waiting: { reason: "PostStartHookError", message } };
    bed.putLoader("n1", "v1", status);
    bed.now += 1000;
    await bed.reconcile();
    // The kubelet says so only until it tries again.
    bed.putLoader("n1", "v1", crashing(2));
    bed.cluster.logs.delete("loader-n1");
    bed.now += 1000;
    await bed.reconcile();
    expect(problem(bed)).toContain("modprobe: in the hook");
  });
});

describe("no serving node is taken down", () => {
  test("while no image of the device plugin is known, and it is once there is one", async () => {
    const bed = await serving("n1", "n2");
    bed.restart();
    bed.environment.ownImage = undefined;
    bed.upgrade("v2");
    await bed.settle();
    expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");
    expect(bed.condition("Degraded")).toStartWith("Degraded=True NoDevicePluginImage");
    bed.environment.ownImage = "registry/onloadctl:2";
    await bed.settle();
    expect(bed.labels("n1")[pluginLabel(KEY)]).toBeUndefined();
  });

  test("while the DaemonSet is absent", async () => {
    const bed = await serving("n1");
    bed.cluster.remove(DAEMON_SETS, PLUGIN_REF);
    bed.upgrade("v2");
    await bed.reconcile();
    expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");
    expect(bed.cluster.object(DAEMON_SETS, PLUGIN_REF)).toBeDefined();
    await bed.settle();
    expect(bed.labels("n1")[pluginLabel(KEY)]).toBeUndefined();
  });

  test.each(["modules", "daemonsets"])(
    "while the API server refuses %s, but the other objects are applied",
    async (broken) => {
      const bed = await serving("n1");
      bed.upgrade("v2");
      fail(bed, ({ verb, what }) => verb === "apply" && what === broken);
      expect(bed.reconcile()).rejects.toThrow("Cannot do it");
      await bed.reconcile().catch(() => undefined);
      expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");
      expect(bed.condition("Degraded")).toStartWith("Degraded=True ApplyFailed: Cannot do it");
      expect(bed.condition("Progressing")).toBe(
        "Progressing=False NodesNotReady: 1 node still to be upgraded: 1 NotApplied",
      );
      const applied = bed.cluster.take().filter((call) => call.startsWith("apply") && !call.includes("onloads"));
      expect(new Set(applied).size).toBe(2);
    },
  );

  test("for objects that cannot be applied, and one that is let go needs none of them", async () => {
    const bed = await serving("n1", "n2");
    bed.upgrade("v2");
    fail(bed, ({ verb, what }) => verb === "apply" && what === "modules");
    bed.cluster.edit<Node>(NODES, { name: "n2" }, ({ metadata }) => delete metadata.labels!["onload"]);
    for (let i = 0; i < 3; i++) await bed.reconcile().catch(() => undefined);
    expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");
    expect(bed.labels("n2")[pluginLabel(KEY)]).toBeUndefined();
  });

  test("when an object has changed at the same time; it is tried again at once, and is no problem", async () => {
    const bed = await serving("n1");
    bed.upgrade("v2");
    fail(
      bed,
      ({ verb, what }) => verb === "apply" && what === "modules",
      () => refusal("apply", 409, "Conflict"),
    );
    const { requeueAfterMs } = await bed.reconcile();
    expect(requeueAfterMs).toBeLessThan(1000);
    expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");
    expect(bed.condition("Degraded")).toStartWith("Degraded=False");
  });
});

test("an older CRD of Onload resources is told, and no serving node is taken down for what it may drop", async () => {
  const bed = await serving("n1");
  const schema = { openAPIV3Schema: { properties: { spec: { properties: { upgrade: {} } }, status: {} } } };
  bed.cluster.put<CustomResourceDefinition>(CUSTOM_RESOURCE_DEFINITIONS, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "onloads.onload.amd.com" },
    spec: { group: "onload.amd.com", scope: "Namespaced", versions: [{ name: "v1alpha1", schema }] },
  } as unknown as CustomResourceDefinition);
  bed.upgrade("v2");
  await bed.settle();
  expect(bed.condition("Degraded")).toStartWith("Degraded=True CrdOutdated: The CRD of Onload resources is older");
  expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");
});

describe("looks at pods", () => {
  /** A node that is being drained, watched. */
  async function draining(): Promise<ReconcilerBed> {
    const bed = await serving("n1");
    bed.upgrade("v2");
    bed.cluster.budget = "the budget is full";
    bed.putHolder("app", "n1");
    await bed.settle();
    bed.cluster.edit<Node>(NODES, { name: "n1" }, (node) => (node.status!.allocatable = {}));
    bed.cluster.remove(PODS, { ...KEY, name: "plugin-n1" });
    for (let i = 0; i < 5; i++) await bed.reconcile();
    expect([...bed.watches]).toEqual(["n1"]);
    bed.cluster.take();
    return bed;
  }

  test("are kept when something happens to a resource that there never was", async () => {
    const bed = await draining();
    await bed.reconcile("gpu/gpu");
    expect([...bed.watches]).toEqual(["n1"]);
    await bed.reconcile();
    expect(bed.cluster.take().filter((call) => call.startsWith("list"))).toEqual([]);
  });

  test("are kept when another resource ends", async () => {
    const bed = await draining();
    const other = { namespace: "ns", name: "other" };
    bed.cluster.put<RawOnload>(ONLOADS, {
      ...bed.onload!,
      metadata: { ...other, generation: 1 },
      spec: { ...bed.onload!.spec, selector: { x: "y" } },
    } as never);
    await bed.reconcile("ns/other");
    bed.cluster.remove(ONLOADS, other);
    await bed.reconcile("ns/other");
    expect([...bed.watches]).toEqual(["n1"]);
  });

  test("end with their own resource", async () => {
    const bed = await draining();
    bed.cluster.remove(ONLOADS, KEY);
    await bed.reconcile();
    expect([...bed.watches]).toEqual([]);
  });

  test("end when the node is gone", async () => {
    const bed = await draining();
    bed.cluster.remove(NODES, { name: "n1" });
    await bed.reconcile();
    expect([...bed.watches]).toEqual([]);
  });
});

describe("a spec that cannot be read", () => {
  async function unreadable(): Promise<ReconcilerBed> {
    const bed = await serving("n1");
    expect(bed.condition("Ready")).toStartWith("Ready=True");
    bed.putOnload({ onload: "nonsense" as never }, { generation: 2 });
    await bed.reconcile();
    return bed;
  }

  test("is said in the status, and no node is touched", async () => {
    const bed = await unreadable();
    expect(bed.condition("Ready")).toStartWith("Ready=False InvalidSpec: Cannot read Onload ns/main: spec.onload");
    expect(bed.condition("Degraded")).toStartWith("Degraded=True InvalidSpec");
    expect(bed.status?.observedGeneration).toBe(2);
    expect(bed.status?.lastReady?.version).toBe("v1");
    expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");
    expect(bed.events.map(({ reason }) => reason)).toContain("InvalidSpec");
    expect(await bed.metric("onload_operator_degraded", LABELS)).toEqual([1]);
    expect(await bed.metric("onload_operator_nodes", { ...LABELS, state: "Ready" })).toEqual([1]);
  });

  test("does not keep its resource from being deleted, with its nodes clean", async () => {
    const bed = await unreadable();
    bed.deleteOnload();
    await cleanUp(bed);
    expect(bed.onload).toBeUndefined();
    expect(bed.labels("n1")).toEqual({ onload: "yes" });
    expect(bed.module).toBeUndefined();
  });
});

test("a folder of the system, stored before the CRD refused it, is never mounted", async () => {
  const stored = [{ hostOnloadPath: "/etc" }, { kubeletDir: "/var/lib/kubelet" }, { podResourcesDir: "/root/.ssh" }];
  for (const devicePlugin of stored) {
    const bed = await serving("n1");
    const before = structuredClone(bed.cluster.object(DAEMON_SETS, PLUGIN_REF));
    expect(before).toBeDefined();
    bed.putOnload({ devicePlugin: devicePlugin as never }, { generation: 2 });
    await bed.reconcile();
    expect(bed.condition("Ready")).toStartWith(
      `Ready=False InvalidSpec: spec.devicePlugin.${Object.keys(devicePlugin)[0]} must`,
    );
    expect(bed.cluster.object(DAEMON_SETS, PLUGIN_REF)).toEqual(before!);
  }
});

test("a name that cannot work does not keep its resource from being deleted, with its nodes clean", async () => {
  const bed = new ReconcilerBed();
  const key = { namespace: "ns", name: "with.dots" };
  const metadata = { ...key, generation: 1, finalizers: [FINALIZER] };
  const spec = {
    selector: { onload: "yes" },
    serviceAccountName: "sa",
    onload: { kernelMappings: [], userImage: "u", version: "v1" },
  };
  const onload = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata, spec };
  bed.cluster.put<RawOnload>(ONLOADS, onload);
  bed.putNode("n1", { [pluginLabel(key)]: "v1", [onloadModuleLabel(key)]: "v1" });
  bed.putNode("n2");
  const status = (): OnloadStatus => bed.cluster.object<RawOnload>(ONLOADS, key)!.status as OnloadStatus;
  await bed.reconcile("ns/with.dots");
  expect(status().conditions?.[0]).toMatchObject({ type: "Ready", status: "False", reason: "InvalidSpec" });
  expect(bed.labels("n1")).toHaveProperty([pluginLabel(key)]);
  expect(bed.labels("n2")).toEqual({ onload: "yes" });
  bed.cluster.edit<RawOnload>(ONLOADS, key, (each) => (each.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"));
  for (let i = 0; i < 10; i++) await bed.reconcile("ns/with.dots");
  expect(bed.cluster.object(ONLOADS, key)).toBeUndefined();
  expect(bed.labels("n1")).toEqual({ onload: "yes" });
});

/** Lets KMM and the DaemonSet controller follow while a resource that is being deleted lets its nodes go. */
async function cleanUp(bed: ReconcilerBed): Promise<void> {
  for (let i = 0; i < 20 && bed.onload; i++) {
    await bed.reconcile();
    for (const { metadata, spec } of bed.cluster.podsOn()) {
      const labels = bed.labels(spec!.nodeName!);
      const label = metadata.name.startsWith("plugin-") ? pluginLabel(KEY) : onloadModuleLabel(KEY);
      const wanted = metadata.name.startsWith("app") || labels[label] !== undefined;
      if (wanted && labels[`latch.onload.amd.com/ns.${onloadModuleName(KEY.name)}`] !== "off") continue;
      bed.cluster.remove(PODS, metadata);
      const name = spec!.nodeName!;
      if (label === pluginLabel(KEY))
        bed.cluster.edit<Node>(NODES, { name }, (node) => (node.status!.allocatable = {}));
    }
  }
}

describe("the end of a resource", () => {
  test("its finalizer stays until every node is clean and its objects are deleted", async () => {
    const bed = await serving("n1");
    bed.deleteOnload();
    await bed.reconcile();
    expect(bed.onload?.metadata.finalizers).toEqual([FINALIZER]);
    await cleanUp(bed);
    expect(bed.onload).toBeUndefined();
    expect(bed.module).toBeUndefined();
    expect(bed.cluster.object(DAEMON_SETS, PLUGIN_REF)).toBeUndefined();
    expect(bed.labels("n1")).toEqual({ onload: "yes" });
  });

  test("it ends although KMM has been removed before: nothing would unload, and nothing is waited for", async () => {
    const bed = await serving("n1");
    bed.cluster.remove(CUSTOM_RESOURCE_DEFINITIONS, { name: "modules.kmm.sigs.x-k8s.io" });
    bed.cluster.remove(MODULES, MODULE_REF);
    bed.deleteOnload();
    await cleanUp(bed);
    expect(bed.onload).toBeUndefined();
    expect(bed.labels("n1")).toEqual({ onload: "yes" });
  });

  test("nothing is written to it once it is let go, and other finalizers stay", async () => {
    const bed = await serving();
    bed.putOnload({}, { finalizers: [FINALIZER, "others.example/keep"] });
    bed.deleteOnload();
    bed.cluster.take();
    await bed.reconcile();
    expect(bed.onload?.metadata.finalizers).toEqual(["others.example/keep"]);
    expect(bed.cluster.take().filter((call) => call.startsWith("apply"))).toEqual([]);
  });

  test("a finalizer that somebody else adds or removes at the same time is neither lost nor brought back", async () => {
    for (const finalizers of [[], [FINALIZER]]) {
      const bed = finalizers.length > 0 ? await serving() : new ReconcilerBed();
      if (finalizers.length > 0) bed.deleteOnload();
      else bed.putOnload({}, { finalizers });
      bed.cluster.behind = true;
      bed.cluster.edit<RawOnload>(ONLOADS, KEY, ({ metadata }) => metadata.finalizers!.push("others.example/keep"));
      const { requeueAfterMs } = await bed.reconcile();
      expect(requeueAfterMs).toBeLessThan(1000);
      expect(bed.onload?.metadata.finalizers).toEqual([...finalizers, "others.example/keep"]);
    }
  });

  test("it is no failure if it has gone already", async () => {
    const bed = await serving();
    bed.deleteOnload();
    bed.cluster.behind = true;
    await bed.reconcile();
    expect(bed.onload).toBeUndefined();
    expect(await bed.reconcile()).not.toHaveProperty("requeueAfterMs");
  });

  test("a Module stays that the cache has not seen, while pods that it has not seen have it loaded", async () => {
    const bed = new ReconcilerBed();
    bed.putNode("n1");
    bed.putOnload({ selector: { onload: "no" } });
    bed.cluster.behind = true;
    await bed.reconcile();
    expect(bed.module).toBeDefined();
    bed.putLoader("n1", "v1");
    bed.cluster.behind = false;
    bed.deleteOnload();
    await bed.reconcile();
    expect(bed.module).toBeDefined();
    expect(bed.onload?.metadata.finalizers).toEqual([FINALIZER]);
    bed.cluster.remove(PODS, { ...KEY, name: "loader-n1" });
    await bed.reconcile();
    expect(bed.module).toBeUndefined();
    expect(bed.onload).toBeUndefined();
  });

  test.each([
    ["is there no more", false],
    ["is there as it was", true],
  ])(
    "somebody else's Module that has the name by now is left alone, if ours %s in the cache",
    async (_name, isCached) => {
      const bed = await serving();
      if (!isCached) bed.cluster.remove(MODULES, MODULE_REF);
      bed.deleteOnload();
      bed.cluster.behind = true;
      bed.cluster.remove(MODULES, MODULE_REF);
      const theirs = { apiVersion: "kmm.sigs.x-k8s.io/v1beta1", kind: "Module", metadata: MODULE_REF };
      const { uid } = bed.cluster.put<KubeObject>(MODULES, theirs).metadata;
      await bed.reconcile();
      expect(bed.module?.metadata.uid).toBe(uid);
      bed.cluster.catchUp();
      await bed.reconcile();
      expect(bed.module?.metadata.uid).toBe(uid);
      expect(bed.onload).toBeUndefined();
    },
  );

  test("it stays, and says why, while one of its objects cannot be deleted", async () => {
    const bed = await serving();
    bed.deleteOnload();
    fail(bed, ({ verb, what }) => verb === "delete" && what === "modules");
    expect(bed.reconcile()).rejects.toThrow("Cannot do it");
    await bed.reconcile().catch(() => undefined);
    expect(bed.onload?.metadata.finalizers).toEqual([FINALIZER]);
    expect(bed.condition("Degraded")).toStartWith("Degraded=True ApplyFailed: Cannot do it");
  });

  test("its metric series end with it", async () => {
    const bed = await serving("n1");
    bed.upgrade("v2");
    await bed.settle();
    bed.putNode("n2", { [pluginLabel(KEY)]: "v2", [onloadModuleLabel(KEY)]: "v2" }, "Install");
    await bed.reconcile();
    bed.putLoader("n2", "v2", crashing(1));
    await bed.reconcile();
    expect(await bed.metric("onload_operator_steps_total", LABELS)).not.toEqual([]);
    expect(await bed.metric("onload_operator_node_failures_total", LABELS)).not.toEqual([]);
    bed.cluster.remove(ONLOADS, KEY);
    await bed.reconcile();
    expect((await bed.registry.metrics()).split("\n").filter((line) => line.includes('name="main"'))).toEqual([]);
  });

  test("one that is made again at once begins anew", async () => {
    const bed = await serving("n1");
    bed.cluster.remove(ONLOADS, KEY);
    bed.putOnload({}, { uid: "another" });
    await bed.reconcile();
    // What an earlier resource of the name has applied does not count.
    expect(bed.cluster.take()).toContain("apply modules main-module");
  });
});

test("how long it took until every node was ready does not have the time by which somebody has set the clock", async () => {
  const bed = new ReconcilerBed();
  bed.putOnload();
  bed.putNode("n1");
  await bed.settle();
  expect(bed.condition("Ready")).toStartWith("Ready=False");
  bed.uptime = bed.now + 1000;
  bed.now += 3_600_000;
  await bed.settle();
  bed.putServingNode("n1");
  bed.uptime += 1000;
  bed.now += 1000;
  await bed.settle();
  bed.seeTemplate();
  await bed.settle();
  expect(bed.condition("Ready")).toStartWith("Ready=True");
  const metric = await bed.registry.getSingleMetricAsString("onload_operator_upgrade_duration_seconds");
  expect(Number(/_sum\{.*\} (.*)/.exec(metric)?.[1])).toBeWithin(0, 10);
});

describe("status", () => {
  test("is not written to a resource of the same name that was made since", async () => {
    const bed = await serving("n1");
    bed.cluster.behind = true;
    bed.cluster.remove(ONLOADS, KEY);
    bed.putOnload({}, { uid: "another", finalizers: [] });
    bed.cluster.remove(NODES, { name: "n1" });
    bed.cluster.caches.nodes.store.get("n1");
    bed.now += 5000;
    const nodes = bed.cluster.caches.nodes.store as unknown as { delete(key: string): void };
    nodes.delete("n1");
    const { requeueAfterMs } = await bed.reconcile();
    expect(bed.status).toBeUndefined();
    expect(requeueAfterMs).toBeGreaterThan(0);
  });

  test("that only counts is written once a second, and conditions at once", async () => {
    const bed = await serving("n1", "n2", "n3");
    bed.putOnload({ upgrade: { maxUnavailable: 3 } });
    bed.now += 5000;
    const setReady = (name: string, status: string): void => {
      bed.cluster.edit<Node>(
        NODES,
        { name },
        (node) => (node.status!.conditions = [{ type: "Ready", status } as never]),
      );
    };
    const writes = (): number => bed.cluster.take().filter((call) => call.startsWith("apply onloads/status")).length;
    setReady("n1", "False");
    await bed.reconcile();
    expect(writes()).toBe(1);
    setReady("n2", "False");
    const { requeueAfterMs } = await bed.reconcile();
    expect(writes()).toBe(0);
    expect(requeueAfterMs).toBe(1000);
    bed.now += 1000;
    await bed.reconcile();
    expect(writes()).toBe(1);
    for (const name of ["n1", "n2"]) setReady(name, "True");
    await bed.reconcile();
    expect(writes()).toBe(1);
  });

  test("that another writer changes back is written once a second, and not at once", async () => {
    const bed = await serving("n1");
    bed.standing = { yields: false, problem: { reason: "AnotherOperator", message: "Another operator acts too" } };
    bed.now += 5000;
    await bed.settle();
    const rewrite = (): void => {
      bed.cluster.edit<RawOnload>(ONLOADS, KEY, (onload) => {
        const { conditions = [] } = onload.status as OnloadStatus;
        const others = conditions.filter(({ type }) => type !== "Degraded");
        const degraded = { ...conditions[0]!, type: "Degraded", status: "False" as const, reason: "AsExpected" };
        onload.status = { ...(onload.status as object), conditions: [...others, degraded] };
      });
    };
    bed.cluster.take();
    let writes = 0;
    for (let i = 0; i < 100; i++) {
      rewrite();
      await bed.reconcile();
      writes += bed.cluster.take().filter((call) => call.startsWith("apply onloads/status")).length;
      bed.now += 50;
    }
    expect(writes).toBeGreaterThanOrEqual(4);
    expect(writes).toBeLessThanOrEqual(6);
    // It has the last word once the other one is gone.
    rewrite();
    bed.now += 1000;
    await bed.settle();
    expect(bed.condition("Degraded")).toBe("Degraded=True AnotherOperator: Another operator acts too");
  });

  test("is not written again while the watch is behind", async () => {
    const bed = await serving("n1");
    bed.putOnload({}, { generation: 5 });
    bed.cluster.behind = true;
    await bed.reconcile();
    expect(bed.cluster.take()).toContain("apply onloads/status main");
    bed.now += 5000;
    await bed.reconcile();
    expect(bed.cluster.take()).not.toContain("apply onloads/status main");
  });

  test("says when a step is refused again and again, and not when it fails once", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putNode("n1");
    fail(bed, ({ verb, what }) => verb === "mergePatch" && what === "nodes");
    await bed.reconcile().catch(() => undefined);
    expect(bed.condition("Degraded")).toStartWith("Degraded=False");
    bed.now += 10_000;
    await bed.reconcile().catch(() => undefined);
    expect(bed.condition("Degraded")).toStartWith("Degraded=True StepFailed: Cannot do it");
    bed.cluster.before = () => undefined;
    bed.now += 1000;
    await bed.reconcile();
    expect(bed.condition("Degraded")).toStartWith("Degraded=False");
    // The next failure has its own time.
    bed.putNode("n2");
    fail(bed, ({ verb, what }) => verb === "mergePatch" && what === "nodes");
    await bed.reconcile().catch(() => undefined);
    expect(bed.condition("Degraded")).toStartWith("Degraded=False");
  });
});

test("when a rollback begins, nothing is done for the version that has failed", async () => {
  const bed = await serving("n1");
  bed.putOnload({ upgrade: { onFailure: "Rollback" } });
  bed.upgrade("v2");
  bed.putNode("n1", { [pluginLabel(KEY)]: "v2", [onloadModuleLabel(KEY)]: "v2" }, "Install");
  bed.putLoader("n1", "v2", crashing(1));
  bed.putNode("n2");
  bed.cluster.take();
  await bed.reconcile();
  expect(bed.status?.rollback).toMatchObject({ fromVersion: "v2", toVersion: "v1" });
  expect(bed.labels("n2")).toEqual({ onload: "yes" });
  expect(bed.cluster.take()).not.toContain("apply modules main-module");
  expect(bed.events.map(({ reason }) => reason)).toContain("RollbackStarted");
  // It stands as it began: from then on the nodes go back.
  const begun = bed.status?.rollback;
  for (let i = 0; i < 3; i++) {
    bed.now += 5000;
    await bed.reconcile();
    expect(bed.status?.rollback).toEqual(begun!);
  }
  expect(bed.events.filter(({ reason }) => reason === "RollbackStarted")).toHaveLength(1);
});

describe("the Module of sfc, once it is not wanted any more", () => {
  const ref = { ...KEY, name: sfcModuleName(KEY.name) };

  /** A resource that asked for sfc until the upgrade to v2, with a node that carries its label. */
  async function withSfc(): Promise<ReconcilerBed> {
    const bed = new ReconcilerBed();
    bed.putOnload({
      onload: { ...imagesOf("v1"), kernelMappings: [{ regexp: ".*", kernelModuleImage: "m", sfc: {} }] },
    });
    await bed.settle();
    expect(bed.cluster.object(MODULES, ref)).toBeDefined();
    bed.putNode("n1", { [sfcModuleLabel(KEY)]: "v1", [onloadModuleLabel(KEY)]: "v1", [pluginLabel(KEY)]: "v1" });
    bed.upgrade("v2");
    return bed;
  }

  test("stays while a node carries its label", async () => {
    const bed = await withSfc();
    await bed.reconcile();
    await bed.reconcile();
    expect(bed.cluster.object(MODULES, ref)).toBeDefined();
  });

  test("goes once no node does", async () => {
    const bed = await withSfc();
    bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata }) => delete metadata.labels![sfcModuleLabel(KEY)]);
    await bed.reconcile();
    expect(bed.cluster.object(MODULES, ref)).toBeUndefined();
  });

  test("stays, if it is somebody else's of that name", async () => {
    const bed = await serving("n1");
    const theirs = { apiVersion: "kmm.sigs.x-k8s.io/v1beta1", kind: "Module", metadata: ref, spec: bed.module!.spec };
    bed.cluster.put(MODULES, theirs);
    await bed.settle();
    expect(bed.cluster.object(MODULES, ref)).toBeDefined();
    bed.deleteOnload();
    await cleanUp(bed);
    expect(bed.onload).toBeUndefined();
    expect(bed.cluster.object(MODULES, ref)).toBeDefined();
  });

  test("goes, if the original operator made it", async () => {
    const bed = await serving("n1");
    const owner = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", name: KEY.name, uid: "1" };
    const metadata = { ...ref, ownerReferences: [owner] };
    bed.cluster.put(MODULES, {
      apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
      kind: "Module",
      metadata,
      spec: bed.module!.spec,
    });
    await bed.settle();
    expect(bed.cluster.object(MODULES, ref)).toBeUndefined();
  });
});

describe("objects that somebody changes", () => {
  const version = (bed: ReconcilerBed): string => bed.module!.spec.moduleLoader.container.version!;

  test("are put back", async () => {
    const bed = await serving("n1");
    bed.cluster.edit<Module>(MODULES, MODULE_REF, ({ metadata, spec }) => {
      metadata.generation!++;
      spec.moduleLoader.container.version = "v9";
    });
    await bed.reconcile();
    expect(version(bed)).toBe("v1");
  });

  test("are put back although their version is the same", async () => {
    const bed = await serving("n1");
    const image = (): string | undefined => {
      const { spec } = bed.cluster.object<DaemonSet>(DAEMON_SETS, PLUGIN_REF)!.spec.template;
      return (spec as { containers: { image?: string }[] }).containers[0]?.image;
    };
    const before = image();
    bed.cluster.edit<DaemonSet>(DAEMON_SETS, PLUGIN_REF, ({ metadata, spec }) => {
      metadata.generation!++;
      (spec.template.spec as { containers: { image?: string }[] }).containers[0]!.image = "another";
    });
    expect(image()).toBe("another");
    await bed.reconcile();
    expect(image()).toBe(before);
  });

  test("lose the owners and fields that others have added", async () => {
    const bed = await serving("n1");
    const foreign = { manager: "kubectl-edit", operation: "Update", fieldsV1: { "f:spec": { "f:x": {} } } } as const;
    bed.cluster.edit<Module>(MODULES, MODULE_REF, ({ metadata }) => {
      metadata.managedFields = [{ ...foreign, apiVersion: "kmm.sigs.x-k8s.io/v1beta1", fieldsType: "FieldsV1" }];
      metadata.ownerReferences = [{ apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", name: "main", uid: "u" }];
    });
    await bed.reconcile();
    expect(bed.module?.metadata.ownerReferences).toEqual([]);
    expect(bed.module?.metadata.managedFields).toMatchObject([{ manager: "onloadctl" }]);
    // The fields are taken out by the apply that follows.
    expect(bed.cluster.take().slice(0, 3)).toEqual([
      "apply modules main-module",
      "mergePatch modules main-module",
      "apply modules main-module",
    ]);
  });

  test("are not applied again while the watch is behind our own writes", async () => {
    const bed = await serving("n1");
    const before = structuredClone(bed.module!);
    bed.upgrade("v2");
    await bed.reconcile();
    expect(version(bed)).toBe("v2");
    (bed.cluster.caches.modules.store as unknown as { set(module: Module): void }).set(before);
    bed.cluster.take();
    await bed.reconcile();
    expect(bed.cluster.take()).not.toContain("apply modules main-module");
  });

  test("are not applied over what the watch has not brought yet", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putNode("n1");
    bed.cluster.behind = true;
    await bed.reconcile();
    bed.cluster.behind = false;
    bed.cluster.put(ONLOADS, bed.cluster.object<RawOnload>(ONLOADS, KEY)!);
    bed.upgrade("v2");
    bed.cluster.behind = true;
    await bed.reconcile();
    expect(version(bed)).toBe("v1");
    bed.cluster.catchUp();
    await bed.reconcile();
    expect(version(bed)).toBe("v2");
  });

  test("get their labels back", async () => {
    const bed = await serving("n1");
    const label = "app.kubernetes.io/part-of";
    bed.cluster.edit<Module>(MODULES, MODULE_REF, ({ metadata }) => delete metadata.labels![label]);
    await bed.reconcile();
    expect(bed.module?.metadata.labels).toHaveProperty([label], "onload");
  });

  test("are made again when they are deleted", async () => {
    const bed = await serving("n1");
    bed.cluster.remove(MODULES, MODULE_REF);
    await bed.reconcile();
    expect(version(bed)).toBe("v1");
  });
});
