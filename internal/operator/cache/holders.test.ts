import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { holderOf, holdsOnload } from "./holders.ts";

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
