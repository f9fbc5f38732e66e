import { expect, test } from "bun:test";
import { Store } from "../../kube/store.ts";
import type { RawOnload } from "../cache/caches.ts";
import { observeClaims } from "./cluster.ts";
import { claimsOn, ownershipOf } from "./ownership.ts";

test.each([
  ["labels", { pool: "trade" }, 1],
  ["no labels, which would select every node", {}, 0],
  ["a list", [], 0],
  ["a flag", true, 0],
  ["a text", "pool=trade", 0],
  ["a label that is no text", { pool: 1 }, 0],
  ["nothing", undefined, 0],
])("a resource whose selector is %s claims nodes: %#", (_name, selector, claims) => {
  const store = new Store<RawOnload>();
  const metadata = { namespace: "ns", name: "o" };
  store.set({ apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata, spec: { selector } });
  const all = observeClaims({ onloads: { store } });
  const node = (labels: Record<string, string>) => ({
    apiVersion: "v1",
    kind: "Node" as const,
    metadata: { name: "n", labels },
  });
  const claimed = [{}, { pool: "trade" }, { pool: "1" }].flatMap((labels) => claimsOn(node(labels), all));
  expect(claimed).toHaveLength(claims);
  // What it has on a node is its own all the same, and keeps others away.
  const touched = node({ "onload.amd.com/ns.o": "v1" });
  expect(ownershipOf(touched, { namespace: "ns", name: "other" }, all).blockedBy).toBe("ns/o");
});
