import { expect, test } from "bun:test";
import type { MachineConfigPool } from "./machine-config-pool.ts";
import { parseBootStatus, sfcMachineConfigOf, type BootStatus } from "./boot-status.ts";

const status: BootStatus = {
  schema: 1,
  reason: "Replaced",
  message: "The sfc driver of image a:b is in use",
  driver: "out-of-tree",
  image: "a:b",
  digest: "sha256:00",
  kernel: "5.14.0",
  bootId: "one",
  time: "2026-01-02T03:04:05Z",
};

test("a status is read as it was written", () => {
  expect(parseBootStatus(JSON.stringify(status))).toEqual(status);
});

test.each([
  "",
  "{",
  "null",
  "[]",
  "3",
  JSON.stringify({ ...status, schema: 2 }),
  JSON.stringify({ ...status, kernel: 5 }),
])("%p is no status", (text) => {
  expect(parseBootStatus(text)).toBeUndefined();
});

const role = "machineconfiguration.openshift.io/role";
const configs = [
  { metadata: { name: "other", labels: { [role]: "worker" } } },
  { metadata: { name: "unlabelled" } },
  { metadata: { name: "sfc", labels: { [role]: "worker", "app.kubernetes.io/part-of": "onload" } } },
];

test.each([
  [{ "node-role.kubernetes.io/worker": "" }, "sfc"],
  [{ "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/trading": "" }, "sfc"],
  [{ "node-role.kubernetes.io/master": "" }, undefined],
  [{}, undefined],
])("a node with labels %j belongs to MachineConfig %p", (labels, name) => {
  expect(sfcMachineConfigOf({ labels }, configs, [])?.metadata.name).toBe(name);
});

test("pools tell more than roles", () => {
  const pool = (name: string, label: string, sources: string[]): MachineConfigPool => ({
    apiVersion: "machineconfiguration.openshift.io/v1",
    kind: "MachineConfigPool",
    metadata: { name },
    spec: {
      nodeSelector: { matchLabels: { [label]: "" } },
      configuration: { source: sources.map((source) => ({ name: source })) },
    },
  });
  const of = (labels: Record<string, string>, ...pools: MachineConfigPool[]): string | undefined =>
    sfcMachineConfigOf({ labels }, configs, pools)?.metadata.name;
  const master = pool("master", "node-role.kubernetes.io/master", ["other"]);
  const worker = pool("worker", "node-role.kubernetes.io/worker", ["sfc", "other"]);
  const compact = { "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/master": "" };
  expect(of(compact, master, worker)).toBeUndefined();
  expect(of({ "node-role.kubernetes.io/worker": "" }, master, worker)).toBe("sfc");
  expect(of({ rack: "" }, worker, pool("rack", "rack", ["sfc"]))).toBe("sfc");
});
