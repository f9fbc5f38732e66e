import { describe, expect, test } from "bun:test";
import type { Pod } from "../../api/core.ts";
import { devicePluginName, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import { Store } from "../../kube/store.ts";
import { bare, module, NOW, plugin, whole } from "../testing/facts.ts";
import { FailureLogs, READ_AGAIN_MS } from "./failure-logs.ts";
import { refusalIn, SILENT_MS, silentPlugins } from "./plugin-logs.ts";

const KEY = { namespace: "ns", name: "o" };
const line = (msg: string, problems?: unknown): string => JSON.stringify({ level: "warn", msg, problems });

describe("why a plugin offers nothing", () => {
  test.each<[string, string, string | undefined]>([
    ["nothing is said", "", undefined],
    ["it said so last", `${line("Devices are healthy")}\n${line("Devices are unhealthy", ["No NIC"])}\n`, "No NIC"],
    [
      "it said so, and other things since",
      `${line("Devices are unhealthy", ["a", "b"])}\n${line("Registered")}`,
      "a; b",
    ],
    ["it was so once", `${line("Devices are unhealthy", ["No NIC"])}\n${line("Devices are healthy")}`, undefined],
    ["lines are cut, or other software's", `:"x"}\npanic\n[1]\nnull\n${line("Devices are unhealthy", ["x"])}`, "x"],
    ["the problems are none", line("Devices are unhealthy", "No NIC"), undefined],
    ["the problems are no texts", line("Devices are unhealthy", [1, {}]), undefined],
    ["it would colour the terminal", line("Devices are unhealthy", ["\u001b[31mNo\nNIC"]), "[31mNo NIC"],
  ])("%s", (_what, log, why) => {
    expect(refusalIn(log)).toBe(why);
  });
  test("has an end", () => {
    expect(refusalIn(line("Devices are unhealthy", ["x".repeat(10_000)]))!.length).toBeLessThanOrEqual(600);
  });
});

function pod(): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "ns", name: "p", uid: "u", labels: { [PLUGIN_NAME_LABEL]: devicePluginName("o") } },
    spec: { nodeName: "node-1" },
    status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
  };
}

function caches() {
  const store = new Store<Pod, "node">({ node: ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []) });
  store.set(pod());
  return { plugins: { store } };
}

describe("a plugin is asked", () => {
  const silent = whole("v2", { allocatable: 0, plugin: { ...plugin(), since: NOW - SILENT_MS } });
  const asked = (changes: object): [number, number | undefined] => {
    const { pods, againMs } = silentPlugins([{ ...silent, ...changes }], KEY, caches(), NOW);
    return [pods.length, againMs];
  };
  test("if it is Ready and offers nothing", () => expect(asked({})).toEqual([1, undefined]));
  test.each<[string, object]>([
    ["it offers some", { allocatable: 1 }],
    ["it is not Ready", { plugin: plugin(false) }],
    ["the node is not Ready", { ready: false }],
    ["the module is not loaded", { onload: module() }],
    ["the node is to run nothing", { want: undefined }],
    ["it is not wanted yet", { labels: bare().labels }],
  ])("not if %s", (_what, changes) => expect(asked(changes)).toEqual([0, undefined]));
  test("not in its first seconds, in which the kubelet takes notice", () => {
    expect(asked({ plugin: { ...plugin(), since: NOW - SILENT_MS + 1 } })).toEqual([0, SILENT_MS]);
  });
  test("on no more nodes than a status lists", () => {
    const nodes = Array.from({ length: 30 }, () => silent);
    expect(silentPlugins(nodes, KEY, caches(), NOW).pods).toHaveLength(10);
  });
  test("now and then, as long as it offers nothing", async () => {
    const logs = new FailureLogs();
    let text = line("Devices are unhealthy", ["No NIC"]);
    let reads = 0;
    const client = { podLog: () => (reads++, Promise.resolve(text)) } as never;
    const signal = new AbortController().signal;
    const collect = (monotonic: number) =>
      logs.collect(client, [], NOW, monotonic, signal, { pods: [pod()], againMs: undefined });
    expect(await collect(0)).toEqual({ changed: true, failed: false, againMs: READ_AGAIN_MS });
    expect(logs.logs.get("u")).toBe("No NIC");
    await collect(READ_AGAIN_MS - 1);
    expect(reads).toBe(1);
    text = line("Devices are healthy");
    expect((await collect(READ_AGAIN_MS)).changed).toBeTrue();
    expect(logs.logs.size).toBe(0);
  });
});
