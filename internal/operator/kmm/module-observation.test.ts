import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import type { NodeModulesConfig } from "../../api/kmm.ts";
import { trimPod } from "../cache/trim.ts";
import { KMM_1, KMM_2, NO_KMM } from "../testing/kmm.ts";
import type { KmmNodeInputs } from "./kmm.ts";

const REF = { namespace: "ns", module: "m" };

type Deep = DeepReadonly<Pod>;
const pod = (part: object): Deep =>
  ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "ns" }, ...part }) as Deep;
const node = (labels: Record<string, string> = {}): DeepReadonly<Node> => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "n", labels },
  status: { conditions: [{ type: "Ready", status: "True" }], nodeInfo: { kernelVersion: "5.14.0", bootID: "b1" } },
});

describe("KMM 1.1", () => {
  const version = "beta.kmm.node.kubernetes.io/version-module-loader.ns.m";
  const loader = (ready: boolean, extra: object = {}): Deep =>
    pod({
      metadata: {
        name: "l",
        namespace: "ns",
        labels: {
          "kmm.node.kubernetes.io/module.name": "m",
          "kmm.node.kubernetes.io/role": "module-loader",
          [version]: "v1",
        },
        ...extra,
      },
      status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
    });
  const labelled = { "kmm.node.kubernetes.io/ns.m.ready": "" };
  const view = (pods: Deep[], labels: Record<string, string>): KmmNodeInputs => ({
    node: node(labels),
    kmmPods: pods,
    nmc: undefined,
    failureLogs: new Map(),
  });
  test.each([
    ["no loader pod", [], labelled, false, undefined],
    ["loader ready, node labelled", [loader(true)], labelled, true, "v1"],
    ["loader ready, and KMM has lost the node's label", [loader(true)], {}, true, "v1"],
    ["loader not ready, an old label", [loader(false)], labelled, true, undefined],
    ["loader on its way out", [loader(true, { deletionTimestamp: "2026-01-01T00:00:00Z" })], labelled, true, undefined],
  ])("%s", (_name, pods, labels, present, ready) => {
    expect(KMM_1.observeModule(REF, view(pods, labels)).module).toMatchObject({ present, ready });
  });
  test("the Module's selector is what the loader pod has of it, also when the pod is kept short", () => {
    const nodeSelector = {
      "latch.onload.amd.com/ns.m": "on",
      worker: "",
      "kmm.node.kubernetes.io/kernel-version.full": "5.14.0",
      [version]: "v1",
    };
    const made = trimPod({ ...loader(true), spec: { nodeName: "n", nodeSelector } } as unknown as Pod);
    expect(KMM_1.observeModule(REF, view([made], labelled)).module.selector).toEqual({
      "latch.onload.amd.com/ns.m": "on",
      worker: "",
    });
    expect(KMM_1.observeModule(REF, view([], labelled)).module.selector).toBeUndefined();
  });
  test("the image of a loader is that of the node only if the node still runs its kernel", () => {
    const kernel = "kmm.node.kubernetes.io/kernel-version.full";
    const spec = { nodeName: "n", nodeSelector: { [kernel]: "5.14.0" }, containers: [{ name: "c", image: "i:1" }] };
    const imageOn = (runs: string) =>
      KMM_1.observeModule(REF, view([{ ...loader(true), spec } as never], { ...labelled, [kernel]: runs } as never))
        .module.image;
    expect([imageOn("5.14.0"), imageOn("5.15.0")]).toEqual(["i:1", undefined]);
  });
  test("a loader of another Module or namespace is not this one's", () => {
    const other = loader(true, { namespace: "other" });
    expect(KMM_1.observeModule(REF, view([other], labelled)).module.present).toBeFalse();
  });
  test("the pod that KMM's own device plugin would have is no loader", () => {
    const { metadata, ...rest } = loader(true);
    const labels = { ...metadata.labels, "kmm.node.kubernetes.io/role": "device-plugin" };
    const seen = KMM_1.observeModule(REF, view([{ ...rest, metadata: { ...metadata, labels } } as Deep], labelled));
    expect(seen.module).toMatchObject({ present: false, lacksPod: true, ready: undefined });
  });
  test("of two loaders that which is Ready says what is loaded", () => {
    const image = (name: string): object => ({ spec: { containers: [{ name: "c", image: name }] } });
    const going = loader(true, { deletionTimestamp: "2026-01-01T00:00:00Z" });
    const pods = [
      { ...going, ...image("i:1") },
      { ...loader(true), ...image("i:2") },
    ] as Deep[];
    expect(KMM_1.observeModule(REF, view(pods, labelled)).module).toMatchObject({ image: "i:2", ready: "v1" });
  });
  test("what KMM's own label says is told beside what the pods say", () => {
    expect(KMM_1.observeModule(REF, view([], labelled)).module.labelledReady).toBeTrue();
    expect(KMM_1.observeModule(REF, view([loader(true)], {})).module.labelledReady).toBeFalse();
  });
  test("the load label unloads what was loaded by it; without a loader, what it asks for", () => {
    const latch = "latch.onload.amd.com/ns.m";
    const seen = (selector: Record<string, string> | undefined, labels: Record<string, string>) =>
      KMM_1.observeModule(
        REF,
        view(selector ? [{ ...loader(true), spec: { nodeSelector: selector } } as Deep] : [], labels),
      ).loadLabel;
    expect(seen({ [latch]: "on" }, { [latch]: "off" })).toEqual({ value: "off", effective: true });
    expect(seen({ worker: "" }, { [latch]: "on" })).toEqual({ value: "on", effective: false });
    expect(seen(undefined, { [latch]: "on" })).toEqual({ value: "on", effective: true });
    expect(seen(undefined, { [latch]: "off" })).toEqual({ value: "off", effective: false });
    expect(seen(undefined, {})).toEqual({ value: undefined, effective: false });
  });
  test("without a KMM nothing is loaded, whatever pods it has left", () => {
    expect(NO_KMM.observeModule(REF, view([loader(true)], labelled)).module).toMatchObject({
      present: false,
      ready: undefined,
    });
  });
});

describe("KMM 2", () => {
  const entry = (config: object, extra: object = {}): object => ({ namespace: "ns", name: "m", config, ...extra });
  const nmc = (spec: object[], status: object[]): DeepReadonly<NodeModulesConfig> =>
    ({ metadata: { name: "n" }, spec: { modules: spec }, status: { modules: status } }) as never;
  const labels = { "kmm.node.kubernetes.io/ns.m.ready": "", "kmm.node.kubernetes.io/ns.m.version.ready": "v2" };
  const a = { containerImage: "a" };
  const facts = (config: DeepReadonly<NodeModulesConfig> | undefined, pods: Deep[] = [], on = labels) =>
    KMM_2.observeModule(REF, {
      node: node(on),
      kmmPods: pods,
      nmc: config,
      failureLogs: new Map([["u", "modprobe: FATAL"]]),
    }).module;
  const worker = (action: string, status: object = {}): Deep =>
    pod({
      metadata: {
        name: "w",
        namespace: "ns",
        uid: "u",
        labels: { "kmm.node.kubernetes.io/module.name": "m", "kmm.node.kubernetes.io/worker-action": action },
      },
      status,
    });

  test.each([
    ["nothing", undefined, false, undefined],
    ["wanted, not loaded", nmc([entry(a)], []), true, undefined],
    ["loaded", nmc([entry(a)], [entry(a, { bootId: "b1" })]), true, "v2"],
    ["loaded in another boot", nmc([entry(a)], [entry(a, { bootId: "b0" })]), true, undefined],
    [
      "loaded with another configuration",
      nmc([entry(a)], [entry({ containerImage: "b" }, { bootId: "b1" })]),
      true,
      undefined,
    ],
    ["to be unloaded", nmc([], [entry(a, { bootId: "b1" })]), true, undefined],
  ])("%s", (_name, config, present, ready) => {
    expect(facts(config)).toMatchObject({ present, ready });
  });
  test("it is not loaded before KMM's label says so, and needs no worker any more once it is", () => {
    const config = nmc([entry(a)], [entry(a, { bootId: "b1" })]);
    expect(facts(config)).toMatchObject({ ready: "v2", labelledReady: true, lacksPod: false });
    const { "kmm.node.kubernetes.io/ns.m.ready": _, ...rest } = labels;
    expect(facts(config, [], rest as typeof labels)).toMatchObject({ ready: undefined, labelledReady: false });
    expect(facts(nmc([entry(a)], []))).toMatchObject({ ready: undefined, lacksPod: true });
    expect(facts(nmc([entry(a)], []), [worker("Load")])).toMatchObject({ lacksPod: false });
  });
  test("a Module of that name in another namespace is another one", () => {
    const other = { ...entry(a), namespace: "other" };
    expect(facts(nmc([other], [other]))).toMatchObject({ present: false, ready: undefined, image: undefined });
  });
  test("the image is what was loaded, as long as another one is only wanted", () => {
    const kernelVersion = "5.14.0";
    const [was, want] = ["a", "b"].map((containerImage) => entry({ containerImage, kernelVersion }));
    expect(facts(nmc([want!], [was!])).image).toBe("a");
    expect(facts(nmc([want!], [])).image).toBe("b");
  });
  test("an image was loaded only for the kernel that the node runs", () => {
    const imageFor = (kernelVersion: string) => facts(nmc([], [entry({ ...a, kernelVersion })])).image;
    expect([imageFor("5.14.0"), imageFor("5.15.0")]).toEqual(["a", undefined]);
  });
  test("the version is what NodeModulesConfig says, else KMM's label, else ours", () => {
    const loaded = (extra: object, on: object) => facts(nmc([entry(a)], [entry(a, extra)]), [], on as never).ready;
    const ready = { "kmm.node.kubernetes.io/ns.m.ready": "" };
    const ours = { ...ready, "kmm.node.kubernetes.io/version-module.ns.m": "v7" };
    expect(loaded({ version: "v9" }, labels)).toBe("v9");
    expect(loaded({}, { ...ours, ...labels })).toBe("v2");
    // Loaded by KMM 2.4 or earlier, before KMM itself was upgraded: it sets `.version.ready` only with `.ready`.
    expect(loaded({}, ours)).toBe("v7");
    expect(loaded({ version: "v8" }, ours)).toBe("v8");
  });
  test("the end of a worker's log is quoted", () => {
    const failed = { containerStatuses: [{ name: "worker", state: { waiting: { reason: "CrashLoopBackOff" } } }] };
    const { failure, present } = facts(undefined, [worker("Unload", failed)]);
    expect(present).toBeTrue();
    expect(failure).toEqual({
      reason: "ModuleUnloadFailed",
      message: "Pod w: container worker: CrashLoopBackOff; its log ends: modprobe: FATAL",
    });
  });
  test("a worker that runs again after a crash has still failed, or a halt would not hold", () => {
    const status = (exitCode: number): object => ({
      containerStatuses: [{ name: "worker", state: { running: {} }, lastState: { terminated: { exitCode } } }],
    });
    const trimmed = trimPod(worker("Load", status(1)) as Pod);
    expect(facts(undefined, [trimmed]).failure).toEqual({
      reason: "ModuleLoadFailed",
      message: "Pod w: container worker: running again after exit code 1; its log ends: modprobe: FATAL",
    });
    expect(facts(undefined, [worker("Load", status(0))]).failure).toBeUndefined();
  });
});
