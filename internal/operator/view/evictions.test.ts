import { describe, expect, test } from "bun:test";
import type { Pod } from "../../api/core.ts";
import { ApiError, ConnectionError } from "../../kube/errors.ts";
import type { ObjectRef } from "../../kube/resource.ts";
import { askEvictions } from "./evictions.ts";

const { signal } = new AbortController();
const pod = (name: string, namespace = "a", changes: object = {}): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace, name, uid: `uid-${name}`, ...changes },
});

interface Call {
  ref: ObjectRef;
  options: object;
}

/** An API server that refuses some pods, by name. */
function server(refusals: Record<string, Error>): {
  calls: Call[];
  evict: (ref: ObjectRef, options?: object) => Promise<"evicted">;
} {
  const calls: Call[] = [];
  return {
    calls,
    evict: async (ref, options = {}) => {
      calls.push({ ref, options });
      const refusal = refusals[ref.name];
      if (refusal) throw refusal;
      return "evicted";
    },
  };
}
const budget = new ApiError("evict", 429, {
  message: "Cannot evict pod as it would violate the pod's disruption budget.",
  details: { causes: [{ reason: "DisruptionBudget", message: "The disruption budget web needs 2 healthy pods." }] },
});
const two = new ApiError("evict", 500, { message: "This pod has more than one PodDisruptionBudget" });
const noRight = new ApiError("evict", 403, {
  message:
    'pods "x" is forbidden: User "u" cannot create resource "pods/eviction" in API group "" in the namespace "b"',
});
const policy = new ApiError("evict", 403, { message: "admission webhook denied the request: not today" });

test("the API server is asked about every pod, as a dry run, and its words are kept", async () => {
  const api = server({ held: budget, twice: two, denied: policy });
  const pods = [pod("free"), pod("held"), pod("twice"), pod("denied")];
  const { refusals, gap } = await askEvictions(api, pods, signal);
  expect(gap).toBeUndefined();
  expect(Object.fromEntries(refusals)).toEqual({
    "uid-free": "",
    "uid-held": "The disruption budget web needs 2 healthy pods",
    "uid-twice": "Cannot evict: This pod has more than one PodDisruptionBudget",
    "uid-denied": "Cannot evict: admission webhook denied the request: not today",
  });
  expect(api.calls).toHaveLength(4);
  for (const { options } of api.calls) expect(options).toMatchObject({ dryRun: true });
});

test("pods on their way out are not asked about", async () => {
  const api = server({});
  await askEvictions(api, [pod("gone", "a", { deletionTimestamp: "2026-01-01T00:00:00Z" })], signal);
  expect(api.calls).toEqual([]);
});

describe("what could not be asked is said", () => {
  test("without the right in a namespace, in which no more is asked then", async () => {
    const names = Array.from({ length: 100 }, (_, i) => `p${i}`);
    const api = server(Object.fromEntries(names.map((name) => [name, noRight])));
    const pods = [...names.map((name) => pod(name, "b")), pod("free")];
    const { refusals, gap } = await askEvictions(api, pods, signal);
    expect(gap).toContain(
      "without the right to create pods/eviction in namespace b: budgets there are judged by their status",
    );
    expect([...refusals]).toEqual([["uid-free", ""]]);
    expect(api.calls.length).toBeLessThan(20);
  });
  test("of more pods than are asked about", async () => {
    const api = server({});
    const pods = Array.from({ length: 700 }, (_, i) => pod(`p${i}`));
    const { refusals, gap } = await askEvictions(api, pods, signal);
    expect(refusals.size).toBe(500);
    expect(gap).toContain("of 500 pods only, of 700");
  });
});

test("an API server that does not answer is an error", () => {
  const away = new ConnectionError("evict", "https://x", "ECONNREFUSED", "refused");
  expect(askEvictions(server({ a: away }), [pod("a")], signal)).rejects.toThrow(away);
});
