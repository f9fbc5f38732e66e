/** Whose a node is, if several resources select it. */
import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Node } from "../../api/core.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";
import { observeNode } from "./node.ts";
import { carriesLabels, ownershipOf, claimsOn, ownerOf, type Claim } from "./ownership.ts";

const node = (labels: Record<string, string> = {}): DeepReadonly<Node> => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "n", labels },
});

describe("ownership", () => {
  const claim = (name: string, created: string, changes: Partial<Claim> = {}): Claim => ({
    ...ownerOf({ namespace: "ns", name }),
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
  test("whoever has the node keeps it, whatever its age", () => {
    const claims = [claim("older", "2026-01-01"), claim("younger", "2026-01-02")];
    const had = node({ a: "b", "onload.amd.com/ns.younger": "v1" });
    expect(claimsOn(had, claims).map(({ name }) => name)).toEqual(["younger", "older"]);
    expect(ownershipOf(had, { namespace: "ns", name: "younger" }, claims)).toMatchObject({ owned: true });
    expect(ownershipOf(had, { namespace: "ns", name: "older" }, claims)).toMatchObject({
      owned: false,
      keptBy: "ns/younger",
    });
  });
  test("a resource that is being deleted claims nothing", () => {
    expect(names([claim("x", "2026-01-01", { deleting: true }), claim("y", "2026-01-02")])).toEqual(["y"]);
  });
  test("a node that is not selected belongs to no resource", () => {
    expect(names([claim("x", "2026-01-01", { selector: { a: "c" } })])).toEqual([]);
  });
  test("who does not select a node is not told who keeps it", () => {
    const claims = [claim("x", "2026-01-01", { selector: { a: "c" } }), claim("y", "2026-01-02")];
    expect(ownershipOf(node({ a: "b" }), { namespace: "ns", name: "x" }, claims)).toMatchObject({
      owned: false,
      keptBy: undefined,
      claimed: true,
    });
  });
  test.each([
    ["does not change", undefined, false],
    ["still selects it", { a: "b" }, false],
    ["selects others", { a: "c" }, true],
  ])("a node is let go if the selector of whoever keeps it %s", (_how, nextSelector, letGo) => {
    const claims = [claim("x", "2026-01-01", { nextSelector }), claim("y", "2026-01-02", { nextSelector: { z: "" } })];
    const seenBy = (name: string) => ownershipOf(node({ a: "b" }), { namespace: "ns", name }, claims);
    expect(seenBy("x")).toMatchObject({ owned: true, letGo });
    expect(seenBy("y")).toMatchObject({ owned: false, letGo: false });
  });
  test.each([
    "onload.amd.com/ns.x",
    "reminder.onload.amd.com/ns.x",
    "latch.onload.amd.com/ns.x-module",
    "latch.onload.amd.com/ns.x-sfcmod",
    "kmm.node.kubernetes.io/version-module.ns.x-module",
    "kmm.node.kubernetes.io/version-module.ns.x-sfcmod",
  ])("a node that carries %s is not free for others", (label) => {
    const claims = [claim("x", "2026-01-01", { deleting: true }), claim("y", "2026-01-02")];
    expect(ownershipOf(node({ a: "b", [label]: "v1" }), { namespace: "ns", name: "y" }, claims)).toMatchObject({
      owned: true,
      blockedBy: "ns/x",
    });
  });

  const key = { namespace: "ns", name: "x" };
  const seen = (claims: Claim[], labels: Record<string, string>, kmm = KMM_1) =>
    observeNode(
      { node: node(labels), plugins: [], kmmPods: [], nmc: undefined, holders: undefined, failureLogs: new Map() },
      { key, version: "v1", kmm, claims, machineConfigs: [], pools: [], refusals: {}, ownNode: undefined },
    );
  test("a module whose load label is off counts as not labelled, but the node still belongs to its resource", () => {
    const labels = { "kmm.node.kubernetes.io/version-module.ns.x-module": "v1" };
    const off = { ...labels, "latch.onload.amd.com/ns.x-module": "off" };
    expect(seen([], labels)).toMatchObject({ labels: { onload: "v1" }, loadLabels: { onload: { value: undefined } } });
    expect(seen([], off)).toMatchObject({ labels: { onload: undefined }, loadLabels: { onload: { value: "off" } } });
    expect(carriesLabels(node({ "latch.onload.amd.com/ns.x-module": "off" }), ownerOf(key))).toBeTrue();
    // KMM 2 does not know it: if it took over in the middle of an upgrade, the version label counts again.
    expect(seen([], off, KMM_2)).toMatchObject({ labels: { onload: "v1" }, loadLabels: { onload: { value: "off" } } });
  });
  test("an observation names who keeps the node, and who has to leave first", () => {
    const claims = [claim("x", "2026-01-02"), claim("older", "2026-01-01")];
    expect(seen(claims, { a: "b" })).toMatchObject({ want: undefined, keptBy: "ns/older", claimed: true });
    const left = seen([claim("x", "2026-01-01"), claim("gone", "2026-01-02", { deleting: true })], {
      a: "b",
      "onload.amd.com/ns.gone": "v9",
    });
    expect(left).toMatchObject({ want: "v1", keptBy: undefined, claimed: false, blockedBy: "ns/gone" });
    // KMM 2 unloads after the labels are off: while the step record is there, so may the drivers be.
    const annotations = { "onload.amd.com/ns.gone.step": "UnlabelSfc 2026-01-01T00:00:00Z 1" };
    const labelled = node({ a: "b" });
    const unloading = { ...labelled, metadata: { ...labelled.metadata, annotations } };
    expect(
      ownershipOf(unloading, key, [claim("x", "2026-01-01"), claim("gone", "2026-01-02", { deleting: true })]),
    ).toMatchObject({ owned: true, blockedBy: "ns/gone" });
    const going = [claim("x", "2026-01-01", { deleting: true })];
    expect(seen([...going, claim("next", "2026-01-02")], { a: "b" })).toMatchObject({ want: undefined, claimed: true });
    expect(seen(going, { a: "b" })).toMatchObject({ want: undefined, claimed: false });
  });
});
