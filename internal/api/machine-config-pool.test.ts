import { describe, expect, test } from "bun:test";
import { machineConfigsOf, type MachineConfigPool } from "./machine-config-pool.ts";

interface Shape {
  /** The key of the label that its nodes have; left out: no selector. */
  label?: string;
  spec?: string[];
  status?: string[];
}

function pool(name: string, { label, spec = [name], status = spec }: Shape = {}): MachineConfigPool {
  const configuration = (sources: string[]): object => ({
    name: `rendered-${name}-${sources.join("-")}`,
    source: sources.map((source) => ({ apiVersion: "v1", kind: "MachineConfig", name: source })),
  });
  return {
    apiVersion: "machineconfiguration.openshift.io/v1",
    kind: "MachineConfigPool",
    metadata: { name },
    spec: {
      ...(label === undefined ? {} : { nodeSelector: { matchLabels: { [label]: "" } } }),
      configuration: configuration(spec),
    },
    status: { configuration: configuration(status) },
  };
}

const MASTER = pool("master", { label: "node-role.kubernetes.io/master" });
const WORKER = pool("worker", { label: "node-role.kubernetes.io/worker" });
const TRADING_SOURCES = ["trading", "99-sfc", "worker"];
const TRADING = pool("trading", { label: "feature.example.com/sfc", spec: TRADING_SOURCES });
const OTHER = pool("other", { label: "other" });
const NOBODY = pool("nobody");
const POOLS = [NOBODY, WORKER, OTHER, TRADING, MASTER];
const roles = (...names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name.includes("/") ? name : `node-role.kubernetes.io/${name}`, ""]));

/** What openshift/machine-config-operator does with such nodes. */
const BY_LABELS: [what: string, labels: Record<string, string>, names: string[]][] = [
  ["a worker", roles("worker"), ["worker"]],
  ["a node of a compact cluster", roles("worker", "master", "control-plane"), ["master"]],
  [
    "a worker in a pool that selects by a label that is no role",
    roles("worker", "feature.example.com/sfc"),
    TRADING_SOURCES,
  ],
  ["a node in such a pool that is no worker", roles("feature.example.com/sfc"), TRADING_SOURCES],
  ["a master with a label of such a pool", roles("master", "worker", "feature.example.com/sfc"), ["master"]],
  ["a worker with the role of a pool that there is not", roles("worker", "infra"), ["worker"]],
  ["a node of two pools of one's own", { ...roles("worker", "feature.example.com/sfc"), other: "" }, []],
  ["a node of no pool", {}, []],
];

test.each(BY_LABELS)("by its labels %s gets what its pool is rendered from", (_what, labels, names) => {
  expect([...machineConfigsOf({ labels }, POOLS)]).toEqual(names);
});

test("a pool may select by expressions", () => {
  const selector = { matchExpressions: [{ key: "role", operator: "In" as const, values: ["a", "b"] }] };
  const odd = { ...TRADING, spec: { ...TRADING.spec, nodeSelector: selector } };
  expect(machineConfigsOf({ labels: { role: "b" } }, [odd]).has("99-sfc")).toBeTrue();
  expect(machineConfigsOf({ labels: { role: "c" } }, [odd]).has("99-sfc")).toBeFalse();
});

describe("while something changes, what the node has and what it gets count", () => {
  test("a MachineConfig that is not yet on all nodes of the pool", () => {
    const coming = pool("worker", {
      label: "node-role.kubernetes.io/worker",
      spec: ["worker", "99-sfc"],
      status: ["worker"],
    });
    expect(machineConfigsOf({ labels: roles("worker") }, [coming]).has("99-sfc")).toBeTrue();
  });
  test("a MachineConfig that is still on nodes of the pool", () => {
    const going = pool("worker", {
      label: "node-role.kubernetes.io/worker",
      spec: ["worker"],
      status: ["worker", "99-sfc"],
    });
    expect(machineConfigsOf({ labels: roles("worker") }, [going]).has("99-sfc")).toBeTrue();
  });
  test.each(["currentConfig", "desiredConfig"])("a node whose %s is another pool's", (name) => {
    const annotations = { [`machineconfiguration.openshift.io/${name}`]: "rendered-trading-trading-99-sfc-worker" };
    expect(machineConfigsOf({ labels: roles("worker"), annotations }, POOLS)).toEqual(
      new Set(["worker", "trading", "99-sfc"]),
    );
  });
});

test("a pool that has rendered nothing yet gives nothing", () => {
  const empty = { ...WORKER, spec: { nodeSelector: WORKER.spec!.nodeSelector! }, status: {} };
  expect([...machineConfigsOf({ labels: roles("worker"), annotations: {} }, [empty])]).toEqual([]);
});
