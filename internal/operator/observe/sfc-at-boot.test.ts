/** Nodes that load sfc themselves at boot (onloadctl gen-machineconfig), under a resource that asks KMM to manage it. */
import { expect, test } from "bun:test";
import type { Node } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import { planRollout } from "../rollout/plan.ts";
import { countNodes, judge } from "../report/conditions.ts";
import { NOW, policy } from "../testing/facts.ts";
import { trimToLabels } from "../cache/trim.ts";
import { nodeFacts, type ResourceView } from "./node-facts.ts";

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

function view(changes: Partial<ResourceView> = {}): ResourceView {
  return {
    key: KEY,
    version: "v2",
    modules: { onload: module, sfc: module },
    images: undefined,
    template: undefined,
    kmm: undefined,
    claims: [{ ...KEY, selector: {}, created: "", deleting: false }],
    machineConfigs: [MACHINE_CONFIG],
    ownNode: undefined,
    ...changes,
  };
}

function factsOf(resource: ResourceView, role = "worker") {
  const node = {
    metadata: { name: "node-1", labels: { [`node-role.kubernetes.io/${role}`]: "" } },
    status: { nodeInfo: { kernelVersion: "6.1.0" }, conditions: [{ type: "Ready", status: "True" }] },
  } as unknown as Node;
  return nodeFacts(
    { node, plugins: [], kmmPods: [], nmc: undefined, holders: undefined, lastWords: new Map() },
    resource,
  );
}

test("KMM is not given sfc there, Onload comes all the same, and the resource says what conflicts", () => {
  const facts = factsOf(view());
  expect(facts).toMatchObject({ sfcManaged: false, sfcConflict: "99-sfc-machineconfig" });
  const plan = planRollout([facts], policy, NOW);
  expect(plan.nodes[0]).toMatchObject({
    state: "New",
    step: "Install",
    problem: { reason: "SfcLoadedAtBoot", failed: false },
  });
  const situation = { version: "v2", paused: false, deleting: false, upgrading: false, rollbackFrom: undefined };
  const degraded = judge(plan, { ...situation, troubles: [] }).find(({ type }) => type === "Degraded");
  expect(degraded?.status).toBe("True");
  expect(degraded?.message).toContain('MachineConfig "99-sfc-machineconfig" loads sfc at boot on this node');
  expect(degraded?.message).toContain("leave sfc out of spec.onload.kernelMappings");
  expect(countNodes(plan).failed).toBe(0);
});

test.each([
  ["the resource has no sfc", view({ modules: { onload: module, sfc: undefined } }), "worker", false],
  ["the MachineConfig is for nodes of another role", view(), "master", true],
  ["there is no MachineConfig", view({ machineConfigs: [] }), "worker", true],
])("no conflict where %s", (_, resource, role, sfcManaged) => {
  const facts = factsOf(resource, role);
  expect(facts).toMatchObject({ sfcManaged, sfcConflict: undefined });
  expect(planRollout([facts], policy, NOW).nodes[0]?.problem).toBeUndefined();
});
