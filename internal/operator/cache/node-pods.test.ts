import { expect, test } from "bun:test";
import type { Pod } from "../../api/core.ts";
import { FORCE_ANNOTATION, ONLOAD_RESOURCE, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import { holderOf, MIRROR_ANNOTATION } from "./holders.ts";
import { MAX_WATCHES_OF_WAITING, NodePods } from "./node-pods.ts";

const pod = (name: string, phase: string, labels: Record<string, string> = {}): Pod =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "ns", name, uid: name, labels },
    spec: { nodeName: "n1", containers: [{ name: "c", resources: { limits: { [ONLOAD_RESOURCE]: "1" } } }] },
    status: { phase },
  }) as unknown as Pod;

/** The pods of a node that are listed when it is looked at, and which nodes are watched then. */
function looking(items: Pod[]): { pods: NodePods; watched: Set<string> } {
  const watched = new Set<string>();
  const pods = new NodePods(
    {
      list: async (_, options) => ({ items: items.map(options!.transform as never), resourceVersion: "1" }) as never,
    },
    (node) => {
      watched.add(node);
      return {
        hasSynced: true,
        store: { list: () => items },
        stop: () => void watched.delete(node),
        ended: Promise.resolve(),
      };
    },
    () => undefined,
  );
  return { pods, watched };
}
const signal = new AbortController().signal;
const names = (pods: readonly { metadata: { name: string } }[] | undefined): string[] | undefined =>
  pods?.map(({ metadata }) => metadata.name);

test("pods that have ended are in nobody's way, and the node is not watched for them", async () => {
  const { pods, watched } = looking([pod("done", "Succeeded"), pod("failed", "Failed")]);
  expect(await pods.inspect("n1", signal)).toEqual([]);
  expect(pods.holders("n1")).toEqual([]);
  expect([...watched]).toEqual([]);
});

test("their labels are kept, because disruption budgets go by them", async () => {
  const { pods } = looking([pod("app", "Running", { app: "feed" })]);
  const [found] = await pods.inspect("n1", signal);
  expect(found?.metadata.labels).toEqual({ app: "feed" });
});

test("of pods as large as the API server takes, which anybody may put onto a node, little is kept", async () => {
  const large = "x".repeat(200_000);
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`key${i}`, "x".repeat(60)]));
  const grown = ({ metadata, spec, status }: Pod): Pod => {
    const owners = Array.from({ length: 1000 }, (_, i) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      name: `o${i}`,
      uid: "u",
    }));
    const controller = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "app", uid: "u", controller: true };
    const annotations = { ...many(1000), [FORCE_ANNOTATION]: "true", large };
    const [container] = spec!.containers!;
    const holding = { ...container!, env: [{ name: "A", value: large }] };
    const others = Array.from({ length: 2000 }, (_, i) => ({ name: `c${i}`, image: large.slice(0, 100) }));
    return {
      ...({ apiVersion: "v1", kind: "Pod" } as const),
      metadata: {
        ...metadata,
        labels: { ...metadata.labels, ...many(5000) },
        annotations,
        ownerReferences: [...owners, controller],
      },
      spec: { ...spec, containers: [...others, holding] },
      status: { ...status, message: large },
    };
  };
  const app = grown(pod("app", "Running"));
  const other = grown(pod("other", "Succeeded", { [PLUGIN_NAME_LABEL]: "a-plugin" }));
  expect(JSON.stringify(app).length).toBeGreaterThan(1_000_000);
  const kept: unknown[] = [];
  const pods = new NodePods(
    {
      list: async (_, options) => {
        kept.push(...[app, other].map(options!.transform as never));
        return { items: kept, resourceVersion: "1" } as never;
      },
    },
    () => ({ hasSynced: false, store: { list: () => [] }, stop: () => undefined, ended: Promise.resolve() }),
    () => undefined,
  );
  const [found] = await pods.inspect("n1", signal);
  expect(JSON.stringify(kept[0]).length).toBeLessThan(50_000);
  expect(JSON.stringify(kept[1]).length).toBeLessThan(500);
  expect(pods.holders("n1", "ns/a-plugin")).toBeUndefined();
  // What is decided on it is the same.
  for (const asked of [true, false]) {
    const force = { asked, mayIn: () => false };
    expect(holderOf(found!, force)).toEqual(holderOf(app, force));
  }
  // Those few texts that are kept are anybody's, too.
  const [owner] = app.metadata.ownerReferences!;
  const wordy = {
    ...app,
    metadata: {
      ...app.metadata,
      annotations: { [MIRROR_ANNOTATION]: large, [FORCE_ANNOTATION]: large },
      ownerReferences: [{ ...owner!, kind: large, name: large, uid: large, controller: true }],
    },
  };
  expect(JSON.stringify((await looking([wordy]).pods.inspect("n1", signal))[0]).length).toBeLessThan(50_000);
  const mirror = { ...app, metadata: { ...app.metadata, annotations: { [MIRROR_ANNOTATION]: "x" } } };
  await expect(looking([mirror]).pods.inspect("n1", signal)).resolves.toMatchObject([
    { metadata: { annotations: { [MIRROR_ANNOTATION]: "x" } } },
  ]);
});

test("pods that end while the node is watched are in nobody's way either", async () => {
  const items = [pod("app", "Running"), pod("other", "Running")];
  const { pods, watched } = looking(items);
  expect(names(await pods.inspect("n1", signal))).toEqual(["app", "other"]);
  expect([...watched]).toEqual(["n1"]);
  items[0] = pod("app", "Succeeded");
  expect(names(pods.holders("n1"))).toEqual(["other"]);
  expect(names(await pods.inspect("n1", signal))).toEqual(["other"]);
  pods.forget("n1");
  expect(pods.holders("n1")).toBeUndefined();
  expect([...watched]).toEqual([]);
});

test("a list with a plugin's pod in it does not count for who wants that plugin gone, and does for others", async () => {
  const { pods } = looking([pod("app", "Running"), pod("plugin", "Running", { [PLUGIN_NAME_LABEL]: "a-plugin" })]);
  await pods.inspect("n1", signal);
  expect(pods.holders("n1", "ns/a-plugin")).toBeUndefined();
  expect(names(pods.holders("n1", "ns/b-plugin"))).toContain("app");
});

test("of nodes that wait for their turn only so many are watched, and each in its turn", async () => {
  const { pods, watched } = looking([pod("app", "Running")]);
  const waiting = Array.from({ length: 1000 }, (_, i) => `w${i}`);
  await Promise.all(waiting.map((node) => pods.inspect(node, signal, true)));
  expect(watched.size).toBe(MAX_WATCHES_OF_WAITING);
  const unwatched = waiting.find((node) => !watched.has(node))!;
  expect(names(pods.holders(unwatched))).toEqual(["app"]);
  expect(pods.isWatched(unwatched)).toBe(false);
  await pods.inspect(unwatched, signal);
  expect(pods.isWatched(unwatched)).toBe(true);
  // A place that is free goes to the next that is looked at.
  for (const node of [...watched].slice(0, 2)) pods.forget(node);
  const next = waiting.findLast((node) => !watched.has(node))!;
  await pods.inspect(next, signal, true);
  expect(pods.isWatched(next)).toBe(true);
});
