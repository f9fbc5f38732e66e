/**
 * Uninstalling as a person does it, against a real API server, KMM 1.1.0 and the operator as a process; only the kubelets
 * are played. What was done is judged with kubectl.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { run, type CommandResult } from "../testcluster/lib/command.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "../operator/testing/operator-cluster.ts";
import type { OperatorProcess } from "../operator/testing/operator-process.ts";
import { tool } from "../testcluster/tools/index.ts";

// The Go compiler is not among what a test is timed for.
const helmProgram = await tool("helm");

setDefaultTimeout(600_000);

const OPS = "onload-operator-system";
const LEASE = ["-n", OPS, "lease/daabde26.amd.com"];

let cluster: OperatorCluster;
let namespace: string;
let nodes: string[];
let manifests: string;

beforeAll(async () => {
  cluster = await OperatorCluster.start();
  const { stdout } = await onloadctl("manifests", "install", "--image=registry/onloadctl:1");
  manifests = takingUser(stdout);
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const rules = [{ apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "patch"] }];
  await cluster.plane.request("POST", `${rbac}/clusterroles`, { body: { metadata: { name: "leases" }, rules } });
  await cluster.plane.bind({ role: "leases", subject: { kind: "User", name: cluster.user.name } });
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** Three nodes with Onload, an operator that leads, and a pod that holds amd.com/onload. */
let operator: OperatorProcess;
beforeEach(async () => {
  await poll(() => cluster.plane.apply(manifests).then(() => true), {
    what: "The installation",
    timeoutMs: PATIENCE_MS,
  });
  operator = await cluster.startOperator(["--leader-elect", `--leader-election-namespace=${OPS}`]);
  namespace = await cluster.createNamespace();
  const pool = `p${crypto.randomUUID().slice(0, 8)}`;
  nodes = await cluster.kubelet.createNodes(3, pool, { pool });
  const drain = { timeoutSeconds: 600 };
  await cluster.createOnload(namespace, onloadSpec(pool, "v1", { upgrade: { drain } }));
  await cluster.ready(namespace);
  // Its pods run on those nodes; the Deployment changes until they do.
  const deployment = `/apis/apps/v1/namespaces/${OPS}/deployments/onload-operator-controller-manager`;
  await poll(async () => (await cluster.plane.request("GET", deployment)).status?.readyReplicas === 1, {
    what: "The Deployment being ready",
    timeoutMs: PATIENCE_MS,
  });
});
afterEach(async () => {
  cluster.kubelet.mayGo = () => true;
  cluster.kubelet.review();
  await cluster.plane.kubectl(["delete", "pdb", "--all", "-n", namespace]);
  await onloadctl("uninstall", "--yes", "--crd", "--timeout=2m");
  await cluster.stopOperators();
  for (const name of nodes) await cluster.kubelet.deleteNode(name);
});

async function onloadctl(...args: string[]): Promise<CommandResult> {
  const env = { KUBECONFIG: cluster?.plane.kubeconfigPath, NO_COLOR: "1" };
  return run([await builtExecutable(), ...args], { env, input: "", allowFailure: true });
}

/** Policies that take the user of the operator for it: under test it runs outside of its pod. */
function takingUser(policies: string): string {
  const account = "system:serviceaccount:[^:]+:onload-operator-controller-manager";
  return policies.replaceAll(`^${account}$`, `^(${account}|${cluster.user.name})$`);
}

/** Resource version of every object, by kind and name. Leases and events change by themselves. */
async function everything(): Promise<Record<string, string>> {
  const { plane } = cluster;
  const names = (await plane.kubectl(["api-resources", "--verbs=list,get", "-o", "name"])).trim().split("\n");
  const kinds = names.filter((name) => !/^(events|leases|componentstatuses)\b/.test(name)).join(",");
  const list = JSON.parse(await plane.kubectl(["get", kinds, "-A", "-o", "json"])) as {
    items: { kind: string; metadata: { namespace?: string; name: string; resourceVersion: string } }[];
  };
  return Object.fromEntries(
    list.items.map(({ kind, metadata }) => [
      `${kind}/${metadata.namespace ?? ""}/${metadata.name}`,
      metadata.resourceVersion,
    ]),
  );
}

/** Names of objects that say that they are the operator's. */
async function installed(): Promise<string[]> {
  return Object.keys(await everything()).filter((name) => /\/onload-operator|\/onloads\.onload/.test(name));
}

async function exists(...args: string[]): Promise<boolean> {
  return (await cluster.plane.kubectl(["get", ...args, "--ignore-not-found", "-o", "name"])).trim() !== "";
}

/** As if the operator had not renewed its Lease for an hour. Who takes it waits as long as it says from then on. */
async function ageLease(): Promise<void> {
  const renewTime = new Date(Date.now() - 3_600_000).toISOString().replace("Z", "000Z");
  const spec = { renewTime, leaseDurationSeconds: 1 };
  await cluster.plane.kubectl(["patch", ...LEASE, "--type=merge", "-p", JSON.stringify({ spec })]);
}

/** A pod that holds amd.com/onload, which a ConfigMap stands for the controller of. */
async function createHolder(name: string, nodeName: string): Promise<void> {
  const { plane } = cluster;
  const path = `/api/v1/namespaces/${namespace}`;
  const map = await plane.request("POST", `${path}/configmaps`, { body: { metadata: { name } } });
  const owner = { apiVersion: "v1", kind: "ConfigMap", name, uid: map.metadata.uid, controller: true };
  const containers = [{ name: "app", image: "app", resources: { limits: { "amd.com/onload": "1" } } }];
  const metadata = { name, labels: { app: name }, ownerReferences: [owner] };
  await plane.request("POST", `${path}/pods`, { body: { metadata, spec: { nodeName, containers } } });
  await poll(async () => (await plane.request("GET", `${path}/pods/${name}`)).status.phase === "Running", {
    what: "The pod running",
    timeoutMs: PATIENCE_MS,
  });
}

async function expectClean(): Promise<void> {
  for (const node of nodes) expect(await cluster.traces(node)).toEqual([]);
  // DaemonSets of KMM are collected a moment after their Modules.
  await poll(async () => !(await exists("modules,daemonsets", "-n", namespace)), {
    what: "The end of Modules and DaemonSets",
    timeoutMs: PATIENCE_MS,
  });
  expect(cluster.kubelet.violations).toEqual([]);
}

test("with the operator running: shown without a change, done in order, and done once", async () => {
  await createHolder("feed", nodes[1]!);
  // Counters in the status of DaemonSets and Modules follow a moment later.
  let before: Record<string, string> = {};
  const isAtRest = async (): Promise<boolean> => isDeepStrictEqual(before, (before = await everything()));
  await poll(isAtRest, { what: "Rest of the cluster", timeoutMs: PATIENCE_MS, intervalMs: 1000 });
  const shown = await onloadctl("uninstall", "--dry-run");
  expect(await everything()).toEqual(before);
  expect(shown.code).toBe(0);
  expect(shown.stdout).toContain("Onload resources that are deleted: 1; the operator cleans their nodes");
  for (const node of nodes) expect(shown.stdout).toContain(`${node} `);
  expect(shown.stdout).toContain(`${namespace}/feed`);
  expect(shown.stdout).toContain(`Deployment "${OPS}/onload-operator-controller-manager"`);
  expect(shown.stdout).toContain(`Namespace "${OPS}"`);
  expect(shown.stdout).toMatch(/What stays:\n {2}CustomResourceDefinition .*\(--crd removes it\)/);

  const done = await onloadctl("uninstall", "--yes");
  expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("Every node is clean");
  expect(done.stderr).not.toContain("itself");
  await expectClean();
  expect(await installed()).toEqual(["CustomResourceDefinition//onloads.onload.amd.com"]);
  expect(await exists("crd", "modules.kmm.sigs.x-k8s.io")).toBe(true);
  expect(await exists("namespace", namespace)).toBe(true);

  const again = await onloadctl("uninstall", "--yes");
  expect(again).toMatchObject({ code: 0, stdout: "" });
  expect(again.stderr).toContain("Nothing to remove");
  const crd = await onloadctl("uninstall", "--yes", "--crd");
  expect(crd.code).toBe(0);
  expect(await installed()).toEqual([]);
});

test("with the operator killed: status says so, and this command does its work", async () => {
  await operator.kill();
  expect((await onloadctl("status")).stdout).not.toContain("No operator acts");
  await ageLease();
  const status = await onloadctl("status");
  expect(status.stdout).toMatch(
    /^No operator acts: Lease "onload-operator-system\/daabde26\.amd\.com" was renewed 60m ago/,
  );
  expect((await onloadctl("plan")).stdout).toContain("No operator acts");

  const done = await onloadctl("uninstall", "--yes");
  expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
  expect(done.stdout).toContain("this command does the operator's work");
  // It begins when the policies let it.
  expect(done.stderr).not.toContain("Reconcile failed");
  await expectClean();
  expect(await installed()).toEqual(["CustomResourceDefinition//onloads.onload.amd.com"]);
});

test("the operator dies while nodes are cleaned, and so does the command: run again, it goes on", async () => {
  await createHolder("feed", nodes[1]!);
  await cluster.plane.request("POST", `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`, {
    body: { metadata: { name: "keep" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "feed" } } } },
  });
  const first = Bun.spawn([await builtExecutable(), "uninstall", "--yes"], {
    env: { ...process.env, KUBECONFIG: cluster.plane.kubeconfigPath },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  let said = "";
  const reading = (async () => {
    for await (const chunk of first.stderr) said += new TextDecoder().decode(chunk);
  })();
  // The other nodes are cleaned, and the reason why this one is not is said.
  await poll(async () => /1 node to clean: .*Draining.*budget "?keep/.test(said), {
    what: "The reason why a node is not clean",
    timeoutMs: PATIENCE_MS,
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${said}`);
  });
  await operator.kill();
  first.kill("SIGINT");
  expect(await first.exited).toBe(130);
  await reading;
  await ageLease();
  const status = (await onloadctl("status")).stdout;
  expect(status).toContain("Abandoned");
  expect(status).toContain("no operator handles its finalizer onload.amd.com/node-cleanup: run `onloadctl uninstall`");

  await cluster.plane.kubectl(["delete", "pdb", "keep", "-n", namespace]);
  const second = await onloadctl("uninstall", "--yes", "--timeout=4m");
  expect({ code: second.code, stderr: second.stderr }).toMatchObject({ code: 0 });
  await expectClean();
});

test("nothing moves for too long: it ends with the reason, and leaves the operator", async () => {
  await createHolder("feed", nodes[0]!);
  await cluster.plane.request("POST", `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`, {
    body: { metadata: { name: "keep" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "feed" } } } },
  });
  const { code, stderr } = await onloadctl("uninstall", "--yes", "--timeout=20s");
  expect(code).toBe(1);
  expect(stderr).toMatch(/Cannot clean the nodes: nothing has moved for [2-9]\ds: /);
  expect(stderr).toContain(`${nodes[0]}`);
  expect(stderr).toContain("keep");
  expect(await exists("deployment", "-n", OPS)).toBe(true);
});

test("kubectl delete of what was installed takes nothing from a node, and the CRD stays", async () => {
  const refused = await cluster.plane
    .kubectl(["delete", "-f", "-", "--wait=false"], { input: manifests })
    .then(() => "")
    .catch((error: unknown) => String(error));
  expect(refused).toContain("run `onloadctl uninstall --crd` instead");
  await operator.kill();
  const onload = await cluster.onload(namespace);
  expect(onload?.metadata.deletionTimestamp).toBeUndefined();
  for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v1");
  await poll(async () => !(await exists("namespace", OPS)), {
    what: "The end of the namespace",
    timeoutMs: PATIENCE_MS,
  });
  expect((await onloadctl("status")).stdout).toMatch(/^No operator found/);

  // The trap: the policy has gone with the rest, so that now the CRD can be deleted. It waits for the finalizer.
  await cluster.plane.kubectl(["delete", "crd", "onloads.onload.amd.com", "--wait=false"]);
  expect((await onloadctl("status")).stdout).toContain("no operator handles its finalizer");
  const done = await onloadctl("uninstall", "--yes");
  expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
  expect(done.stdout).toContain("it was deleted already, and goes with the last Onload resource");
  expect(done.stderr).not.toContain("Kept");
  await expectClean();
  await poll(async () => (await installed()).length === 0, { what: "The end of the CRD", timeoutMs: PATIENCE_MS });
});

test("the operator's namespace is deleted with a resource in it: its finalizer is served all the same", async () => {
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  await cluster.plane.kubectl(["create", "serviceaccount", "onload", "-n", OPS]);
  // Our own namespace admits restricted pods only; whoever has Onload run there says otherwise.
  const level = "pod-security.kubernetes.io/enforce=privileged";
  await cluster.plane.kubectl(["label", "namespace", OPS, level, "--overwrite"]);
  const { pool } = (await cluster.node(nodes[0]!)).metadata.labels!;
  await cluster.createOnload(OPS, onloadSpec(pool!, "v1"));
  await cluster.ready(OPS);
  await cluster.plane.kubectl(["annotate", "namespace", OPS, "onload.amd.com/allow-deletion=true"]);
  await cluster.plane.kubectl(["delete", "namespace", OPS, "--wait=false"]);
  await operator.kill();
  await poll(async () => (await cluster.onload(OPS))?.metadata.deletionTimestamp !== undefined, {
    what: "The deletion of the resource",
    timeoutMs: PATIENCE_MS,
  });
  await poll(async () => !(await exists(...LEASE)), { what: "The end of the Lease", timeoutMs: PATIENCE_MS });
  const done = await onloadctl("uninstall", "--yes");
  expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("with the Lease in namespace kube-system");
  for (const node of nodes) expect(await cluster.traces(node)).toEqual([]);
  expect(await exists("lease/daabde26.amd.com", "-n", "kube-system")).toBe(false);
  expect(await installed()).toEqual(["CustomResourceDefinition//onloads.onload.amd.com"]);
});

test("a namespace that others use stays, and an operator without a Lease that may come back is not replaced", async () => {
  const secret = { metadata: { name: "theirs" } };
  await cluster.plane.request("POST", `/api/v1/namespaces/${OPS}/secrets`, { body: secret });
  await operator.kill();
  await ageLease();
  const path = `/apis/apps/v1/namespaces/${OPS}/deployments/onload-operator-controller-manager`;
  const patch = [
    { op: "replace", path: "/spec/strategy", value: { type: "Recreate" } },
    { op: "replace", path: "/spec/template/spec/containers/0/args", value: ["operator"] },
    // It stays Pending.
    { op: "replace", path: "/spec/template/spec/nodeSelector", value: { no: "node" } },
  ];
  const manager = ["deployment", "onload-operator-controller-manager", "-n", OPS];
  await cluster.plane.kubectl(["patch", ...manager, "--type=json", "-p", JSON.stringify(patch)]);
  await poll(async () => ((await cluster.plane.request("GET", path)).status.readyReplicas ?? 0) === 0, {
    what: "A Deployment that is not ready",
    timeoutMs: PATIENCE_MS,
  });
  const refused = await onloadctl("uninstall", "--yes");
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("runs without --leader-elect");
  expect((await cluster.onload(namespace))?.metadata.deletionTimestamp).toBeUndefined();

  await cluster.plane.kubectl(["scale", "--replicas=0", "-n", OPS, "deployment/onload-operator-controller-manager"]);
  await poll(async () => ((await cluster.plane.request("GET", path)).status.replicas ?? 0) === 0, {
    what: "A Deployment without pods",
    timeoutMs: PATIENCE_MS,
  });
  const done = await onloadctl("uninstall", "--yes");
  expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
  expect(done.stderr).toContain('Kept Namespace "onload-operator-system": it also has Secret "theirs"');
  await expectClean();
  expect(await exists("secret", "theirs", "-n", OPS)).toBe(true);
  expect(await exists(...LEASE)).toBe(false);
  expect(await exists("deployment", "-n", OPS)).toBe(false);
  expect(await exists("serviceaccount/onload-operator-controller-manager", "-n", OPS)).toBe(false);
  await cluster.plane.kubectl(["delete", "namespace", OPS]);
});

test("Helm takes over what kubectl installed and upgrades the CRD; its removal takes nothing from a node, and can be undone", async () => {
  const { plane } = cluster;
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-helm-"));
  const chart = join(folder, "onload-operator");
  const helm = async (...args: string[]): Promise<string> => {
    const env = { HOME: folder, KUBECONFIG: plane.kubeconfigPath };
    return (await run([helmProgram, ...args, `--namespace=${OPS}`], { env })).stdout;
  };
  const edit = async (file: string, change: (text: string) => string): Promise<void> =>
    writeFile(join(chart, file), change(await readFile(join(chart, file), "utf8")));
  try {
    await onloadctl("manifests", "helm", `--output=${chart}`, "--image=registry/onloadctl:1");
    await edit("templates/admission.yaml", takingUser);
    // A chart whose CRD lacks a field, as an older one does. No rule of the CRD is about that field.
    await edit("templates/crd.yaml", (crd) => crd.replace("stepTimeoutSeconds:", "anotherField:"));
    await helm("install", "onload-operator", chart, "--take-ownership");
    expect(await cluster.condition(namespace, "Degraded", "True", "CrdOutdated")).toContain("stepTimeoutSeconds");

    await edit("templates/crd.yaml", (crd) => crd.replace("anotherField:", "stepTimeoutSeconds:"));
    await helm("upgrade", "onload-operator", chart, "--set=replicas=2", "--set=metrics.secure=true");
    await cluster.condition(namespace, "Degraded", "False");
    const deployment = await plane.kubectl(["get", "deployment", "-n", OPS, "-o", "json"]);
    const { replicas, template } = JSON.parse(deployment).items[0].spec;
    expect({ replicas, args: template.spec.containers[0].args }).toEqual({
      replicas: 2,
      args: ["operator", "--leader-elect", "--metrics-secure"],
    });
    expect(await exists("clusterrole", "onload-operator-metrics-auth-role")).toBe(true);

    expect(await helm("uninstall", "onload-operator")).toContain("[CustomResourceDefinition] onloads.onload.amd.com");
    // As the end of its pod does: it gives the Lease back.
    await operator.stop();
    const left = (await installed()).filter((name) => !name.startsWith("Namespace/") && !name.includes(`/${OPS}/`));
    expect(left).toEqual(["CustomResourceDefinition//onloads.onload.amd.com"]);
    expect((await cluster.onload(namespace))?.metadata.deletionTimestamp).toBeUndefined();
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v1");
    expect(await exists("modules,daemonsets", "-n", namespace)).toBe(true);
    // Its Lease says so once it is given back, or old.
    const isSaid = async (): Promise<boolean> => /^No operator (acts|found): /.test((await onloadctl("status")).stdout);
    await poll(isSaid, { what: "The word that nobody acts", timeoutMs: 90_000, intervalMs: 1000 });

    // Nothing has to be taken over: the CRD that stayed says whose it is.
    await helm("install", "onload-operator", chart);
    operator = await cluster.startOperator(["--leader-elect", `--leader-election-namespace=${OPS}`]);
    await cluster.editOnload(namespace, { onload: imagesOf("v2") });
    await poll(async () => (await cluster.versionOn(nodes[0]!, namespace)) === "v2", {
      what: "The upgrade of a node",
      timeoutMs: PATIENCE_MS,
    });

    const done = await onloadctl("uninstall", "--yes", "--crd");
    expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
    expect(done.stderr).toContain(
      `Kept Namespace "${OPS}": it also has Secret "sh.helm.release.v1.onload-operator.v1"`,
    );
    await expectClean();
    await helm("uninstall", "onload-operator");
    expect(await exists("secrets", "-n", OPS)).toBe(false);
    expect((await onloadctl("uninstall", "--yes")).stderr).toContain(`Removed Namespace "${OPS}"`);
    expect(await installed()).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
