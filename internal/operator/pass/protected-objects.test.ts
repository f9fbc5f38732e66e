/** Which of the objects that the admission policies protect a resource's status names: its own, and no others'. */
import { expect, test } from "bun:test";
import type { KubeObject, Node, PolicyBinding } from "../../api/core.ts";
import { PROTECTING_POLICIES } from "../../api/names.ts";
import { NODE_MODULES_CONFIGS } from "../../api/resources.ts";
import { NODES, VALIDATING_ADMISSION_POLICIES, VALIDATING_ADMISSION_POLICY_BINDINGS } from "../../kube/resource.ts";
import { ReconcilerBed } from "../testing/reconciler-bed.ts";
import { served } from "../testing/served-policies.ts";

const OPEN = { "onload.amd.com/allow-deletion": "true" };

/** Two nodes of the resource and one that is not, with all policies in force. */
async function protectedBed(): Promise<ReconcilerBed> {
  const bed = new ReconcilerBed();
  for (const name of PROTECTING_POLICIES) {
    const spec = { policyName: name, validationActions: ["Deny"] };
    bed.cluster.put(VALIDATING_ADMISSION_POLICIES, served(name));
    bed.cluster.put<PolicyBinding>(VALIDATING_ADMISSION_POLICY_BINDINGS, {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec,
    });
  }
  bed.putOnload();
  for (const name of ["n1", "n2"]) bed.putServingNode(name);
  bed.putNode("other");
  bed.cluster.edit<Node>(NODES, { name: "other" }, ({ metadata }) => (metadata.labels = {}));
  await bed.settle();
  expect(bed.condition("Protected")).toStartWith("Protected=True");
  return bed;
}

function annotate(bed: ReconcilerBed, name: string, annotations: Record<string, string>): void {
  bed.cluster.edit<Node>(NODES, { name }, ({ metadata }) => (metadata.annotations = annotations));
}

test("a node of the resource, as long as its way is open", async () => {
  const bed = await protectedBed();
  annotate(bed, "n2", OPEN);
  await bed.settle();
  expect(bed.condition("Protected")).toMatch(/^Protected=False DeletionAllowed: .* for Node "n2":/);
  annotate(bed, "n2", {});
  await bed.settle();
  expect(bed.condition("Protected")).toStartWith("Protected=True");
});

test("some of many, and always the same, whichever of them was heard of last", async () => {
  const bed = await protectedBed();
  for (const name of ["n10", "n4", "n3"]) bed.putServingNode(name);
  for (const name of ["n10", "n2", "n4", "n1", "n3"]) annotate(bed, name, OPEN);
  await bed.settle();
  const said = bed.condition("Protected");
  expect(said).toContain('for Node "n1", Node "n2", Node "n3" and 2 more:');
  for (const name of ["n1", "n3", "n2", "n1"]) {
    annotate(bed, name, { ...OPEN, "onload.amd.com/heartbeat": String(bed.cluster.version) });
    bed.now += 10_000;
    await bed.settle();
    expect(bed.condition("Protected")).toBe(said);
  }
});

test("no node of nobody's", async () => {
  const bed = await protectedBed();
  annotate(bed, "other", OPEN);
  await bed.settle();
  expect(bed.condition("Protected")).toStartWith("Protected=True");
});

test("what KMM 2 is to load on a node of the resource", async () => {
  const bed = await protectedBed();
  const config = (name: string): KubeObject => ({
    apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
    kind: "NodeModulesConfig",
    metadata: { name, annotations: OPEN },
  });
  bed.cluster.put(NODE_MODULES_CONFIGS, config("other"));
  await bed.settle();
  expect(bed.condition("Protected")).toStartWith("Protected=True");
  bed.cluster.put(NODE_MODULES_CONFIGS, config("n1"));
  await bed.settle();
  expect(bed.condition("Protected")).toMatch(/ for NodeModulesConfig "n1":/);
});

test("policies that go, and come back", async () => {
  const bed = await protectedBed();
  const name = PROTECTING_POLICIES[0]!;
  bed.cluster.remove(VALIDATING_ADMISSION_POLICY_BINDINGS, { name });
  await bed.settle();
  expect(bed.condition("Protected")).toMatch(/^Protected=False PoliciesMissing: .*: not bound/);
  const spec = { policyName: name, validationActions: ["Deny"] };
  bed.cluster.put(VALIDATING_ADMISSION_POLICY_BINDINGS, { metadata: { name }, spec } as PolicyBinding);
  await bed.settle();
  expect(bed.condition("Protected")).toStartWith("Protected=True");
  bed.cluster.remove(VALIDATING_ADMISSION_POLICIES, { name });
  await bed.settle();
  expect(bed.condition("Protected")).toMatch(/^Protected=False PoliciesMissing: .*: not installed/);
});
