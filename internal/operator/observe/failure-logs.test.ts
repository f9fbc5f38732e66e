/** Which logs and events of failed pods are read, how often and how much of them. */
import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { devicePluginName, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import type { Event } from "../../kube/kinds.ts";
import { Store } from "../../kube/store.ts";
import { secondTime } from "../../kube/times.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { noModule } from "../testing/facts.ts";
import { failedPods, FailureLogs } from "./failure-logs.ts";

const KEY = { namespace: "ns", name: "o" };
const NOW = Date.UTC(2026, 0, 1);
const { signal } = new AbortController();

const REFUSED = { waiting: { reason: "ImagePullBackOff", message: "401 Unauthorized" } };

/** A pod with one container at some state. */
function pod(
  name: string,
  state: object,
  more: { restarts?: number; init?: number; labels?: object; node?: string } = {},
) {
  const { restarts = 0, init, labels = {}, node } = more;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "ns", name, uid: name, labels },
    spec: { ...(node ? { nodeName: node } : {}), imagePullSecrets: [{ name: "regcred" }] },
    status: {
      phase: "Running",
      containerStatuses: [{ name: "c", restartCount: restarts, state }],
      ...(init === undefined ? {} : { initContainerStatuses: [{ name: "i", restartCount: init, state: {} }] }),
    },
  } as unknown as Pod;
}
const crashing = (name: string, restarts: number, init?: number): Pod =>
  pod(name, { waiting: { reason: "CrashLoopBackOff" } }, { restarts, ...(init === undefined ? {} : { init }) });

/** A cluster that has logs by pod, and events; and what it was asked. */
function cluster(logs: Record<string, string> = {}, events: Event[] = []) {
  const asked: { name: string; options: Record<string, unknown> }[] = [];
  const client = {
    podLog: ({ name }: { name: string }, options: Record<string, unknown>) => {
      asked.push({ name, options });
      return Promise.resolve(logs[name]);
    },
    list: (_: unknown, options: Record<string, unknown>) => {
      asked.push({ name: "events", options });
      return Promise.resolve({ items: events, resourceVersion: "1" });
    },
  } as unknown as Pick<ClusterClient, "podLog" | "list">;
  const failureLogs = new FailureLogs();
  const collect = (pods: Pod[], monotonic = 0) => failureLogs.collect(client, pods, NOW, monotonic, signal);
  return { collect, asked, logs, failureLogs };
}

describe("a log", () => {
  test("is read from its end, within a time of its own, and of the container's former run if there is one", async () => {
    const { collect, asked } = cluster({ a: "FATAL", b: "FATAL" });
    await collect([crashing("a", 0), crashing("b", 3)]);
    expect(asked.map(({ name, options }) => ({ name, ...options }))).toEqual(
      [false, true].map((previous, i) => ({
        name: "ab"[i]!,
        container: "c",
        previous,
        tailLines: 5,
        timeoutMs: 5000,
        signal,
      })),
    );
  });
  test("is read again once the pod has ended again, whichever container has", async () => {
    const { collect, asked } = cluster({ a: "FATAL" });
    for (const failed of [crashing("a", 1, 0), crashing("a", 1, 0), crashing("a", 1, 1), crashing("a", 2, 1)]) {
      await collect([failed]);
    }
    expect(asked).toHaveLength(3);
  });
  test("that is empty takes nothing from what is known", async () => {
    const { collect, logs, failureLogs } = cluster({ a: "FATAL" });
    await collect([crashing("a", 1)]);
    logs["a"] = "";
    expect(await collect([crashing("a", 2)])).toMatchObject({ changed: false, failed: false });
    expect([...failureLogs.logs]).toEqual([["a", "FATAL"]]);
  });
  test("is forgotten once those of two hundred other pods have been read", async () => {
    const many = Array.from({ length: 250 }, (_, i) => `p${i}`);
    const { collect, failureLogs } = cluster(Object.fromEntries(many.map((name) => [name, name])));
    await collect(many.map((name) => crashing(name, 1)));
    expect([...failureLogs.logs.keys()]).toEqual(many.slice(50));
  });
});

test("of the events about a Secret the last one counts, in whichever order they come", async () => {
  const event = (name: string, agoMs: number): Event => ({
    apiVersion: "v1",
    kind: "Event",
    metadata: { name },
    message: `Unable to retrieve some image pull secrets (${name}); attempting to pull the image may not succeed.`,
    lastTimestamp: secondTime(NOW - agoMs),
  });
  for (const events of [
    [event("old", 60_000), event("new", 1000)],
    [event("new", 1000), event("old", 60_000)],
  ]) {
    const { collect, failureLogs, asked } = cluster({}, events);
    await collect([pod("a", REFUSED)]);
    expect([...failureLogs.logs.values()]).toEqual([expect.stringContaining('"new"')]);
    expect(asked[0]!.options).toMatchObject({
      namespace: "ns",
      fieldSelector: "reason=FailedToRetrieveImagePullSecret,involvedObject.uid=a",
      atMost: 20,
      timeoutMs: 5000,
    });
  }
});

describe("of the pods of a resource", () => {
  const failure = { reason: "ModuleLoadFailed" as const, message: "m" };
  type Seen = Parameters<typeof failedPods>[0][number];
  const node = (name: string, changes: Partial<Seen> = {}): Seen => ({
    name,
    onload: noModule,
    sfc: noModule,
    plugin: { failure: undefined },
    ...changes,
  });
  const broken = { ...noModule, failure };
  const onNode = { node: ({ spec }: DeepReadonly<Pod>) => (spec?.nodeName ? [spec.nodeName] : []) };

  function caches(pods: { kmm?: Pod[]; plugins?: Pod[]; pulling?: Pod[] }) {
    const kmmPods = new Store<Pod, "node">(onNode);
    const plugins = new Store<Pod, "node">(onNode);
    const pullPods = new Store<Pod, "module">({ module: ({ metadata }) => [`ns/${metadata.labels!["of"]}`] });
    for (const each of pods.kmm ?? []) kmmPods.set(each);
    for (const each of pods.plugins ?? []) plugins.set(each);
    for (const each of pods.pulling ?? []) pullPods.set(each);
    return { kmmPods: { store: kmmPods }, plugins: { store: plugins }, pullPods: { store: pullPods } };
  }
  const loader = (name: string, of: string, on: string): Pod =>
    pod(name, {}, { labels: { "kmm.node.kubernetes.io/module.name": of }, node: on });
  const names = (nodes: Seen[], pods: Parameters<typeof caches>[0]): string[] =>
    failedPods(nodes, KEY, caches(pods)).map(({ metadata }) => metadata.name);

  test("those of both modules are looked at, on nodes where either has failed", () => {
    const kmm = ["a", "b", "c"].flatMap((on) => [loader(`${on}1`, "o-module", on), loader(`${on}2`, "o-sfcmod", on)]);
    expect(names([node("a", { onload: broken }), node("b", { sfc: broken }), node("c")], { kmm })).toEqual([
      "a1",
      "a2",
      "b1",
      "b2",
    ]);
  });
  test("those of the first ten nodes are, because no status lists more", () => {
    const all = Array.from({ length: 30 }, (_, i) => `n${i}`);
    const kmm = all.map((on) => loader(`on-${on}`, "o-module", on));
    const failed = all.map((name) => node(name, { onload: broken }));
    expect(names(failed, { kmm })).toHaveLength(10);
  });
  test("those by which KMM looks for images are, and the plugin's, if a registry refuses one", () => {
    const pulling = [
      pod("pull-onload", REFUSED, { labels: { of: "o-module" } }),
      pod("pull-sfc", REFUSED, { labels: { of: "o-sfcmod" } }),
      pod("pull-other", REFUSED, { labels: { of: "p-module" } }),
      pod("pull-slow", { waiting: { reason: "ContainerCreating" } }, { labels: { of: "o-module" } }),
    ];
    const labels = { [PLUGIN_NAME_LABEL]: devicePluginName("o") };
    const plugins = [
      pod("plugin-a", REFUSED, { labels, node: "a" }),
      pod("plugin-b", REFUSED, { labels, node: "b" }),
      pod("plugin-other", REFUSED, { labels: { [PLUGIN_NAME_LABEL]: devicePluginName("p") }, node: "a" }),
    ];
    const nodes = [node("a", { plugin: { failure } }), node("b")];
    expect(names(nodes, { pulling, plugins })).toEqual(["plugin-a", "pull-onload", "pull-sfc"]);
  });
});
