import { expect, test } from "bun:test";
import type { MachineConfigPool } from "../api/machine-config-pool.ts";
import { ApiError } from "../kube/errors.ts";
import { checkInputs } from "./inputs.ts";
import { machineConfig } from "./machine-config.ts";
import { reachOf, reachProblem } from "./pools.ts";

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

const poolThat = (name: string, spec: object, conditions: object[] = []): MachineConfigPool => {
  const made = pool(name, 2);
  return { ...made, spec: { ...made.spec, ...spec }, status: { ...made.status, conditions: conditions as never } };
};
const degraded = (message: string): object => ({ type: "Degraded", status: "True", message });

test("a pool that is paused changes no node until it goes on", () => {
  const paused = poolThat("worker", { paused: true });
  expect(reachOf(config("worker"), [pool("master", 3), paused])).toBe(
    'MachineConfigPool worker is paused, so that none of its nodes changes until: oc patch machineconfigpool worker --type=merge --patch \'{"spec":{"paused":false}}\'',
  );
  expect(reachOf(config("master"), [pool("master", 3), paused])).toBeUndefined();
  expect(reachOf(config("worker"), [pool("worker", 2), { ...paused, status: { machineCount: 0 } }])).toBeUndefined();
});

test("of the pools that take it, those that are paused are named", () => {
  const trading = poolThat("trading", { paused: true });
  trading.spec!.machineConfigSelector = { matchExpressions: [{ key: ROLE, operator: "Exists" }] };
  expect(reachOf(config("worker"), [pool("worker", 2), trading])).toStartWith("MachineConfigPool trading is paused");
});

test("a pool that is degraded changes no node, and its own words say why", () => {
  const stuck = poolThat("worker", {}, [
    { type: "Updated", status: "False", message: "" },
    { type: "RenderDegraded", status: "True", message: "" },
    degraded('Node node-1 is reporting: "unexpected on-disk state"\u001b[2J'),
  ]);
  expect(reachOf(config("worker"), [stuck])).toMatch(
    /^MachineConfigPool worker is degraded, so that its nodes may not change: Node node-1 is reporting: "unexpected on-disk state".*; see `oc describe machineconfigpool worker`$/,
  );
  expect(reachOf(config("worker"), [stuck])).not.toContain("\u001b");
  expect(reachOf(config("worker"), [poolThat("worker", {}, [{ ...degraded(""), status: "False" }])])).toBeUndefined();
});

test.each([
  [404, "The cluster has no MachineConfigPools, so that it cannot be said whether a node gets it"],
  [403, undefined],
])("of a cluster that answers %i for the pools it is not said that all is well", async (status, words) => {
  const client = { list: () => Promise.reject(new ApiError("list machineconfigpools", status, {})) };
  const problem = reachProblem(client as never, config("worker"), AbortSignal.timeout(60_000));
  if (words === undefined) await expect(problem).rejects.toThrow("Cannot list machineconfigpools");
  else expect(await problem).toStartWith(words);
});
