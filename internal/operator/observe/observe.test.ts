import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import type { KmmCapabilities, NodeModulesConfig } from "../../api/kmm.ts";
import { KMM_1, KMM_2 } from "../testing/world.ts";
import { trimPod } from "../cache/trim.ts";
import { holderOf, holdsOnload } from "../cache/holders.ts";
import { moduleFacts, type KmmView } from "../kmm/module-facts.ts";
import { mappingFor } from "../kmm/module-config.ts";
import { nodeFacts, type ResourceView } from "./node-facts.ts";
import { carriesLabels, claimsOn, type Claim } from "./ownership.ts";
import { podFailure } from "../cache/pods.ts";

type Deep = DeepReadonly<Pod>;
const pod = (part: object): Deep =>
  ({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "ns" }, ...part }) as Deep;
const limits = (amount: number | string) => ({ name: "c", resources: { limits: { "amd.com/onload": amount } } });

describe("who holds amd.com/onload", () => {
  test.each([
    ["a container", { containers: [limits(1)] }, true],
    ["a request alone", { containers: [{ name: "c", resources: { requests: { "amd.com/onload": "2" } } }] }, true],
    ["an init container", { containers: [{ name: "c" }], initContainers: [limits("1")] }, true],
    ["a sidecar", { containers: [{ name: "c" }], initContainers: [{ ...limits(1), restartPolicy: "Always" }] }, true],
    ["an amount of zero", { containers: [limits("0")] }, false],
    ["another resource", { containers: [{ name: "c", resources: { limits: { cpu: "1" } } }] }, false],
    ["a quantity with a suffix", { containers: [limits("1k")] }, true],
  ])("%s", (_name, spec, expected) => {
    expect(holdsOnload(pod({ spec }))).toBe(expected);
  });

  const spec = { containers: [limits(1)] };
  const owned = (kind: string): object => ({ name: "p", ownerReferences: [{ kind, name: "x", controller: true }] });
  test.each([
    ["of a ReplicaSet", { spec, metadata: owned("ReplicaSet") }, false, true],
    ["of nobody", { spec }, false, false],
    ["of nobody, forced", { spec }, true, true],
    ["of a DaemonSet", { spec, metadata: owned("DaemonSet") }, false, false],
    ["of a DaemonSet, forced", { spec, metadata: owned("DaemonSet") }, true, true],
    ["static", { spec, metadata: { name: "p", annotations: { "kubernetes.io/config.mirror": "x" } } }, true, false],
  ])("a pod %s", (_name, part, force, evictable) => {
    const holder = holderOf(pod(part), force)!;
    expect(holder.evictable).toBe(evictable);
    expect(holder.refusal === undefined).toBe(evictable);
  });
  test.each(["Succeeded", "Failed"])("a pod that has %s holds nothing", (phase) => {
    expect(holderOf(pod({ spec, status: { phase } }), false)).toBeUndefined();
  });
});

describe("what failed in a pod", () => {
  const waiting = (reason: string, message = "m", lastState: object = {}): Deep =>
    pod({ status: { containerStatuses: [{ name: "c", state: { waiting: { reason, message } }, lastState }] } });
  test.each([
    ["ImagePullBackOff", "image"],
    ["InvalidImageName", "image"],
    ["CrashLoopBackOff", "run"],
    ["PostStartHookError", "run"],
  ])("%s", (reason, kind) => {
    expect(podFailure(waiting(reason))).toMatchObject({ kind, message: `Pod p: container c: ${reason}: m` });
  });
  test.each(["ContainerCreating", "PodInitializing", "ErrImagePull"])("%s is none yet", (reason) => {
    expect(podFailure(waiting(reason))).toBeUndefined();
  });
  test("the exit code and message of what crashed are quoted", () => {
    const crashed = waiting("CrashLoopBackOff", "back-off", {
      terminated: { exitCode: 1, message: "modprobe:\n FATAL" },
    });
    expect(podFailure(crashed)?.message).toBe("Pod p: container c: CrashLoopBackOff: exit code 1: modprobe: FATAL");
  });
  test("a hook's own words are taken from what the kubelet says of it", () => {
    const message = `Exec lifecycle hook ([/bin/sh -c modprobe onload]) for Container "c" in Pod "p_n(u)" failed - error: command '/bin/sh' exited with 1: , message: "modprobe: ERROR: could not insert 'onload':\\n\\t\\"Invalid\\"\\n"`;
    const ended = { terminated: { exitCode: 143 } };
    expect(podFailure(waiting("PostStartHookError", message, ended))).toEqual({
      kind: "run",
      container: "c",
      message: "Pod p: container c: PostStartHookError: exit code 143",
      said: `modprobe: ERROR: could not insert 'onload': | "Invalid"`,
    });
  });
  test("a pod that is ended by a signal on its way out has not failed", () => {
    const containerStatuses = [{ name: "c", state: { terminated: { exitCode: 143 } } }];
    const metadata = { name: "p", deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(podFailure(pod({ metadata, status: { containerStatuses } }))).toBeUndefined();
  });
  test("a pod that failed as a whole", () => {
    expect(podFailure(pod({ status: { phase: "Failed", reason: "Evicted", message: "disk" } }))?.message).toBe(
      "Pod p: Evicted: disk",
    );
  });
  test("a container that ended well has not failed", () => {
    expect(
      podFailure(pod({ status: { initContainerStatuses: [{ name: "i", state: { terminated: { exitCode: 0 } } }] } })),
    ).toBeUndefined();
  });
});

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
  const view = (pods: Deep[], labels: Record<string, string>): KmmView => ({
    kmm: KMM_1,
    namespace: "ns",
    module: "m",
    node: node(labels),
    pods,
    nmc: undefined,
    lastWords: new Map(),
  });
  test.each([
    ["no loader pod", [], labelled, false, undefined],
    ["loader ready, node labelled", [loader(true)], labelled, true, "v1"],
    ["loader ready, and KMM has lost the node's label", [loader(true)], {}, true, "v1"],
    ["loader not ready, an old label", [loader(false)], labelled, true, undefined],
    ["loader on its way out", [loader(true, { deletionTimestamp: "2026-01-01T00:00:00Z" })], labelled, true, undefined],
  ])("%s", (_name, pods, labels, present, ready) => {
    expect(moduleFacts(view(pods, labels))).toMatchObject({ present, ready });
  });
  test("the Module's selector is what the loader pod has of it, also when the pod is kept short", () => {
    const nodeSelector = {
      "latch.onload.amd.com/ns.m": "on",
      worker: "",
      "kmm.node.kubernetes.io/kernel-version.full": "5.14.0",
      [version]: "v1",
    };
    const made = trimPod({ ...loader(true), spec: { nodeName: "n", nodeSelector } } as unknown as Pod);
    expect(moduleFacts(view([made], labelled)).selector).toEqual({ "latch.onload.amd.com/ns.m": "on", worker: "" });
    expect(moduleFacts(view([], labelled)).selector).toBeUndefined();
  });
  test("a loader of another Module or namespace is not this one's", () => {
    const other = loader(true, { namespace: "other" });
    expect(moduleFacts(view([other], labelled)).present).toBeFalse();
  });
});

describe("KMM 2", () => {
  const entry = (config: object, extra: object = {}): object => ({ namespace: "ns", name: "m", config, ...extra });
  const nmc = (spec: object[], status: object[]): DeepReadonly<NodeModulesConfig> =>
    ({ metadata: { name: "n" }, spec: { modules: spec }, status: { modules: status } }) as never;
  const labels = { "kmm.node.kubernetes.io/ns.m.ready": "", "kmm.node.kubernetes.io/ns.m.version.ready": "v2" };
  const a = { containerImage: "a" };
  const facts = (config: DeepReadonly<NodeModulesConfig> | undefined, pods: Deep[] = [], on = labels) =>
    moduleFacts({
      kmm: KMM_2,
      namespace: "ns",
      module: "m",
      node: node(on),
      pods,
      nmc: config,
      lastWords: new Map([["u", "modprobe: FATAL"]]),
    });
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
  test("a worker's last words are quoted", () => {
    const failed = { containerStatuses: [{ name: "worker", state: { waiting: { reason: "CrashLoopBackOff" } } }] };
    const { failure, present } = facts(undefined, [worker("Unload", failed)]);
    expect(present).toBeTrue();
    expect(failure).toEqual({
      reason: "ModuleUnloadFailed",
      message: "Pod w: container worker: CrashLoopBackOff; its last words: modprobe: FATAL",
    });
  });
  test("a worker that runs again after a crash has still failed, or a halt would not hold", () => {
    const status = (exitCode: number): object => ({
      containerStatuses: [{ name: "worker", state: { running: {} }, lastState: { terminated: { exitCode } } }],
    });
    const trimmed = trimPod(worker("Load", status(1)) as Pod);
    expect(facts(undefined, [trimmed]).failure).toEqual({
      reason: "ModuleLoadFailed",
      message: "Pod w: container worker: running again after exit code 1; its last words: modprobe: FATAL",
    });
    expect(facts(undefined, [worker("Load", status(0))]).failure).toBeUndefined();
  });
});

describe("kernel mappings", () => {
  const module = (...regexps: string[]) =>
    ({
      spec: {
        moduleLoader: { container: { kernelMappings: regexps.map((regexp) => ({ regexp, containerImage: regexp })) } },
      },
    }) as never;
  test.each([
    ["the first that matches, not anchored", ["^6", "14"], "5.14.0", "14"],
    ["one trailing + does not count", ["^5\\.14\\.0$"], "5.14.0+", "^5\\.14\\.0$"],
    ["none", ["^6"], "5.14.0", undefined],
    ["beyond JavaScript: KMM decides", ["(?P<a>5)"], "5.14.0", "(?P<a>5)"],
  ])("%s", (_name, regexps, kernel, image) => {
    expect(mappingFor(module(...regexps), kernel)?.containerImage).toBe(image);
  });
});

describe("ownership", () => {
  const claim = (name: string, created: string, changes: Partial<Claim> = {}): Claim => ({
    namespace: "ns",
    name,
    selector: { a: "b" },
    created,
    deleting: false,
    ...changes,
  });
  const names = (claims: Claim[]): string[] => claimsOn(node({ a: "b" }), claims).map(({ name }) => name);
  test("the older keeps the node, then the first by name", () => {
    expect(names([claim("y", "2026-01-02"), claim("x", "2026-01-02"), claim("z", "2026-01-01")])).toEqual([
      "z",
      "x",
      "y",
    ]);
  });
  test("a resource that is being deleted claims nothing", () => {
    expect(names([claim("x", "2026-01-01", { deleting: true }), claim("y", "2026-01-02")])).toEqual(["y"]);
  });
  test("a node that is not selected belongs to nobody", () => {
    expect(names([claim("x", "2026-01-01", { selector: { a: "c" } })])).toEqual([]);
  });

  const key = { namespace: "ns", name: "x" };
  const view = (claims: Claim[], kmm: KmmCapabilities): ResourceView => ({
    key,
    version: "v1",
    modules: { onload: undefined, sfc: undefined },
    images: undefined,
    template: undefined,
    kmm,
    claims,
    machineConfigs: [],
    ownNode: undefined,
  });
  const seen = (claims: Claim[], labels: Record<string, string>, kmm = KMM_1) =>
    nodeFacts(
      { node: node(labels), plugins: [], kmmPods: [], nmc: undefined, holders: undefined, lastWords: new Map() },
      view(claims, kmm),
    );
  test("a module whose latch is off has no label, but the node still belongs to its resource", () => {
    const labels = { "kmm.node.kubernetes.io/version-module.ns.x-module": "v1" };
    const off = { ...labels, "latch.onload.amd.com/ns.x-module": "off" };
    expect(seen([], labels)).toMatchObject({ labels: { onload: "v1" }, latches: { onload: { stands: undefined } } });
    expect(seen([], off)).toMatchObject({ labels: { onload: undefined }, latches: { onload: { stands: "off" } } });
    expect(carriesLabels(node({ "latch.onload.amd.com/ns.x-module": "off" }), key)).toBeTrue();
    // KMM 2 does not know it: where it took over in the middle of an upgrade, the version label counts again.
    expect(seen([], off, KMM_2)).toMatchObject({ labels: { onload: "v1" }, latches: { onload: { stands: "off" } } });
  });
  test("the facts name who keeps the node, and who has to leave first", () => {
    const claims = [claim("x", "2026-01-02"), claim("older", "2026-01-01")];
    expect(seen(claims, { a: "b" })).toMatchObject({ want: undefined, keptBy: "ns/older", claimed: true });
    const left = seen([claim("x", "2026-01-01"), claim("gone", "2026-01-02", { deleting: true })], {
      a: "b",
      "onload.amd.com/ns.gone": "v9",
    });
    expect(left).toMatchObject({ want: "v1", keptBy: undefined, claimed: false, blockedBy: "ns/gone" });
    const going = [claim("x", "2026-01-01", { deleting: true })];
    expect(seen([...going, claim("next", "2026-01-02")], { a: "b" })).toMatchObject({ want: undefined, claimed: true });
    expect(seen(going, { a: "b" })).toMatchObject({ want: undefined, claimed: false });
  });
});
