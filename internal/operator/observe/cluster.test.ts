import { expect, test } from "bun:test";
import { Store } from "../../kube/store.ts";
import type { RawOnload } from "../cache/caches.ts";
import { observeClaims } from "./cluster.ts";

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
  expect(observeClaims({ onloads: { store } })).toHaveLength(claims);
});
