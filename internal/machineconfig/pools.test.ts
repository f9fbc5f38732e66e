import { expect, test } from "bun:test";
import type { MachineConfigPool } from "../api/machine-config-pool.ts";
import { checkInputs } from "./inputs.ts";
import { machineConfig } from "./machine-config.ts";
import { reachOf } from "./pools.ts";

const ROLE = "machineconfiguration.openshift.io/role";
const config = (role: string) =>
  machineConfig(
    checkInputs({ moduleImage: "r.example.com/m:1", openshiftVersion: "4.14.0", role, name: "99-sfc-machineconfig" }),
  );
const pool = (name: string, machineCount: number, roles = [name]): MachineConfigPool => ({
  apiVersion: "machineconfiguration.openshift.io/v1",
  kind: "MachineConfigPool",
  metadata: { name },
  spec: { machineConfigSelector: { matchExpressions: [{ key: ROLE, operator: "In", values: roles }] } },
  status: { machineCount },
});
const COMPACT = [pool("master", 3), pool("worker", 0)];

test.each([
  ["worker", [pool("master", 3), pool("worker", 2)]],
  ["master", COMPACT],
  ["worker", [pool("worker", 0), pool("trading", 1, ["worker", "trading"])]],
])("role %s reaches nodes", (role, pools) => {
  expect(reachOf(config(role), pools)).toBeUndefined();
});

test("on a compact cluster nobody is in pool worker", () => {
  expect(reachOf(config("worker"), COMPACT)).toBe(
    'MachineConfigPool worker, which takes role "worker", has no nodes, so that no node changes: give another --role, on a compact cluster --role=master; pools with nodes: master',
  );
});
test("no pool takes a role that is misspelt", () => {
  expect(reachOf(config("workers"), COMPACT)).toStartWith(
    'No MachineConfigPool takes MachineConfigs of role "workers", so that no node changes: give another --role',
  );
});
