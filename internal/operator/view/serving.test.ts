/** When an operator counts as acting, from every combination of Lease and Deployment. */
import { describe, expect, test } from "bun:test";
import type { Deployment } from "../../api/core.ts";
import type { Lease } from "../../kube/kinds.ts";
import { NOW } from "../testing/facts.ts";
import { isUnserved, remedyOf, rivalsText, servingOf, type OperatorEvidence } from "./serving.ts";

const SECOND = 1000;
const HOUR = 3_600_000;

function lease(ageMs: number, changes: Lease["spec"] = {}, namespace = "ops"): Lease {
  const renewTime = new Date(NOW - ageMs).toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: "pod-1_uid", leaseDurationSeconds: 15, renewTime, ...changes };
  return { metadata: { namespace, name: "daabde26.amd.com" }, spec };
}

function deployment(ready: number, args: string[] = ["operator", "--leader-elect"], replicas = 1): Deployment {
  return {
    kind: "Deployment",
    metadata: { namespace: "ops", name: "manager" },
    spec: { replicas, template: { spec: { containers: [{ name: "manager", args }] } } },
    status: { readyReplicas: ready, replicas: Math.max(ready, replicas) },
  };
}

function seen(
  leases: Lease[],
  deployments: Deployment[],
  problems: [string | undefined, string | undefined] = [undefined, undefined],
): OperatorEvidence {
  return {
    leases: { items: leases, problem: problems[0] },
    deployments: { items: deployments, problem: problems[1] },
  };
}

const FORBIDDEN = "Cannot list leases: forbidden";
const plain = ["operator"];

const rows: Record<string, [OperatorEvidence, string, string]> = {
  "a Lease that is renewed": [seen([lease(2 * SECOND)], []), "acts", 'holds Lease "ops/daabde26.amd.com"'],
  "a Lease that is just over its duration": [seen([lease(50 * SECOND)], [deployment(0)]), "acts", "holds Lease"],
  "a Lease that was released a moment ago": [
    seen([lease(3 * SECOND, { holderIdentity: "", leaseDurationSeconds: 1 })], [deployment(0)]),
    "acts",
    "was released just now",
  ],
  "a Lease that was released a moment ago, and nobody to take it": [
    seen([lease(3 * SECOND, { holderIdentity: "", leaseDurationSeconds: 1 })], [deployment(0, undefined, 0)]),
    "silent",
    "was released 3s ago and nobody has taken it",
  ],
  "a renewed Lease beside an old one": [
    seen([lease(HOUR), lease(SECOND, {}, "b")], []),
    "acts",
    '"b/daabde26.amd.com"',
  ],
  "a Lease that is old, and no Deployment": [
    seen([lease(3 * HOUR)], []),
    "silent",
    'No operator acts: Lease "ops/daabde26.amd.com" was renewed 3h ago, by pod-1_uid; its Deployment is gone',
  ],
  "a Lease that is old, and a Deployment without a ready replica": [
    seen([lease(3 * HOUR)], [deployment(0)]),
    "silent",
    'Deployment "ops/manager" has no ready replica',
  ],
  "a Lease that is old, and a Deployment scaled to zero": [
    seen([lease(3 * HOUR)], [deployment(0, undefined, 0)]),
    "silent",
    'Deployment "ops/manager" is scaled to zero',
  ],
  "a Lease that is old, and a ready Deployment that should renew it": [
    seen([lease(3 * HOUR)], [deployment(1)]),
    "silent",
    "is ready, but does not renew the Lease",
  ],
  "a Lease that is old, and a ready Deployment that needs none": [
    seen([lease(3 * HOUR)], [deployment(1, plain)]),
    "acts",
    "without a Lease",
  ],
  "a Lease that was released long ago": [
    seen([lease(HOUR, { holderIdentity: "" })], []),
    "silent",
    "was released 60m ago and nobody has taken it",
  ],
  "no Lease, and a ready Deployment": [seen([], [deployment(1)]), "acts", "is ready"],
  "no Lease, and a ready Deployment that needs none": [seen([], [deployment(1, plain)]), "acts", "without a Lease"],
  "no Lease, and a Deployment without a ready replica": [seen([], [deployment(0)]), "silent", "no ready replica"],
  nothing: [seen([], []), "none", "No operator found"],
  "a Lease of the future": [seen([lease(-HOUR)], []), "unknown", "compare the clock of this machine"],
  "no right to read Leases": [seen([], [deployment(1)], [FORBIDDEN, undefined]), "unknown", FORBIDDEN],
  "no right to read anything": [seen([], [], [FORBIDDEN, "Cannot list deployments"]), "unknown", FORBIDDEN],
  "no Lease, and no right to read Deployments": [seen([], [], [undefined, "Cannot list deployments"]), "unknown", "d"],
  "an old Lease, and no right to read Deployments": [
    seen([lease(HOUR)], [], [undefined, "Cannot list deployments"]),
    "silent",
    "its Deployment cannot be read",
  ],
  "a Lease without a time": [seen([lease(0, { renewTime: "soon" })], []), "none", "No operator found"],
};

describe("an operator", () => {
  test.each(Object.entries(rows))("%s", (_name, [evidence, state, words]) => {
    const serving = servingOf(evidence, NOW);
    expect(serving.state).toBe(state as never);
    expect(serving.message).toContain(words);
    expect(isUnserved(serving)).toBe(state === "silent" || state === "none");
    expect(remedyOf(serving) !== "").toBe(isUnserved(serving));
  });
});

const barred = new Set(["tenant"]);
const unsure = { doubt: "Cannot create subjectaccessreviews.authorization.k8s.io: forbidden" };
const notCounted =
  '"tenant/daabde26.amd.com" does not count, because ServiceAccount "onload-operator-controller-manager" of that namespace may not do an operator\'s work';

test.each<[string, OperatorEvidence, string, string]>([
  ["a Lease", { ...seen([lease(SECOND, {}, "tenant")], []), barred }, "none", notCounted],
  [
    "one that was released",
    { ...seen([lease(SECOND, { holderIdentity: "" }, "tenant")], []), barred },
    "none",
    notCounted,
  ],
  ["one of tomorrow", { ...seen([lease(-24 * HOUR, {}, "tenant")], []), barred }, "none", notCounted],
  [
    "one beside the true one, which is old",
    { ...seen([lease(HOUR), lease(SECOND, {}, "tenant")], []), barred },
    "silent",
    notCounted,
  ],
  [
    "one beside the true one",
    { ...seen([lease(3 * SECOND), lease(SECOND, {}, "tenant")], []), barred },
    "acts",
    "ops/",
  ],
  [
    "a Deployment",
    { ...seen([], [deployment(1, plain)]), barred: new Set(["ops"]) },
    "silent",
    '"ops/manager" does not count',
  ],
  [
    "a Deployment of one with a Lease",
    { ...seen([], [deployment(1)]), barred: new Set(["ops"]) },
    "silent",
    '"ops/manager" does not count',
  ],
  [
    "a Lease of which nobody knows",
    { ...seen([lease(SECOND)], []), ...unsure },
    "acts",
    "unless somebody else made that: Cannot create",
  ],
])("that somebody else has made, where anybody can: %s", (_name, evidence, state, words) => {
  for (const namespaces of [[], ["x"]]) {
    const serving = servingOf(evidence, NOW, namespaces);
    expect(serving.state).toBe(state as never);
    expect(serving.message).toContain(words);
  }
  expect(rivalsText(evidence, NOW, "x")).toBeUndefined();
});

test("a holder's name cannot reach into the terminal", () => {
  const { message } = servingOf(seen([lease(HOUR, { holderIdentity: `\u001b[2J\n${"x".repeat(500)}` })], []), NOW);
  expect(message).not.toMatch(/\p{Cc}/u);
  expect(message.length).toBeLessThan(300);
});

test.each([
  [deployment(0, plain), false],
  [deployment(0, ["operator", "--leader-elect=false"]), false],
  [deployment(0, plain, 0), true],
  [deployment(0, ["operator", "--leader-elect=true"]), true],
  [deployment(0, ["--leader-elect"]), true],
])("whether an operator that may come back takes part in the election", (manager, elected) => {
  expect(servingOf(seen([lease(HOUR)], [manager]), NOW).elected).toBe(elected);
});

test("an operator that is scaled to zero is to be scaled, and only that one", () => {
  const zero = deployment(0, undefined, 0);
  const remedy = "start it: kubectl scale deployment manager -n ops --replicas=1";
  expect(remedyOf(servingOf(seen([], [zero]), NOW))).toBe(remedy);
  expect(remedyOf(servingOf(seen([lease(HOUR)], [zero]), NOW))).toBe(remedy);
  for (const deployments of [[deployment(0)], [zero, deployment(0)], []]) {
    expect(remedyOf(servingOf(seen([lease(HOUR)], deployments), NOW))).not.toContain("scale");
  }
});

/** A Deployment whose ReplicaSet may make no pod. */
function refused(message: string): Deployment {
  const status = {
    replicas: 0,
    conditions: [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message }],
  };
  return { ...deployment(0), status };
}

test.each([
  [
    'pods "manager-x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0',
    'raise that ResourceQuota of namespace "ops", or remove it',
  ],
  [
    'admission webhook "validate.kyverno.svc-fail" denied the request: no such registry',
    'make that policy admit the pods of Deployment "ops/manager"',
  ],
  [
    'pods "manager-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
    "install it again: its Deployment and ServiceAccount are not as they were installed",
  ],
  [
    'pods "manager-x" is forbidden: error looking up service account ops/a: serviceaccount "a" not found',
    "install it again: its Deployment and ServiceAccount are not as they were installed",
  ],
  [
    'pods "manager-x" is forbidden: maximum memory usage per Container is 32Mi, but limit is 256Mi',
    'correct that LimitRange of namespace "ops"',
  ],
  ["the server is on fire", "see what refuses it in the API server"],
])("an operator whose pods are refused has none to look at: %s", (message, remedy) => {
  for (const leases of [[], [lease(HOUR)]]) {
    const serving = servingOf(seen(leases, [refused(message)]), NOW);
    expect(serving.state).toBe("silent");
    expect(serving.message).toEndWith(
      `Deployment "ops/manager" has no ready replica, because its pods are refused: ${message}`,
    );
    expect(remedyOf(serving)).toBe(remedy);
    const inNamespace = servingOf(seen(leases, [refused(message)]), NOW, ["x"]);
    expect(remedyOf(inNamespace)).toBe(remedy);
  }
});

test("what refused a pod counts only while it lasts, and if there is no pod to look at", () => {
  const last = refused("exceeded quota: q");
  const over = { ...last, status: { replicas: 0, conditions: [{ ...last.status!.conditions![0]!, status: "False" }] } };
  const beside = { ...last, status: { ...last.status, replicas: 1 } };
  for (const each of [over, beside]) {
    const serving = servingOf(seen([], [each]), NOW);
    expect(serving.message).toEndWith("has no ready replica");
    expect(remedyOf(serving)).toContain("kubectl logs");
  }
});

test("a refusal cannot reach into the terminal", () => {
  const { message } = servingOf(seen([], [refused(`\u001b[2J\n${"x".repeat(100_000)}`)]), NOW);
  expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(message.length).toBeLessThan(1200);
});

/** A Lease whose holder says which namespaces it has. */
function scoped(ageMs: number, scope: string, namespace = "ops", changes: Lease["spec"] = {}): Lease {
  const held = lease(ageMs, changes, namespace);
  held.metadata.annotations = { "onload.amd.com/holder": `pod-1_uid 1.0.0 ${scope}` };
  return held;
}

const ofX = ["operator", "--leader-elect", "--watch-namespaces=x"];
const NOT_FOR_X = /^No operator acts for namespace "x": .*, but not for that namespace$/;

test.each<[string, OperatorEvidence, string[], string, string | RegExp]>([
  ["one that has all", seen([scoped(SECOND, "*")], []), ["x", "y"], "acts", "holds Lease"],
  ["one that has it", seen([scoped(SECOND, "y,x")], []), ["x"], "acts", "holds Lease"],
  ["one that has another", seen([scoped(SECOND, "y")], []), ["x"], "silent", NOT_FOR_X],
  ["one that has one of two", seen([scoped(SECOND, "y")], []), ["y", "x"], "silent", NOT_FOR_X],
  ["one of an earlier version", seen([lease(SECOND)], []), ["x"], "acts", "holds Lease"],
  [
    "its own dead, another's alive",
    seen([scoped(HOUR, "x"), scoped(SECOND, "y", "b")], [deployment(0, ofX)]),
    ["x"],
    "silent",
    'Lease "ops/daabde26.amd.com" was renewed 60m ago',
  ],
  [
    "one for all, dead, and another's alive",
    seen([scoped(HOUR, "*"), scoped(SECOND, "y", "b")], []),
    ["x"],
    "silent",
    'Lease "ops/daabde26.amd.com" was renewed 60m ago',
  ],
  [
    "another's was released just now",
    seen([scoped(SECOND, "y", "b", { holderIdentity: "" })], []),
    ["x"],
    "silent",
    "",
  ],
  [
    "a Deployment of another, without a Lease",
    seen([], [deployment(1, ["operator", "--watch-namespaces", "y"])]),
    ["x"],
    "silent",
    NOT_FOR_X,
  ],
  [
    "a Deployment that has it",
    seen([], [deployment(1, ["operator", "--watch-namespaces=y,x"])]),
    ["x"],
    "acts",
    "ready",
  ],
  ["a Deployment that may have it", seen([], [deployment(1, ["--watch-namespaces=$(NS)"])]), ["x"], "acts", "ready"],
  ["nothing at all", seen([], []), ["x"], "none", "No operator found"],
  ["no right", seen([scoped(SECOND, "y")], [], [FORBIDDEN, undefined]), ["x"], "unknown", FORBIDDEN],
])("for the resources of a namespace there is %s", (_name, evidence, namespaces, state, words) => {
  const serving = servingOf(evidence, NOW, namespaces);
  expect(serving.state).toBe(state as never);
  expect(serving.message).toMatch(words);
  if (serving.elsewhere) expect(remedyOf(serving)).toContain("--watch-namespaces");
});

test("an operator of one of the namespaces may come back without the election", () => {
  const evidence = seen([scoped(HOUR, "x")], [deployment(0, ["operator", "--watch-namespaces=y"])]);
  expect(servingOf(evidence, NOW, ["x"]).elected).toBe(true);
  expect(servingOf(evidence, NOW, ["x", "y"]).elected).toBe(false);
});

test.each<[string, Lease[], string | undefined]>([
  ["one", [scoped(SECOND, "*")], undefined],
  ["two of all", [scoped(SECOND, "*"), lease(2 * SECOND, {}, "b")], "2 operators have namespace"],
  ["one of it and one of another", [scoped(SECOND, "x"), scoped(SECOND, "y", "b")], undefined],
  ["two, one of which ended", [scoped(SECOND, "*"), lease(16 * SECOND, {}, "b")], undefined],
  ["two, one of which was released", [scoped(SECOND, "*"), lease(SECOND, { holderIdentity: "" }, "b")], undefined],
])("that two operators have a namespace is told of %s", (_name, leases, words) => {
  const text = rivalsText(seen(leases, []), NOW, "x");
  if (words === undefined) expect(text).toBeUndefined();
  else expect(text).toStartWith(words);
});
