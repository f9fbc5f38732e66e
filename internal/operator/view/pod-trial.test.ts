import { expect, test } from "bun:test";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../api/core.ts";
import { withDefaults } from "../../api/onload.ts";
import { ApiError, ConnectionError } from "../../kube/errors.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";
import { tryPods, type PodTrial, type TrialOptions } from "./pod-trial.ts";

const { signal } = new AbortController();
const onload = withDefaults({
  apiVersion: "onload.amd.com/v1alpha1",
  kind: "Onload",
  metadata: { namespace: "ns", name: "main" },
  spec: {
    selector: { a: "b" },
    serviceAccountName: "sa",
    onload: { version: "v1", userImage: "r/u:1", kernelMappings: [{ regexp: ".*", kernelModuleImage: "r/m:1" }] },
  },
} as never);

interface Pod extends KubeObject {
  spec: {
    serviceAccountName: string;
    priorityClassName?: string;
    containers: { securityContext: { privileged?: true } }[];
  };
}
const forbidden = (message: string): ApiError => new ApiError("create pods x", 403, { reason: "Forbidden", message });
const QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2';

/** Tries pods on an API server that judges each. */
async function trial(
  judge: (pod: Pod) => Error | undefined,
  options: Partial<TrialOptions> = {},
): Promise<PodTrial & { pods: Pod[] }> {
  const pods: Pod[] = [];
  const create = async (_: unknown, object: unknown, { dryRun }: { dryRun?: boolean } = {}): Promise<never> => {
    expect(dryRun).toBeTrue();
    const pod = structuredClone(object) as Pod;
    pods.push(pod);
    const refusal = judge(pod);
    if (refusal) throw refusal;
    return pod as never;
  };
  const known = { kmm: KMM_2, withoutAccount: false, hasAll: false, ...options };
  return { ...(await tryPods({ create: create as never }, onload, known, signal)), pods };
}

test("pods that would be taken need no word", async () => {
  const { refusals, gap, pods } = await trial(() => undefined);
  expect([refusals, gap, pods.length]).toEqual([[], undefined, 2]);
  expect(pods.map(({ metadata }) => metadata.namespace)).toEqual(["ns", "ns"]);
});

test("KMM's workers are privileged, its loaders before 2.0 are not", async () => {
  const privileged = async (kmm: TrialOptions["kmm"]): Promise<unknown> =>
    (await trial(() => undefined, { kmm })).pods[1]!.spec.containers[0]!.securityContext.privileged;
  expect(await privileged(KMM_2)).toBe(true);
  expect(await privileged(KMM_1)).toBeUndefined();
});

test("what both pods are refused for is said once, and what one names does not hide the rest", async () => {
  const { refusals } = await trial(({ spec }) => {
    if (spec.serviceAccountName !== "default")
      return forbidden('pods "x" is forbidden: error looking up service account ns/sa: serviceaccount "sa" not found');
    if (spec.priorityClassName !== undefined)
      return forbidden('pods "x" is forbidden: no PriorityClass with name system-node-critical was found');
    return forbidden(QUOTA);
  });
  expect(refusals).toEqual([
    expect.stringMatching(/^The API server would refuse the device plugin's pod: .*"sa" not found; create that/),
    expect.stringContaining("no PriorityClass with name"),
    expect.stringContaining("exceeded quota: q"),
  ]);
});

test("a ServiceAccount that is known to be missing is not said again", async () => {
  const { pods } = await trial(() => undefined, { withoutAccount: true });
  expect(pods.map(({ spec }) => spec.serviceAccountName)).toEqual(["default", "default"]);
});

test("a quota that is used up by the pods that are there refuses none", async () => {
  expect((await trial(() => forbidden(QUOTA), { hasAll: true })).refusals).toEqual([]);
  expect((await trial(() => forbidden(QUOTA))).refusals).toHaveLength(1);
});

test("a policy that speaks of quotas and ServiceAccounts is neither", async () => {
  const policy =
    'admission webhook "p" denied the request: exceeded quota: no service account, no PriorityClass with name x';
  const { refusals, pods } = await trial(() => forbidden(policy), { hasAll: true });
  expect(refusals).toEqual([expect.stringContaining("make that policy admit")]);
  expect(pods).toHaveLength(2);
});

test("who may not create pods is told so, and an outage is one", async () => {
  const noRight = 'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "ns"';
  const { refusals, gap, pods } = await trial(() => forbidden(noRight));
  expect([refusals, pods.length]).toEqual([[], 1]);
  expect(gap).toContain('without the right to create pods in namespace "ns"');
  await expect(trial(() => new ConnectionError("create pods", "https://s", "ECONNREFUSED", "refused"))).rejects.toThrow(
    "refused",
  );
  await expect(trial(() => new ApiError("create pods x", 404, { message: "no namespace" }))).rejects.toThrow(
    "no namespace",
  );
});

test("a webhook with side effects, which is not asked in a dry run, refuses nothing", async () => {
  const message = 'admission webhook "pods.example.com" does not support dry run';
  const { refusals, gap } = await trial(() => new ApiError("create pods x", 400, { reason: "BadRequest", message }));
  expect(refusals).toEqual([]);
  expect(gap).toBe(`Whether the API server takes its pods could not be tried, as a dry run: ${message}`);
});

test.each([429, 503, 504])("a server that answers %i says nothing of the pods", async (status) => {
  const { refusals, gap } = await trial(() => new ApiError("create pods x", status, { message: "too busy" }));
  expect([refusals, gap]).toEqual([
    [],
    "Whether the API server takes its pods could not be tried, as a dry run: too busy",
  ]);
});

test("no pod is one that our own admission policies let only the operator and Kubernetes make", async () => {
  const file = join(import.meta.dir, "../../manifests/admission/objects.yaml");
  const [policy] = parseAllDocuments(await Bun.file(file).text());
  const { matchLabels } = policy!.toJS().spec.matchConstraints.objectSelector as { matchLabels: object };
  expect(Object.keys(matchLabels).length).toBeGreaterThan(0);
  for (const { metadata } of (await trial(() => undefined)).pods) {
    const has = Object.entries(matchLabels).filter(([label, value]) => metadata.labels?.[label] === value);
    expect(has.length).toBeLessThan(Object.keys(matchLabels).length);
  }
});

test("a text of the API server moves no cursor and has an end", async () => {
  const { refusals } = await trial(() => forbidden(`denied \u001b[2J${"x".repeat(1e6)}`));
  expect(refusals[0]).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(refusals[0]!.length).toBeLessThan(1500);
});
