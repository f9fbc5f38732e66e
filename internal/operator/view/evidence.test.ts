/** Whether what tells of an operator can be an operator's, as far as whoever asks may know. */
import { expect, test } from "bun:test";
import type { KubeObject } from "../../api/core.ts";
import { PRESENCE_POLICY } from "../../api/names.ts";
import type { Resource } from "../../api/resources.ts";
import { ApiError, ConnectionError } from "../../kube/errors.ts";
import { LEASES } from "../../kube/resource.ts";
import { shippedPolicies } from "../../manifests/shipped-policies.ts";
import { readEvidence } from "./evidence.ts";

const forbidden = (action: string): ApiError => new ApiError(action, 403, { message: "forbidden" });

interface World {
  /** Namespaces with a Lease. */
  leases: string[];
  /** Whether the operator's ServiceAccount of a namespace has its rights. */
  may: (namespace: string) => boolean | Error;
  /** The admission policy and its binding; undefined: they may not be read. */
  policies?: KubeObject[] | undefined;
}

async function read({ leases, may, policies }: World) {
  const asked: string[] = [];
  const reads: string[] = [];
  const client = {
    list: async (resource: Resource) => {
      const items = resource === LEASES ? leases : [];
      return {
        items: items.map((namespace) => ({ metadata: { namespace, name: "daabde26.amd.com" } })),
        resourceVersion: "1",
      };
    },
    get: async ({ kind }: Resource, { name }: { name: string }) => {
      reads.push(name);
      if (!policies) throw forbidden(`get ${name}`);
      return policies.find((each) => each.kind === kind);
    },
    transport: {
      json: async ({ body }: { body: { spec: { user: string } } }) => {
        const namespace = body.spec.user.split(":")[2]!;
        asked.push(namespace);
        const allowed = may(namespace);
        if (allowed instanceof Error) throw allowed;
        return { status: { allowed } };
      },
    },
  };
  const evidence = await readEvidence(client as never, new AbortController().signal);
  return { barred: evidence.barred && [...evidence.barred], doubt: evidence.doubt, asked, reads };
}

const binding = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicyBinding",
  metadata: { name: PRESENCE_POLICY },
  spec: { policyName: PRESENCE_POLICY, validationActions: ["Deny"] },
};
const policy = {
  ...shippedPolicies().get(PRESENCE_POLICY)!,
  kind: "ValidatingAdmissionPolicy",
} as unknown as KubeObject;

test("a Lease in a namespace of whose operator the API server says that it may do nothing is nobody's", async () => {
  const seen = await read({ leases: ["ops", "tenant"], may: (name) => name === "ops", policies: [] });
  expect(seen).toMatchObject({ barred: ["tenant"], doubt: undefined, asked: ["ops", "tenant"] });
});

test("where all is as it should be, one question is asked", async () => {
  expect(await read({ leases: ["ops"], may: () => true })).toEqual({
    barred: undefined,
    doubt: undefined,
    asked: ["ops"],
    reads: [],
  });
});

test("nothing is asked where there is nothing", async () => {
  expect((await read({ leases: [], may: () => false })).asked).toEqual([]);
});

test("who may not ask does not know it", async () => {
  const seen = await read({ leases: ["ops"], may: () => forbidden("create subjectaccessreviews") });
  expect(seen.barred).toEqual([]);
  expect(seen.doubt).toContain("Cannot create subjectaccessreviews");
});

test("where a policy keeps others from it, whoever holds a Lease may", async () => {
  for (const may of [() => false, () => forbidden("create subjectaccessreviews")]) {
    const seen = await read({ leases: ["ops"], may, policies: [policy, binding] });
    expect(seen).toMatchObject({ barred: undefined, doubt: undefined });
    const warns = { ...binding, spec: { ...binding.spec, validationActions: ["Warn"] } };
    const warned = await read({ leases: ["ops"], may, policies: [policy, warns] });
    expect(warned.barred).toBeDefined();
  }
});

test("however many there are, the questions have a bound", async () => {
  const leases = Array.from({ length: 1500 }, (_, i) => `n${i}`);
  const seen = await read({ leases, may: () => false, policies: [] });
  expect([seen.asked.length, seen.barred?.length]).toEqual([1000, 1000]);
  expect(seen.doubt).toBe("there are such objects in 1500 namespaces");
});

test("an API server that does not answer is no answer", async () => {
  const silent = new ConnectionError("create subjectaccessreviews", "https://x", "ECONNREFUSED", "refused", undefined);
  await expect(read({ leases: ["ops"], may: () => silent })).rejects.toThrow(ConnectionError);
});
