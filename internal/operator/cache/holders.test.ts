import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { forceRemedy, holderOf, holdsOnload, onloadAmount, type Force } from "./holders.ts";

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
    ["an amount that cannot be read", { containers: [limits("many")] }, true],
    ["a quantity with a suffix", { containers: [limits("1k")] }, true],
  ])("%s", (_name, spec, expected) => {
    expect(holdsOnload(pod({ spec }))).toBe(expected);
  });

  const spec = { containers: [limits(1)] };
  const owned = (kind: string): object => ({ name: "p", ownerReferences: [{ kind, name: "x", controller: true }] });
  const unforced: Force = { asked: false, mayIn: () => true };
  const forced: Force = { asked: true, mayIn: () => true };
  const elsewhere: Force = { asked: true, mayIn: () => false };
  const annotated = (name: string, value: string, metadata: object = {}): object => ({
    name: "p",
    ...metadata,
    annotations: { [name]: value },
  });
  const ALLOW = "onload.amd.com/allow-force-drain";
  test.each<[string, object, Force, boolean, boolean]>([
    ["of a ReplicaSet", { spec, metadata: owned("ReplicaSet") }, unforced, true, false],
    ["of a ReplicaSet, forced", { spec, metadata: owned("ReplicaSet") }, forced, true, true],
    ["of a ReplicaSet, forced without consent", { spec, metadata: owned("ReplicaSet") }, elsewhere, true, false],
    ["of nobody", { spec }, unforced, false, false],
    ["of nobody, forced", { spec }, forced, true, true],
    ["of nobody, forced without consent", { spec }, elsewhere, false, false],
    ["of nobody, which agrees itself", { spec, metadata: annotated(ALLOW, "true") }, elsewhere, true, true],
    ["of nobody, which does not agree", { spec, metadata: annotated(ALLOW, "false") }, elsewhere, false, false],
    ["of a DaemonSet", { spec, metadata: owned("DaemonSet") }, unforced, false, false],
    ["of a DaemonSet, forced", { spec, metadata: owned("DaemonSet") }, forced, true, true],
    ["static", { spec, metadata: annotated("kubernetes.io/config.mirror", "x") }, forced, false, false],
  ])("a pod %s", (_name, part, force, evictable, forceable) => {
    const holder = holderOf(pod(part), force)!;
    expect(holder).toMatchObject({ evictable, forceable });
    expect(holder.refusal === undefined).toBe(evictable);
  });
  test("an owner that is not its controller makes nothing again", () => {
    const ownerReferences = [
      { kind: "ConfigMap", name: "c" },
      { kind: "DaemonSet", name: "d", controller: true },
    ];
    expect(holderOf(pod({ spec, metadata: { name: "p", ownerReferences } }), unforced)!.refusal).toBe(
      "belongs to DaemonSet d",
    );
    const metadata = { name: "p", ownerReferences: ownerReferences.slice(0, 1) };
    expect(holderOf(pod({ spec, metadata }), unforced)!.refusal).toBe("no controller would recreate it");
  });
  test("that goes already is told", () => {
    const going = { ...owned("ReplicaSet"), deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(holderOf(pod({ spec, metadata: going }), unforced)).toMatchObject({ terminating: true });
    expect(holderOf(pod({ spec, metadata: owned("ReplicaSet") }), unforced)).toMatchObject({ terminating: false });
  });
  test("how many a pod asks for: its containers together, or the init container that asks for most", () => {
    const requests = { name: "r", resources: { requests: { "amd.com/onload": "2" } } };
    const amountOf = (containers: object[], initContainers: object[] = []) =>
      onloadAmount(pod({ spec: { containers, initContainers } }));
    expect(amountOf([limits(1), requests])).toBe(3);
    expect(amountOf([limits(1)], [limits(5), limits(2)])).toBe(5);
    expect(amountOf([limits(4)], [limits(3), limits(2)])).toBe(4);
    expect(amountOf([{ name: "c" }])).toBe(0);
  });
  test.each([unforced, elsewhere])("what is missing for force is said", (force) => {
    expect(forceRemedy(force)).toContain(`${ALLOW}=true`);
    expect(forceRemedy(force).includes("set spec.upgrade.drain.force")).toBe(!force.asked);
  });
  test.each(["Succeeded", "Failed"])("a pod that has %s holds nothing", (phase) => {
    expect(holderOf(pod({ spec, status: { phase } }), forced)).toBeUndefined();
  });
});
