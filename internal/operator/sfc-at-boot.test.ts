/** Nodes that load sfc themselves at boot (onloadctl gen-machineconfig), under a resource that asks KMM to manage it. */
import { expect, test } from "bun:test";
import type { KubeObject, Node } from "../api/core.ts";
import type { Module } from "../api/kmm.ts";
import type { MachineConfigPool } from "../api/machine-config-pool.ts";
import { planRollout } from "./rollout/plan.ts";
import { conditionsOf } from "./report/conditions.ts";
import { tallyOf } from "./report/tally.ts";
import { NOW, policy } from "./testing/facts.ts";
import { trimPool, trimToLabels } from "./cache/trim.ts";
import { assess } from "./assess/assess.ts";
import type { NodeFacts } from "./assess/facts.ts";
import { observeNode } from "./observe/node.ts";
import { ownerOf } from "./observe/ownership.ts";
import { NO_KMM } from "./testing/kmm.ts";

const KEY = { namespace: "onload", name: "sample" };
const MACHINE_CONFIG = trimToLabels({
  apiVersion: "machineconfiguration.openshift.io/v1",
  kind: "MachineConfig",
  metadata: {
    name: "99-sfc-machineconfig",
    labels: { "machineconfiguration.openshift.io/role": "worker", "app.kubernetes.io/part-of": "onload" },
  },
});
const module = {
  metadata: { namespace: KEY.namespace, name: "module" },
  spec: { selector: {}, moduleLoader: { container: { version: "v2", kernelMappings: [{ regexp: "^.*$" }] } } },
} as unknown as Module;

const POOL = trimPool({
  apiVersion: "machineconfiguration.openshift.io/v1",
  kind: "MachineConfigPool",
  metadata: { name: "worker", annotations: { note: "x" } },
  spec: {
    nodeSelector: { matchLabels: { "node-role.kubernetes.io/worker": "" } },
    configuration: { name: "rendered-worker-1", source: [{ kind: "MachineConfig", name: "00-worker" }] },
  },
  status: { machineCount: 3 },
});

interface Given {
  /** null: the resource does not manage it. */
  sfc?: Module | null;
  machineConfigs?: KubeObject[];
  role?: string;
  pools?: MachineConfigPool[];
}

function factsOf({ sfc = module, machineConfigs = [MACHINE_CONFIG], role = "worker", pools = [] }: Given): NodeFacts {
  const node = {
    metadata: { name: "node-1", labels: { [`node-role.kubernetes.io/${role}`]: "" } },
    status: { nodeInfo: { kernelVersion: "6.1.0" }, conditions: [{ type: "Ready", status: "True" }] },
  } as unknown as Node;
  const claims = [{ ...ownerOf(KEY), selector: {}, created: "", deleting: false }];
  const observation = observeNode(
    { node, plugins: [], kmmPods: [], nmc: undefined, holders: undefined, failureLogs: new Map() },
    { key: KEY, version: "v2", kmm: NO_KMM, claims, machineConfigs, pools, refusals: {}, ownNode: undefined },
  );
  const modules = { onload: module, sfc: sfc ?? undefined };
  return assess(observation, {
    kmm: NO_KMM,
    version: "v2",
    modules,
    liveSfc: undefined,
    images: undefined,
    tolerations: [],
    template: undefined,
  });
}

test("KMM is not given sfc there, Onload comes all the same, and the resource says what conflicts", () => {
  const facts = factsOf({});
  expect(facts).toMatchObject({ sfcManaged: false, sfcConflict: "99-sfc-machineconfig" });
  const plan = planRollout([facts], policy, NOW);
  expect(plan.nodes[0]).toMatchObject({
    state: "New",
    step: "Install",
    problem: { reason: "SfcLoadedAtBoot", failed: false },
  });
  const key = { namespace: "ns", name: "o" };
  const situation = { key, version: "v2", paused: false, deleting: false, upgrading: false, rollback: undefined };
  const tally = tallyOf(plan);
  const degraded = conditionsOf(plan, tally, { ...situation, problems: [] }).find(({ type }) => type === "Degraded");
  expect(degraded?.status).toBe("True");
  expect(degraded?.message).toContain('MachineConfig "99-sfc-machineconfig" loads sfc at boot on this node');
  expect(degraded?.message).toContain("leave sfc out of spec.onload.kernelMappings");
  expect(tally.counts.failed).toBe(0);
});

test.each<[string, Given, boolean]>([
  ["the resource has no sfc", { sfc: null }, false],
  ["the MachineConfig is for nodes of another role", { role: "master" }, true],
  ["there is no MachineConfig", { machineConfigs: [] }, true],
  ["the node's pool does not take the MachineConfig", { pools: [POOL] }, true],
])("no conflict if %s", (_, given, sfcManaged) => {
  const facts = factsOf(given);
  expect(facts).toMatchObject({ sfcManaged, sfcConflict: undefined });
  expect(planRollout([facts], policy, NOW).nodes[0]?.problem).toBeUndefined();
});
