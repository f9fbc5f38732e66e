/** status and plan against a real API server, as a person runs them; the operator does not run here. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { sharedControlPlane, type Cluster, type ClusterUser } from "../../testcluster/index.ts";
import { run, type CommandResult } from "../../testcluster/lib/command.ts";
import { poll } from "../../testcluster/lib/poll.ts";

setDefaultTimeout(120_000);

const ENTRY = join(import.meta.dirname, "../../../cmd/onloadctl.ts");
const CRD = join(import.meta.dirname, "../../manifests/crd/onload.amd.com_onloads.yaml");
const ROLES = join(import.meta.dirname, "../../manifests/rbac/user-roles.yaml");
const VIEWER_ROLE = "onload-operator-onload-viewer-role";
const id = `view-${process.pid}`;

let cluster: Cluster;
let namespace: string;
let reader: ClusterUser;
let folder: string;
const nodes = [`${id}-1`, `${id}-2`, `${id}-3`];

beforeAll(async () => {
  cluster = await sharedControlPlane();
  await cluster.apply(await readFile(CRD, "utf8"));
  folder = await mkdtemp(join(tmpdir(), "onloadctl-view-"));
  namespace = await cluster.createNamespace();
  reader = await cluster.addUser(id);
  await grant(reader.name, [
    ["onload.amd.com", "onloads"],
    ["", "nodes"],
    ["", "pods"],
    ["apps", "daemonsets"],
    ["policy", "poddisruptionbudgets"],
    ["kmm.sigs.x-k8s.io", "modules"],
    ["kmm.sigs.x-k8s.io", "nodemodulesconfigs"],
    ["kmm.sigs.x-k8s.io", "moduleimagesconfigs"],
    ["apiextensions.k8s.io", "customresourcedefinitions"],
  ]);
  for (const name of nodes) await createNode(name);
  await cluster.apply(stringify(onload("v1")));
});

afterAll(async () => {
  for (const name of nodes) await cluster.request("DELETE", `/api/v1/nodes/${name}`);
  for (const kind of ["clusterroles", "clusterrolebindings"]) {
    await cluster.request("DELETE", `/apis/rbac.authorization.k8s.io/v1/${kind}/${id}`);
  }
  await rm(folder, { recursive: true, force: true });
});

async function grant(user: string, resources: [string, string][]): Promise<void> {
  const rules = resources.map(([group, resource]) => ({
    apiGroups: [group],
    resources: [resource],
    verbs: ["get", "list", "watch"],
  }));
  // A dry run is authorised as the write that it would be.
  rules.push({ apiGroups: ["onload.amd.com"], resources: ["onloads"], verbs: ["create", "update"] });
  const api = "/apis/rbac.authorization.k8s.io/v1";
  await cluster.request("POST", `${api}/clusterroles`, { body: { metadata: { name: id }, rules } });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: id };
  const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }];
  await cluster.request("POST", `${api}/clusterrolebindings`, { body: { metadata: { name: id }, roleRef, subjects } });
}

async function createNode(name: string): Promise<void> {
  const path = "/api/v1/nodes";
  await cluster.request("POST", path, { body: { metadata: { name, labels: { [id]: "selected" } } } });
  const now = new Date().toISOString();
  const condition = {
    type: "Ready",
    status: "True",
    reason: "KubeletReady",
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
  await cluster.request("PATCH", `${path}/${name}/status`, {
    contentType: "merge",
    body: { status: { conditions: [condition], nodeInfo: { kernelVersion: "6.1.0-test" } } },
  });
}

function onload(version: string, changes: object = {}): object {
  return {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { name: "sample", namespace },
    spec: {
      selector: { [id]: "selected" },
      serviceAccountName: "default",
      onload: {
        version,
        userImage: `registry.example/onload-user:${version}`,
        kernelMappings: [{ regexp: ".*", kernelModuleImage: `registry.example/onload-module:${version}` }],
      },
      ...changes,
    },
  };
}

function onloadctl(args: readonly string[], kubeconfig = reader.kubeconfigPath, input = ""): Promise<CommandResult> {
  const env = { KUBECONFIG: kubeconfig, NO_COLOR: "1" };
  return run([process.execPath, ENTRY, ...args], { env, input, allowFailure: true });
}

test("status says that no operator has looked, and what each node is at", async () => {
  const { code, stdout, stderr } = await onloadctl(["status", "sample", "-n", namespace]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  // The reader may read neither Leases nor Deployments.
  expect(stdout).toMatch(/^Whether an operator acts is unknown: Cannot list leases: .*forbidden/);
  expect(stdout).toContain("No operator has looked at it yet");
  for (const name of nodes) expect(stdout).toMatch(new RegExp(`${name} +none -> v1 +New +Install`));
});

// Another file may have left a Deployment that is scaled to zero.
test("who may read Leases and Deployments is told that there is no operator", async () => {
  const { code, stdout } = await onloadctl(["status", "sample", "-n", namespace], cluster.kubeconfigPath);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^No operator (found: there is no Lease|acts: Deployment .* is scaled to zero)/);
  const json = await onloadctl(["status", "-n", namespace, "-o", "json"], cluster.kubeconfigPath);
  expect(JSON.parse(json.stdout)).toMatchObject([
    { operator: { state: expect.stringMatching(/^(none|silent)$/) }, attention: [] },
  ]);
});

test("status gives data to scripts", async () => {
  const json = await onloadctl(["status", "-n", namespace, "-o", "json"]);
  const yaml = await onloadctl(["status", "-n", namespace, "-o", "yaml"]);
  const name = await onloadctl(["status", "-n", namespace, "-o", "name"]);
  const data = JSON.parse(json.stdout) as { name: string; nodes: { node: string; state: string }[] }[];
  expect(data).toMatchObject([{ namespace, name: "sample", nodes: nodes.map((node) => ({ node, state: "New" })) }]);
  expect(parse(yaml.stdout)).toEqual(data);
  expect(name.stdout).toBe("onload.onload.amd.com/sample\n");
});

test("plan names nodes, pods and the budget that holds them, for a version that is not applied", async () => {
  const labels = (version: string): Record<string, string> => ({
    [`onload.amd.com/${namespace}.sample`]: version,
    [`kmm.node.kubernetes.io/version-module.${namespace}.sample-module`]: version,
    [`kmm.node.kubernetes.io/${namespace}.sample-module.ready`]: "",
  });
  for (const name of nodes) {
    const body = { metadata: { labels: labels("v1") } };
    await cluster.request("PATCH", `/api/v1/nodes/${name}`, { contentType: "merge", body });
  }
  const pod = {
    metadata: {
      name: "feed-0",
      namespace,
      labels: { app: "feed" },
      // No controller would make it again, but its owner lets force take it away.
      annotations: { "onload.amd.com/allow-force-drain": "true" },
    },
    // Bound to its node already: it needs no scheduler.
    spec: {
      nodeName: nodes[0],
      containers: [{ name: "app", image: "registry.example/feed:1", resources: { limits: { "amd.com/onload": "1" } } }],
    },
  };
  await cluster.request("POST", `/api/v1/namespaces/${namespace}/pods`, { body: pod });
  const budget = {
    metadata: { name: "feed", namespace },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "feed" } } },
  };
  await cluster.request("POST", `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`, { body: budget });

  const file = join(folder, "onload.yaml");
  await writeFile(file, stringify(onload("v2", { upgrade: { drain: { force: true } } })));
  const { code, stdout, stderr } = await onloadctl(["plan", "-f", file, "-o", "json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [plan] = JSON.parse(stdout) as {
    version: string;
    nodes: { node: string; turn: number; evict: string[]; blockedBy: string[] }[];
  }[];
  expect(plan?.version).toBe("v2");
  expect(plan?.nodes.map(({ node }) => node).toSorted()).toEqual(nodes);
  const first = plan?.nodes.find(({ node }) => node === nodes[0]);
  expect(first?.evict).toEqual([`${namespace}/feed-0`]);
  expect(first?.blockedBy.join()).toContain("budget feed allows no disruption now");
  const text = await onloadctl(
    ["plan", "-f", "-", "-n", namespace],
    reader.kubeconfigPath,
    await readFile(file, "utf8"),
  );
  expect(text.stdout).toContain(`${namespace}/sample: version v2`);
});

test("plan asks the API server what it would refuse, which knows more rules than the status of a budget tells", async () => {
  const api = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
  const resources = { limits: { "amd.com/onload": "1" } };
  const containers = [{ name: "app", image: "registry.example/app:1", resources }];
  const annotations = { "onload.amd.com/allow-force-drain": "true" };
  for (const app of ["twice", "sick", "strict"]) {
    const metadata = { name: app, namespace, labels: { app }, annotations };
    await cluster.request("POST", `/api/v1/namespaces/${namespace}/pods`, {
      body: { metadata, spec: { nodeName: nodes[0], containers } },
    });
    // No budget keeps a pod that does not run.
    const ready = app === "sick" ? "False" : "True";
    const status = { phase: "Running", conditions: [{ type: "Ready", status: ready }] };
    const path = `/api/v1/namespaces/${namespace}/pods/${app}/status`;
    await cluster.request("PATCH", path, { contentType: "merge", body: { status } });
  }
  const budgets = [
    { metadata: { name: "one" }, spec: { maxUnavailable: 5, selector: { matchLabels: { app: "twice" } } } },
    { metadata: { name: "two" }, spec: { maxUnavailable: 5, selector: { matchLabels: { app: "twice" } } } },
    { metadata: { name: "strict" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "strict" } } } },
    {
      metadata: { name: "sick" },
      spec: {
        maxUnavailable: 0,
        unhealthyPodEvictionPolicy: "AlwaysAllow",
        selector: { matchLabels: { app: "sick" } },
      },
    },
  ];
  for (const body of budgets) await cluster.request("POST", api, { body });
  const counted = async (): Promise<boolean> =>
    (await cluster.request("GET", `${api}/strict`)).status?.currentHealthy === 1 &&
    (await cluster.request("GET", `${api}/sick`)).status?.observedGeneration === 1;
  await poll(counted, { what: "The budgets' status", timeoutMs: 60_000 });
  const file = join(folder, "drain.yaml");
  await writeFile(file, stringify(onload("v2", { upgrade: { drain: { force: true } } })));
  const plan = async (kubeconfig: string): Promise<{ notes: string[]; blocked: string }> => {
    const { stdout } = await onloadctl(["plan", "-f", file, "-o", "json"], kubeconfig);
    const [found] = JSON.parse(stdout) as { notes: string[]; nodes: { node: string; blockedBy: string[] }[] }[];
    return { notes: found!.notes, blocked: found!.nodes.find(({ node }) => node === nodes[0])!.blockedBy.join("\n") };
  };
  const { notes, blocked } = await plan(cluster.kubeconfigPath);
  expect(notes.join()).not.toContain("pods/eviction");
  expect(blocked).toContain(`pod ${namespace}/twice: `);
  expect(blocked).toContain("more than one PodDisruptionBudget");
  expect(blocked).not.toContain(`pod ${namespace}/sick`);
  expect(blocked).toContain(`pod ${namespace}/strict: The disruption budget strict needs 1 healthy pods`);
  // Who may not evict gets what the budgets' status tells, and is told that it is less.
  const less = await plan(reader.kubeconfigPath);
  expect(less.notes.join()).toContain(`without the right to create pods/eviction in namespace ${namespace}`);
  expect(less.blocked).toContain("budget feed allows no disruption now");
  for (const name of ["feed-0", "twice", "sick", "strict"]) {
    const { metadata } = await cluster.request("GET", `/api/v1/namespaces/${namespace}/pods/${name}`);
    expect(metadata.deletionTimestamp).toBeUndefined();
  }
});

test("a file that the API server would refuse is refused with its words", async () => {
  const file = join(folder, "bad.yaml");
  await writeFile(file, stringify(onload("not a version")));
  const { code, stdout, stderr } = await onloadctl(["plan", "-f", file]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("version must be a label value");
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

test.each([
  [["plan", "-f", "/no/such/file"], 2, "Cannot read /no/such/file"],
  [["plan", "sample", "-f", "x"], 2, "exclude each other"],
  [["status", "nonsense"], 1, 'Cannot find Onload "nonsense"'],
])("%j fails with one line", async (args, code, words) => {
  const result = await onloadctl(args);
  expect(result).toMatchObject({ code, stdout: "" });
  expect(result.stderr).toContain(words);
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
});

test("who may not read is told at once what is missing", async () => {
  const nobody = await cluster.addUser(`${id}-nobody`);
  const { code, stderr } = await onloadctl(["status"], nobody.kubeconfigPath);
  expect(code).toBe(1);
  expect(stderr).toContain("cannot list resource");
});

test("the role for viewers is enough for status, plan, version and check", async () => {
  const viewer = await cluster.addUser(`${id}-viewer`);
  await cluster.apply(await readFile(ROLES, "utf8"));
  const name = `${id}-viewer`;
  const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: viewer.name }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: VIEWER_ROLE };
  await cluster.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    body: { metadata: { name }, roleRef, subjects },
  });
  try {
    for (const args of [["status"], ["plan"], ["version"], ["check"]]) {
      const { code, stdout, stderr } = await onloadctl(args, viewer.kubeconfigPath);
      expect({ args, stderr }).toEqual({ args, stderr: "" });
      expect(stdout).not.toContain("forbidden");
      // These nodes tell no architecture.
      expect(code).toBe(args[0] === "check" ? 1 : 0);
    }
    const { stdout } = await onloadctl(["check", "-n", namespace, "-o", "json"], viewer.kubeconfigPath);
    const findings = JSON.parse(stdout) as { what: string; result: string }[];
    const resultOf = (what: string): string | undefined => findings.find((each) => each.what === what)?.result;
    expect(resultOf("API server")).toBe("ok");
    expect(resultOf("CRD of Onload")).toBe("ok");
    expect(resultOf("Your rights to look")).toBe("ok");
    expect(resultOf("Your rights to deploy")).toBe("warning");
    expect(resultOf(`${namespace}/sample: kernels`)).toBe("ok");
    expect(resultOf(`${namespace}/sample: architectures`)).toBe("failed");
    const refused = await onloadctl(["pause", "sample", "-n", namespace], viewer.kubeconfigPath);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("forbidden");
  } finally {
    await cluster.request("DELETE", `/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/${name}`);
  }
});

test("exit codes tell scripts how it is", async () => {
  // No operator runs here.
  const args = ["status", "sample", "-n", namespace];
  const admin = cluster.kubeconfigPath;
  expect((await onloadctl([...args, "--exit-code"], admin)).code).toBe(5);
  expect((await onloadctl([...args, "--wait=1s"], admin)).code).toBe(5);
  expect((await onloadctl(["-n", namespace, "status", "sample"], admin)).code).toBe(0);
  const one = await onloadctl([...args, `--node=${nodes[1]}`], admin);
  expect(one.stdout).toContain(nodes[1]!);
  expect(one.stdout).not.toContain(nodes[0]!);
  const none = await onloadctl([...args, "--node=nonsense"], admin);
  expect(none).toMatchObject({ code: 1, stdout: "" });
  expect((await onloadctl([...args, "-A"], admin)).code).toBe(2);
});

test("pause, resume and retry change what they say", async () => {
  const verb = (word: string, ...more: string[]) =>
    onloadctl([word, "sample", "-n", namespace, ...more], cluster.kubeconfigPath);
  const read = () => cluster.request("GET", `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/sample`);
  expect((await verb("pause", "--dry-run")).stdout).toContain("(dry run)");
  expect((await read()).spec.upgrade?.paused ?? false).toBe(false);
  expect(await verb("pause")).toMatchObject({ code: 0, stderr: "" });
  expect((await read()).spec.upgrade.paused).toBe(true);
  expect((await verb("resume")).code).toBe(0);
  expect((await read()).spec.upgrade.paused).toBe(false);
  expect((await verb("retry")).code).toBe(0);
  expect(Date.parse((await read()).metadata.annotations["onload.amd.com/retry"])).toBeGreaterThan(0);
  const back = await verb("rollback");
  expect(back.code).toBe(1);
  expect(back.stderr).toContain("no version has been Ready on every node");
  const elsewhere = await onloadctl(["pause", "sample", "-n", "default"], cluster.kubeconfigPath);
  expect(elsewhere.stderr).toContain(`it is in ${namespace}; give --namespace`);
});

test("status, plan and check wrote nothing", async () => {
  const dry = (uri: string): boolean => uri.includes("dryRun=All");
  const writes = cluster
    .auditEvents(reader.name)
    .filter(({ verb, requestURI }) => !["get", "list", "watch"].includes(verb) && !dry(requestURI));
  expect(writes).toEqual([]);
  const live = await cluster.request("GET", `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/sample`);
  expect(live.spec.onload.version).toBe("v1");
});
