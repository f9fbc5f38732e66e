/** What is wrong with a resource before any node is looked at. */
import { describe, expect, test } from "bun:test";
import type { KubeObject } from "../../api/core.ts";
import type { Onload } from "../../api/onload.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { heldBackProblems, readOnload, ServiceAccountCheck, withoutSpec } from "./preflight.ts";

const spec = {
  selector: { pool: "trade" },
  serviceAccountName: "sa",
  onload: { kernelMappings: [{ regexp: ".*", kernelModuleImage: "i" }], userImage: "u", version: "v2" },
};
const raw = (changes: object = {}, name = "main"): KubeObject & { spec: unknown } => ({
  apiVersion: "onload.amd.com/v1alpha1",
  kind: "Onload",
  metadata: { namespace: "ns", name },
  spec: { ...spec, ...changes },
});

test("a resource as it should be has no problem", () => {
  expect(readOnload(raw()).problem).toBeUndefined();
  const devicePlugin = {
    hostOnloadPath: "/opt/x",
    kubeletDir: "/var/lib/k/device-plugins",
    podResourcesDir: "/var/lib/k/pod-resources",
  };
  expect(readOnload(raw({ devicePlugin })).problem).toBeUndefined();
});

test.each<[string, object, string]>([
  ["an empty selector", { selector: {} }, "spec.selector is empty"],
  ["a selector with a key that no label has", { selector: { "a b": "" } }, 'spec.selector has the key "a b"'],
  [
    "a folder for Onload that is the system's",
    { devicePlugin: { hostOnloadPath: "/etc" } },
    "spec.devicePlugin.hostOnloadPath",
  ],
  ["a folder of the kubelet that is none", { devicePlugin: { kubeletDir: "/" } }, "spec.devicePlugin.kubeletDir"],
  [
    "a folder for its socket that is none",
    { devicePlugin: { podResourcesDir: "/" } },
    "spec.devicePlugin.podResourcesDir",
  ],
])("%s is named, and what else there is of the resource is read", (_what, changes, message) => {
  const { onload, problem } = readOnload(raw(changes));
  expect(problem?.reason).toBe("InvalidSpec");
  expect(problem?.message).toStartWith(message);
  expect(onload?.spec.onload.version).toBe("v2");
});

test("a spec without the form of one is not read at all", () => {
  const { onload, problem } = readOnload(raw({ onload: { version: 7 } }));
  expect(onload).toBeUndefined();
  expect(problem).toMatchObject({ reason: "InvalidSpec" });
});

test("a resource that is cleaned although its spec cannot be read is of the version that its status has", () => {
  expect(withoutSpec({ ...raw(), status: { version: "v1" } }).spec.onload.version).toBe("v1");
  expect(withoutSpec(raw()).spec).toMatchObject({ selector: {}, onload: { version: "unknown" } });
});

test("changes that are held back are one problem, and none is none", () => {
  expect(heldBackProblems([])).toEqual([]);
  const [problem, ...more] = heldBackProblems(["a", "b"]);
  expect(more).toEqual([]);
  expect(problem).toMatchObject({ reason: "ChangeHeldBack" });
  expect(problem!.message).toContain("on all nodes at once: a, b; change spec.onload.version");
});

describe("the ServiceAccount", () => {
  /** What is found under which names, and how it was asked. */
  function cluster(...names: string[]) {
    const asked: { name: string; options: object }[] = [];
    const exists = new Set(names);
    const client = {
      get: (_: unknown, { name }: { name: string }, options: object) => {
        asked.push({ name, options });
        return Promise.resolve(exists.has(name) ? {} : undefined);
      },
    } as unknown as Pick<ClusterClient, "get">;
    return { asked, exists, client };
  }
  const onload = (name: string): Onload => readOnload(raw({ serviceAccountName: name })).onload!;
  const { signal } = new AbortController();

  test("of another name is looked up at once, and within a time of its own", async () => {
    const { client, asked } = cluster("a");
    const check = new ServiceAccountCheck();
    expect(await check.problem(client, onload("a"), 0, signal)).toBeUndefined();
    const problem = await check.problem(client, onload("b"), 1, signal);
    expect(problem).toMatchObject({ reason: "ServiceAccountMissing" });
    expect(problem!.message).toContain('"b" does not exist in namespace "ns"');
    expect(asked.map(({ name }) => name)).toEqual(["a", "b"]);
    for (const { options } of asked) expect(options).toMatchObject({ timeoutMs: 5000, signal });
  });
  test("that is found is looked up again after five minutes, and one that is not after five seconds", async () => {
    const { client, asked, exists } = cluster();
    const check = new ServiceAccountCheck();
    const at = async (ms: number): Promise<[boolean, number]> => {
      const problem = await check.problem(client, onload("a"), ms, signal);
      return [problem !== undefined, asked.length];
    };
    expect([await at(0), await at(4999), await at(5000)]).toEqual([
      [true, 1],
      [true, 1],
      [true, 2],
    ]);
    exists.add("a");
    expect([await at(9999), await at(10_000), await at(309_999)]).toEqual([
      [true, 2],
      [false, 3],
      [false, 3],
    ]);
    exists.clear();
    expect(await at(310_000)).toEqual([true, 4]);
  });
  test("need not be named", async () => {
    const { client, asked } = cluster();
    expect(await new ServiceAccountCheck().problem(client, onload(""), 0, signal)).toBeUndefined();
    expect(asked).toEqual([]);
  });
  test("that cannot be read is a problem that passes, unless it is time to stop", async () => {
    const client = { get: () => Promise.reject(new Error("no route")) } as unknown as Pick<ClusterClient, "get">;
    const found = await new ServiceAccountCheck().problem(client, onload("a"), 0, signal);
    expect(found).toEqual({
      reason: "ServiceAccountUnknown",
      message: "no route; it is read again in a few seconds",
    });
    const stop = AbortSignal.abort(new Error("stop"));
    await expect(new ServiceAccountCheck().problem(client, onload("a"), 0, stop)).rejects.toThrow("stop");
  });
});
