/** What `onloadctl check` says of what it has read. */
import { describe, expect, test } from "bun:test";
import type { Deployment, KubeObject, Node, PolicyBinding } from "../api/core.ts";
import { onloadCrd } from "../api/crd.ts";
import { PROTECTING_POLICIES } from "../api/names.ts";
import { withDefaults } from "../api/onload.ts";
import type { RawOnload } from "../operator/cache/caches.ts";
import { KMM_1, KMM_2 } from "../operator/testing/kmm.ts";
import { served } from "../operator/testing/served-policies.ts";
import { suppose } from "../operator/view/suppose.ts";
import { judgeCrds, judgeKmmOperator, judgePolicies, judgeServing, judgeVersion } from "./cluster.ts";
import { findingsText, isFine, type Finding, type Result } from "./findings.ts";
import { judgeResource, type ResourceFacts } from "./resource.ts";
import { usesOf } from "./uses.ts";
import { installedOperators, rightsToOperate, type InstalledOperator } from "./operator-rights.ts";
import { judgeRights, toExamine, TO_DEPLOY, TO_LOOK, type Ask, type Right } from "./rights.ts";
import { usableConstraints } from "./security-context.ts";

const shown = ({ result, message }: Finding): string => `${result}: ${message}`;

describe("the API server", () => {
  test.each<[string, object, Result]>([
    ["1.24", { gitVersion: "v1.24.9", major: "1", minor: "24" }, "failed"],
    ["1.25, which KMM 1.1 needs", { gitVersion: "v1.25.0", major: "1", minor: "25" }, "warning"],
    ["1.29 of a distribution", { gitVersion: "v1.29.1-eks", major: "1", minor: "29+" }, "warning"],
    ["1.30", { gitVersion: "v1.30.0", major: "1", minor: "30" }, "ok"],
    ["another software", { gitVersion: "x" }, "unknown"],
  ])("%s", (_what, value, result) => {
    expect(judgeVersion({ value }).result).toBe(result);
  });
  test("that does not tell", () => {
    expect(shown(judgeVersion({ problem: "Forbidden" }))).toBe("unknown: Forbidden");
  });
});

describe("CRDs", () => {
  const kmm = (kind: string, fields: object = {}): never =>
    ({
      metadata: { name: kind },
      spec: {
        group: "kmm.sigs.x-k8s.io",
        names: { kind },
        versions: [{ name: "v1beta1", served: true, schema: { openAPIV3Schema: fields } }],
      },
    }) as never;
  test("before an install", () => {
    expect(judgeCrds({ value: [] }).map(({ result }) => result)).toEqual(["failed", "warning"]);
  });
  test("after one", () => {
    const found = judgeCrds({ value: [kmm("Module"), onloadCrd()] });
    expect(found.map(({ result }) => result)).toEqual(["ok", "ok"]);
    expect(found[0]!.message).toContain("KMM 1.1");
    expect(judgeCrds({ value: [kmm("Module"), kmm("NodeModulesConfig")] })[0]!.message).toBe("KMM 2.0");
  });
  test("an Onload that is older than this program", () => {
    const crd = structuredClone(onloadCrd());
    delete crd.spec.versions[0]!.schema!.openAPIV3Schema!.properties!["status"]!.properties!["selector"];
    expect(shown(judgeCrds({ value: [crd] })[1]!)).toMatch(/^failed: .*status\.selector/);
  });
});

describe("KMM's operator", () => {
  const deployment = (name: string, ready: number): never =>
    ({
      metadata: { namespace: "kmm", name },
      spec: { replicas: 1, template: { spec: { containers: [{ name: "manager", image: "r/kmm:v2.4.1" }] } } },
      status: { readyReplicas: ready },
    }) as never;
  const told = (...all: never[]): string => shown(judgeKmmOperator({ value: all }));
  test("runs", () => {
    expect(told(deployment("kmm-operator-controller", 1))).toBe(
      "ok: kmm/kmm-operator-controller: 1 of 1 pod is ready, r/kmm:v2.4.1",
    );
  });
  test("does not run", () => {
    expect(told(deployment("kmm-operator-controller", 0))).toMatch(
      /^failed: .*0 of 1 pod .*kubectl describe deployment kmm-operator-controller -n kmm/,
    );
    expect(told()).toMatch(/^unknown: No Deployment is called/);
    expect(shown(judgeKmmOperator({ problem: "Forbidden" }))).toBe("unknown: Forbidden");
  });
  test("may have no pod", () => {
    const message =
      'pods "kmm-operator-controller-x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0';
    const conditions = [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message }];
    const refused = {
      ...(deployment("kmm-operator-controller", 0) as object),
      status: { replicas: 0, conditions },
    } as never;
    expect(told(refused)).toBe(
      `failed: The pods of KMM's Deployment "kmm/kmm-operator-controller" are refused: ${message}; raise that ResourceQuota of namespace "kmm", or remove it`,
    );
    expect(told(refused, deployment("kmm-operator-controller-manager", 1))).toMatch(/^ok: /);
  });
  test("runs twice, as after an upgrade from 1.1 beside which it was installed", () => {
    const both = [deployment("kmm-operator-controller", 1), deployment("kmm-operator-controller-manager", 1)];
    expect(told(...both)).toMatch(/^failed: .*only one KMM may run/);
    expect(told(both[0]!, deployment("kmm-operator-controller-manager", 0))).toMatch(/^ok/);
  });
});

describe("the SCC that a ServiceAccount may use", () => {
  const all = { allowPrivilegedContainer: true, allowHostPID: true, allowHostNetwork: true };
  const scc = (name: string, fields: object = {}): never =>
    ({ metadata: { name }, ...all, allowHostDirVolumePlugin: true, users: [], groups: null, ...fields }) as never;
  const found = (may: string[], sccs: never[]): Promise<string | undefined> =>
    usableConstraints(
      ({ user, groups }, { verb, resource, name, namespace }) => {
        expect({ user, verb, resource, namespace }).toEqual({
          user: "system:serviceaccount:ns:sa",
          verb: "use",
          resource: "securitycontextconstraints",
          namespace: "ns",
        });
        expect(groups).toContain("system:serviceaccounts:ns");
        return Promise.resolve(may.includes(name!));
      },
      () => Promise.resolve(sccs),
      "ns",
      "sa",
    );
  test.each<[string, string[], never[], string | undefined]>([
    ["by RBAC", ["privileged"], [], "privileged"],
    [
      "by its name, as oc wrote it before 4.0",
      [],
      [scc("privileged", { users: ["system:serviceaccount:ns:sa"] })],
      "privileged",
    ],
    ["by a group", [], [scc("privileged", { groups: ["system:serviceaccounts:ns"] })], "privileged"],
    ["of one's own", ["onload"], [scc("privileged"), scc("onload")], "onload"],
    ["too weak", ["hostnetwork"], [scc("hostnetwork", { allowPrivilegedContainer: false })], undefined],
    ["none", [], [scc("privileged", { users: ["system:serviceaccount:ns:other"] })], undefined],
  ])("%s", async (_what, may, sccs, expected) => {
    expect(await found(may, sccs)).toBe(expected);
  });
});

test("policies and the operator", () => {
  expect(judgePolicies({ value: [] }, { value: [] })).toMatchObject({ result: "warning" });
  const serving = (state: "acts" | "silent" | "none" | "unknown"): Result =>
    judgeServing({ state, message: "m", elected: true }).result;
  expect((["acts", "none", "silent", "unknown"] as const).map(serving)).toEqual(["ok", "warning", "failed", "unknown"]);
});

test("a way that a person has opened for deletions is told by what the operator says, where it is not read here", () => {
  const policies = PROTECTING_POLICIES.map(served);
  const bindings = PROTECTING_POLICIES.map((name) => ({
    metadata: { name },
    spec: { policyName: name, validationActions: ["Deny"] },
  })) as unknown as PolicyBinding[];
  const judged = (status: string, reason: string): Finding => {
    const condition = { type: "Protected", status, reason, message: 'for Module "main-onload-module"' };
    const onload = { metadata: { name: "main" }, status: { conditions: [condition] } } as unknown as KubeObject;
    return judgePolicies({ value: policies }, { value: bindings }, { onloads: { value: [onload] } });
  };
  expect(shown(judged("True", "PoliciesInstalled"))).toStartWith("ok: ");
  expect(shown(judged("False", "DeletionAllowed"))).toBe('warning: for Module "main-onload-module"');
  // What holds of policies is seen here, and the status may be older.
  expect(shown(judged("False", "PoliciesMissing"))).toStartWith("ok: ");
});

describe("rights", () => {
  const ask =
    (may: (resource: string) => boolean): Ask =>
    (_subject, { resource }) =>
      Promise.resolve(may(resource));
  const judged = (each: Ask): Promise<Finding> => judgeRights(each, "rights", {}, TO_LOOK, "failed", "do this");
  test("all are there", async () => expect((await judged(ask(() => true))).result).toBe("ok"));
  test("some are missing", async () => {
    expect(shown(await judged(ask((resource) => !["nodes", "modules"].includes(resource))))).toBe(
      "failed: Not allowed: list nodes, list modules.kmm.sigs.x-k8s.io; do this",
    );
  });
  test("doctor's are missing in one namespace", async () => {
    const may: Ask = (_subject, { namespace }) => Promise.resolve(namespace === "a");
    expect(shown(await judgeRights(may, "doctor", {}, toExamine(["a", "b"]), "warning", "do this"))).toBe(
      "warning: Not allowed: get pods/proxy in namespace b; do this",
    );
  });
  test("nobody may ask", async () => {
    expect((await judged(() => Promise.reject(new Error("Forbidden")))).result).toBe("unknown");
  });
});

test("whoever may deploy may do all that it takes to ask what the API server says of a file", async () => {
  const verbs = new Set<string>();
  for (const live of [undefined, applied(), applied("Apply")]) {
    const answer = (verb: string) => () => {
      verbs.add(verb);
      return Promise.resolve((verb === "get" ? live : applied()) as never);
    };
    const client = {
      get: answer("get"),
      create: answer("create"),
      apply: answer("patch"),
      mergePatch: answer("patch"),
    };
    await suppose(client, applied(), new AbortController().signal);
  }
  expect(TO_DEPLOY.map(({ verb }) => verb)).toEqual(expect.arrayContaining([...verbs]));

  function applied(operation = "Update"): RawOnload {
    const managedFields = [{ manager: "somebody", operation }];
    return { kind: "Onload", metadata: { namespace: "ns", name: "main", managedFields }, spec: {} } as never;
  }
});

describe("what the operator needs", () => {
  const texts = (operator: InstalledOperator): string[] =>
    rightsToOperate(operator).map((right) => JSON.stringify(right));
  const operator = { namespace: "trading", account: "x", leaseNamespace: "leases", securesMetrics: false };
  test("is what the manifests give to its ServiceAccount, and nothing of people's roles", () => {
    const rights = texts(operator);
    const has = (right: Right): void => expect(rights).toContain(JSON.stringify(right));
    has({ verb: "patch", group: "", resource: "nodes" });
    has({ verb: "create", group: "", resource: "pods", subresource: "eviction" });
    has({ verb: "watch", group: "coordination.k8s.io", resource: "leases", name: "daabde26.amd.com" });
    has({ verb: "patch", group: "coordination.k8s.io", resource: "leases", namespace: "leases" });
    expect(rights.filter((each) => each.includes('"namespace":"trading"'))).toEqual([]);
    expect(rights.filter((each) => each.includes('deploy"') || each.includes("tokenreviews"))).toEqual([]);
    expect(texts({ ...operator, securesMetrics: true }).filter((each) => each.includes("tokenreviews"))).toHaveLength(
      1,
    );
  });
  test("it needs by the ServiceAccount of its Deployment", () => {
    const deployment = (namespace: string, spec: object): Deployment => ({
      kind: "Deployment",
      metadata: { namespace, name: "d" },
      spec: { template: { spec } },
    });
    const args = ["operator", "--metrics-secure", "--leader-election-namespace=b"];
    const found = [
      deployment("a", { serviceAccountName: "x" }),
      deployment("a", { containers: [{ name: "c", args }] }),
    ];
    expect(installedOperators([...found, found[0]!])).toEqual([
      { namespace: "a", account: "x", leaseNamespace: "a", securesMetrics: false },
      { namespace: "a", account: "onload-operator-controller-manager", leaseNamespace: "b", securesMetrics: true },
    ]);
    expect(installedOperators([])).toEqual([]);
  });
});

const node = (
  name: string,
  changes: { arch?: string; kernel?: string; system?: string; ready?: boolean; cordoned?: boolean } = {},
): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { pool: "a" } },
  spec: changes.cordoned ? { unschedulable: true } : {},
  status: {
    conditions: [{ type: "Ready", status: changes.ready === false ? "False" : "True" }],
    nodeInfo: {
      architecture: changes.arch ?? "amd64",
      kernelVersion: changes.kernel ?? "5.14.0-1.x86_64",
      operatingSystem: changes.system ?? "linux",
    },
  },
});

/** A node that the resource does not select. */
const linux = (name: string, kernel: string): Node => {
  const other = node(name, { kernel });
  return { ...other, metadata: { name, labels: { "kubernetes.io/os": "linux" } } };
};

const onload = withDefaults({
  apiVersion: "onload.amd.com/v1alpha1",
  kind: "Onload",
  metadata: { name: "o", namespace: "ns" },
  spec: {
    selector: { pool: "a" },
    serviceAccountName: "sa",
    onload: {
      version: "v1",
      userImage: "r/user:1",
      kernelMappings: [{ regexp: "^5\\.", kernelModuleImage: "r/module:1-${KERNEL_FULL_VERSION}" }],
    },
  },
});
/** The same, whose modules KMM builds. */
function built(secrets: readonly string[]): typeof onload {
  const [mapping] = onload.spec.onload.kernelMappings;
  const kernelMappings = [{ ...mapping!, build: { dockerfileConfigMap: { name: "d" } } }];
  const imagePullSecrets = secrets.map((name) => ({ name }));
  return { ...onload, spec: { ...onload.spec, imagePullSecrets, onload: { ...onload.spec.onload, kernelMappings } } };
}
/** The same, with one more mapping. */
function withMapping(regexp: string): typeof onload {
  const kernelMappings = [...onload.spec.onload.kernelMappings, { regexp, kernelModuleImage: "r/module:1" }];
  return { ...onload, spec: { ...onload.spec, onload: { ...onload.spec.onload, kernelMappings } } };
}
const object = (metadata: object = {}): never => ({ metadata: { name: "x", ...metadata } }) as never;
const fine: ResourceFacts = {
  onload,
  nodes: { value: [node("n1")] },
  account: { value: object() },
  namespace: { value: object() },
  images: undefined,
  kmm: KMM_1,
};

describe("a resource", () => {
  const of = (changes: Partial<ResourceFacts>, what: string): string => {
    const found = judgeResource({ ...fine, ...changes }).find((each) => each.what === `ns/o: ${what}`);
    return found ? shown(found) : "nothing";
  };
  test("that can work", () => {
    expect(judgeResource(fine).map(({ what, result }) => `${what} ${result}`)).toEqual([
      "ns/o: ServiceAccount ok",
      "ns/o: namespace ok",
      "ns/o: nodes ok",
      "ns/o: architectures ok",
      "ns/o: kernels ok",
      "ns/o: module images unknown",
    ]);
  });
  test.each<[string, Partial<ResourceFacts>, string, RegExp]>([
    ["no ServiceAccount", { account: { value: undefined } }, "ServiceAccount", /^failed: "sa" does not exist/],
    ["unknown ServiceAccount", { account: { problem: "Forbidden" } }, "ServiceAccount", /^unknown: Forbidden/],
    [
      "an empty name of a ServiceAccount, which is that of the namespace",
      { onload: { ...onload, spec: { ...onload.spec, serviceAccountName: "" } }, account: { value: undefined } },
      "ServiceAccount",
      /^failed: "default" does not exist/,
    ],
    ["no namespace", { namespace: { value: undefined } }, "namespace", /^failed: "ns" does not exist/],
    [
      "a namespace that goes",
      { namespace: { value: object({ deletionTimestamp: "t" }) } },
      "namespace",
      /^failed: "ns" is being deleted/,
    ],
    [
      "a namespace that refuses the pods",
      { namespace: { value: object({ labels: { "pod-security.kubernetes.io/enforce": "baseline" } }) } },
      "namespace",
      /^failed: .*kubectl label namespace ns pod-security/,
    ],
    ["an SCC", { constraints: { value: "privileged" } }, "SCC", /^ok: "sa" may use "privileged"/],
    [
      "no SCC",
      { constraints: { value: undefined } },
      "SCC",
      /^failed: .*: oc adm policy add-scc-to-user privileged -z sa -n ns$/,
    ],
    ["an SCC that cannot be asked for", { constraints: { problem: "Forbidden" } }, "SCC", /^unknown: Forbidden/],
    [
      "a build in OpenShift with a pull secret",
      { onload: built(["a", "b"]), constraints: { value: "privileged" } },
      "builds",
      /^warning: OpenShift's builder has no logins .*: Secret "a" must have a login for every registry/,
    ],
    ["such a build elsewhere", { onload: built(["a"]) }, "builds", /^nothing$/],
    ["one without a pull secret", { onload: built([]), constraints: { value: "privileged" } }, "builds", /^nothing$/],
    ["no pull secret", { secrets: new Map() }, "pull secrets", /^nothing$/],
    [
      "pull secrets",
      {
        secrets: new Map([
          ["a", { value: true }],
          ["b", { value: true }],
        ]),
      },
      "pull secrets",
      /^ok: "a", "b" in namespace "ns"; KMM takes the first alone/,
    ],
    [
      "a pull secret that is missing",
      {
        secrets: new Map([
          ["a", { value: true }],
          ["b", { value: false }],
        ]),
      },
      "pull secrets",
      /^failed: "b" does not exist in namespace "ns"/,
    ],
    [
      "a pull secret that cannot be read",
      { secrets: new Map([["a", { problem: "Forbidden" }]]) },
      "pull secrets",
      /^unknown: Forbidden/,
    ],
    ["no node", { nodes: { value: [] } }, "nodes", /^warning: No node/],
    ["nodes that cannot be read", { nodes: { problem: "Forbidden" } }, "nodes", /^unknown: Forbidden/],
    ["a cordoned node", { nodes: { value: [node("n1", { cordoned: true })] } }, "nodes", /^warning: .*n1/],
    [
      "another architecture",
      { nodes: { value: [node("n1", { arch: "s390x" })] } },
      "architectures",
      /^failed: .*n1 \(s390x\)/,
    ],
    [
      "another operating system",
      { nodes: { value: [node("n1"), node("w1", { system: "windows", kernel: "10.0.17763.2114" })] } },
      "architectures",
      /^failed: Onload is for Linux, not for w1 \(amd64\); correct spec.selector/,
    ],
    [
      "the kernel of another operating system, which needs no mapping",
      { nodes: { value: [node("n1"), node("w1", { system: "windows", kernel: "10.0.17763.2114" })] } },
      "kernels",
      /^ok: Every kernel has a mapping: 5\.14\.0-1\.x86_64$/,
    ],
    [
      "a kernel without a mapping",
      { nodes: { value: [node("n1"), node("n2", { kernel: "6.1.0" })] } },
      "kernels",
      /^failed: .*matches kernel 6\.1\.0 \(regexp \^5\\\.\); add one/,
    ],
    [
      "a kernel of too few parts, which KMM 1.1 does not get",
      { nodes: { value: [node("n1"), node("n2", { kernel: "5.1" })] } },
      "kernels",
      /^failed: KMM gives up for all nodes at kernel 5\.1, because its version has fewer than three parts; give/,
    ],
    [
      "a kernel that is no value of a label",
      { nodes: { value: [node("n1", { kernel: "5.14.0+deb13-amd64" })] } },
      "kernels",
      /^failed: KMM 1\.1 cannot label a node of kernel 5\.14\.0\+deb13-amd64.*; install KMM 2\.1\.1 or later$/,
    ],
    [
      "a kernel of too few parts on a node of nobody's, which KMM 2 looks at too",
      { kmm: KMM_2, nodes: { value: [node("n1"), linux("n2", "5.1")] } },
      "kernels",
      /^failed: KMM gives up for all nodes at kernel 5\.1, .*kernelMappings matches it \(n2\); give .*, or correct the regexp/,
    ],
    [
      "an expression that cannot be evaluated for a node of nobody's, which KMM 2.4 looks at too",
      {
        kmm: KMM_2,
        nodes: { value: [node("n1"), linux("n2", "6.1.0")] },
        onload: withMapping("(6"),
      },
      "kernels",
      /^failed: KMM gives up for all nodes at the kernel of n2, because .*\[1\]\.regexp cannot be evaluated: .*; correct it$/,
    ],
    [
      "such a kernel that no mapping matches",
      { kmm: KMM_2, nodes: { value: [node("n1"), linux("n2", "6.1")] } },
      "kernels",
      /^ok: /,
    ],
    [
      "an image that KMM does not find",
      {
        kmm: KMM_2,
        images: {
          onload: { found: [], problems: { "r/module:1-5.14.0-1.x86_64": "no such tag" }, lastPulls: {} },
          sfc: { found: [], problems: {}, lastPulls: {} },
        },
      },
      "module images",
      /^failed: .*r\/module:1-5\.14\.0-1\.x86_64: no such tag/,
    ],
  ])("%s", (_what, changes, what, text) => {
    expect(of(changes, what)).toMatch(text);
  });
  test("needs these images", () => {
    const nodes = "value" in fine.nodes ? fine.nodes.value : [];
    const images = usesOf(fine.onload, nodes, fine.kmm).map(({ image }) => image);
    expect(images).toEqual([undefined, "r/user:1", "r/module:1-5.14.0-1.x86_64"]);
  });
});

test("only what has failed is a failure", () => {
  const findings: Finding[] = [
    { what: "a", result: "ok", message: "x" },
    { what: "b", result: "unknown", message: "y\u001b[31m" },
    { what: "c", result: "warning", message: "z" },
  ];
  expect(isFine(findings)).toBeTrue();
  expect(isFine([...findings, { what: "d", result: "failed", message: "" }])).toBeFalse();
  expect(findingsText(findings)).toContain("1 ok, 1 warning, 0 failed, 1 unknown");
  expect(findingsText(findings)).not.toContain("\u001b");
});
