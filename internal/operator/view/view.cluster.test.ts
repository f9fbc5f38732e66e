/** status and plan against a real API server, as a person runs them; the operator does not run here. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { sharedControlPlane, type Cluster, type ClusterUser } from "../../testcluster/index.ts";
import { builtExecutable } from "../../testcluster/lib/built.ts";
import { run, type CommandResult } from "../../testcluster/lib/command.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import { tool } from "../../testcluster/tools/index.ts";
import { SITUATIONS, waited } from "../testing/situations.ts";

setDefaultTimeout(120_000);

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const CRD = join(import.meta.dirname, "../../manifests/crd/onload.amd.com_onloads.yaml");
const ROLES = join(import.meta.dirname, "../../manifests/rbac/user-roles.yaml");
const VIEWER_ROLE = "onload-operator-onload-viewer-role";
const id = `view-${process.pid}`;

const RBAC = "/apis/rbac.authorization.k8s.io/v1";
let cluster: Cluster;
let namespace: string;
let reader: ClusterUser;
let binding: string;
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
    ["", "serviceaccounts"],
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
  await cluster.request("DELETE", `${RBAC}/clusterroles/${id}`);
  await cluster.request("DELETE", `${RBAC}/clusterrolebindings/${binding}`);
  await rm(folder, { recursive: true, force: true });
});

async function grant(user: string, resources: [string, string][]): Promise<void> {
  const rules = resources.map(([group, resource]) => ({
    apiGroups: [group],
    resources: [resource],
    verbs: ["get", "list", "watch"],
  }));
  // A dry run is authorised as the write that it would be.
  rules.push({ apiGroups: ["onload.amd.com"], resources: ["onloads"], verbs: ["create", "patch"] });
  await cluster.request("POST", `${RBAC}/clusterroles`, { body: { metadata: { name: id }, rules } });
  binding = await cluster.bind({ role: id, subject: { kind: "User", name: user } });
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

async function onloadctl(
  args: readonly string[],
  kubeconfig = reader.kubeconfigPath,
  input = "",
): Promise<CommandResult> {
  const env = { KUBECONFIG: kubeconfig, NO_COLOR: "1" };
  return run([await builtExecutable(), ...args], { env, input, allowFailure: true });
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
      // No controller would recreate it, but its owner lets force take it away.
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
  // Nodes that serve would be taken out of service.
  expect({ code, stderr }).toEqual({ code: 3, stderr: "" });
  const [plan] = JSON.parse(stdout) as {
    version: string;
    warnings: string[];
    nodes: { node: string; turn: number; evict: string[]; blockedBy: string[] }[];
  }[];
  expect(plan?.version).toBe("v2");
  expect(plan?.warnings).toEqual(["3 nodes that serve are taken out of service, and 1 pod is evicted"]);
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

test("a file that was got from a cluster at an earlier time is refused as kubectl refuses it, and what to do is said", async () => {
  const file = join(folder, "earlier.yaml");
  const earlier = onload("v3") as any;
  earlier.metadata.resourceVersion = "1";
  await writeFile(file, stringify(earlier));
  const kubectl = await run([await tool("kubectl"), "apply", "--dry-run=server", "-f", file], {
    env: { KUBECONFIG: cluster.kubeconfigPath },
    allowFailure: true,
  });
  expect(kubectl.stderr).toContain("the object has been modified");
  const { code, stdout, stderr } = await onloadctl(["plan", "-f", file]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("the metadata.resourceVersion of an earlier state");
  expect(stderr).toContain("take that line out");
});

/** The values of an object by their paths. */
function leaves(value: unknown, path = ""): [string, unknown][] {
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) return [[path, value]];
  const below = (name: string): string => (Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`);
  return Object.entries(value).flatMap(([name, each]) => leaves(each, below(name)));
}

const edited = (change: (object: any) => unknown) => (): string => {
  const object = onload("v1") as any;
  object.metadata.name = "edited";
  change(object);
  return stringify(object);
};

/** What people write into files. Whether the API server takes it, kubectl says. */
const FILES: Record<string, () => string> = {
  "the file that is applied": edited(() => undefined),
  "another version": edited(({ spec }) => (spec.onload.version = "v3")),
  "a misspelt field": edited(({ spec }) => (spec.upgrade = { maxUnavailabel: 1 })),
  "two misspelt fields": edited(({ spec }) =>
    Object.assign(spec, { tolerations: [{ kez: "a" }], serviceAccount: "b" }),
  ),
  "a misspelt field of metadata": edited(({ metadata }) => (metadata.anotations = { a: "b" })),
  "a field of the wrong type": edited(({ spec }) => (spec.upgrade = { paused: 3 })),
  "a field that was set by hand": edited(({ spec }) => (spec.selector.more = "x")),
  "a field that is no longer there": edited(({ spec }) => delete spec.imagePullSecrets),
  "fewer list items": edited(({ spec }) => (spec.onload.kernelMappings = spec.onload.kernelMappings.slice(0, 1))),
  "an annotation": edited(({ metadata }) => (metadata.annotations = { "example.com/a": "b" })),
  "a value that breaks a rule": edited(({ spec }) => (spec.onload.version = "not a version")),
  "no spec": edited((object) => delete object.spec),
  "a status": edited((object) => (object.status = { version: "v9" })),
  "no apiVersion": edited((object) => delete object.apiVersion),
  "an unknown version": edited((object) => (object.apiVersion = "onload.amd.com/v9")),
};

/** What can depend on how the resource was made. */
const BASIC = ["another version", "a misspelt field", "a field that is no longer there", "fewer list items"];

test.each(["by kubectl apply", "by server-side apply", "by hand", "not yet"] as const)(
  "of a resource that was made %s, a file is read as kubectl and the API server read it",
  async (made) => {
    const base = onload("v1") as any;
    base.metadata.name = "edited";
    base.spec.imagePullSecrets = [{ name: "pull" }];
    base.spec.onload.kernelMappings.push({ regexp: "el8", kernelModuleImage: "registry.example/m:1" });
    const how = {
      "by kubectl apply": ["apply"],
      "by server-side apply": ["apply", "--server-side"],
      "by hand": ["create"],
    }[made as string];
    if (how) await cluster.kubectl([...how, "-f", "-"], { input: stringify(base) });
    const path = `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/edited`;
    if (how) {
      const body = { spec: { upgrade: { stepTimeoutSeconds: 60 } } };
      await cluster.request("PATCH", path, { contentType: "merge", body });
    }
    try {
      const live = how ? await cluster.request("GET", path) : {};
      const flags = made === "by server-side apply" ? ["--server-side", "--force-conflicts"] : [];
      const judge = async (file: string) => {
        const args = ["apply", ...flags, "--dry-run=server", "-o", "json", "-f", "-"];
        const verdict = await cluster.kubectl(args, { input: file }).then(
          (text) => ({ object: JSON.parse(text) as any, refusal: "" }),
          (error: Error) => ({ object: undefined, refusal: error.message }),
        );
        return verdict;
      };
      const files = Object.entries(FILES).filter(([name]) => made === "by kubectl apply" || BASIC.includes(name));
      const ask = async ([name, file]: (typeof files)[number]): Promise<void> => {
        const input = file();
        const [{ object, refusal }, plan] = await Promise.all([
          judge(input),
          onloadctl(["plan", "-f", "-", "--diff", "-o", "json"], reader.kubeconfigPath, input),
        ]);
        expect([name, plan.code === 0, plan.stderr]).toEqual([name, object !== undefined, expect.any(String)]);
        if (!object) {
          // Fields are named as the server names them.
          for (const [field] of refusal.matchAll(/unknown field "[^"]+"/g)) expect(plan.stderr).toContain(field);
          // What is wrong stands first, and not behind the whole resource.
          expect(plan.stderr.length).toBeLessThan(700);
          expect(plan.stderr.trim().split("\n")).toHaveLength(1);
          return;
        }
        const { [LAST_APPLIED]: _, ...annotations } = object.metadata.annotations ?? {};
        const { [LAST_APPLIED]: __, ...before } = live.metadata?.annotations ?? {};
        const was = new Map(leaves({ metadata: { annotations: before }, spec: live.spec }));
        const is = leaves({ metadata: { annotations }, spec: object.spec });
        const set = is.filter(([field, value]) => JSON.stringify(was.get(field)) !== JSON.stringify(value));
        const gone = [...was.keys()].filter((field) => !is.some(([other]) => other === field));
        const changes = (JSON.parse(plan.stdout)[0].changes as { field: string; to: unknown }[]).map(
          ({ field, to }): [string, unknown] => [`.${field.replace(/\["([^"]+)"\]/g, ".$1")}`, to],
        );
        const real = ([, value]: readonly [string, unknown]): boolean =>
          value !== undefined && JSON.stringify(value) !== "{}";
        expect([name, changes.filter(real).toSorted()]).toEqual([name, set.filter(real).toSorted()]);
        expect([
          name,
          changes
            .filter(([, to]) => to === undefined)
            .map(([field]) => field)
            .toSorted(),
        ]).toEqual([
          name,
          gone.filter((field) => JSON.stringify(was.get(field)) !== "{}" && was.get(field) !== undefined).toSorted(),
        ]);
      };
      // Each starts two programs.
      for (let at = 0; at < files.length; at += 4) await Promise.all(files.slice(at, at + 4).map(ask));
    } finally {
      if (how) await cluster.request("DELETE", path);
    }
  },
  300_000,
);

test("a field that is there twice is refused, with its place: kubectl sends only the last one", async () => {
  const file = `${stringify(onload("v1"))}kind: Onload\n`;
  const path = `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads?dryRun=All&fieldValidation=Strict`;
  // The API server takes YAML too, and judges it whole.
  const server = await cluster.kubectl(["create", "--raw", path, "-f", "-"], { input: file }).then(
    () => "",
    (error: Error) => error.message,
  );
  expect(server).not.toBe("");
  const { code, stdout, stderr } = await onloadctl(["plan", "-f", "-"], reader.kubeconfigPath, file);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(/line \d+, column 1: duplicate key/);
});

test("several documents and Lists are planned for together, and what a file lacks is said", async () => {
  const base = onload("v1") as any;
  const named = (name: string, changes: object): any => ({
    ...base,
    metadata: { name, namespace },
    spec: { ...base.spec, ...changes },
  });
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "own", namespace } };
  const list = {
    apiVersion: "v1",
    kind: "List",
    items: [account, named("second", { serviceAccountName: "own", selector: { [id]: "nothing" } })],
  };
  const first = named("first", { serviceAccountName: "nosuch", selector: { [id]: "nothing" } });
  const input = `---\n${stringify(first)}---\n---\n${stringify(list)}`;
  const { code, stdout, stderr } = await onloadctl(["plan", "-f", "-", "-o", "json"], reader.kubeconfigPath, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const unmatched = "spec.selector matches no node: nothing is installed until a node has its labels";
  const plans = JSON.parse(stdout) as { name: string; warnings: string[] }[];
  expect(plans.map(({ name, warnings }) => [name, warnings])).toEqual([
    [
      "first",
      [
        unmatched,
        `ServiceAccount "nosuch" does not exist in namespace "${namespace}": no pod can start until it is there and is allowed to run privileged pods`,
      ],
    ],
    ["second", [unmatched]],
  ]);
});

test("what would refuse the pods is said before a file is applied, by plan and by check", async () => {
  const theirs = await cluster.createNamespace();
  const file = join(folder, "refused.yaml");
  const spec = (onload("v1", { serviceAccountName: "nosuch", selector: { [id]: "nothing" } }) as { spec: object }).spec;
  const content = stringify({ ...onload("v1"), metadata: { name: "new", namespace: theirs }, spec });
  await writeFile(file, content);
  const plan = async (kubeconfig = cluster.kubeconfigPath): Promise<{ warnings: string[]; notes: string[] }> =>
    JSON.parse((await onloadctl(["plan", "-f", file, "-o", "json"], kubeconfig)).stdout)[0];
  const check = async (kubeconfig = cluster.kubeconfigPath): Promise<string[]> => {
    const { stdout } = await onloadctl(["check", "-f", file, "-o", "json"], kubeconfig);
    const found = JSON.parse(stdout) as { what: string; result: string; message: string }[];
    return found.flatMap(({ what, result, message }) => (what.endsWith(": pods") ? [`${result}: ${message}`] : []));
  };
  const warned = async (...words: RegExp[]): Promise<void> => {
    const { warnings } = await plan();
    const refusals = warnings.filter((text) => text.startsWith("The API server would refuse"));
    expect(refusals).toEqual(words.map((each) => expect.stringMatching(each)));
    expect(await check()).toEqual(
      words.length === 0 ? ["ok: The API server would take them"] : refusals.map((text) => `failed: ${text}`),
    );
  };
  await warned();
  const quotas = `/api/v1/namespaces/${theirs}/resourcequotas`;
  const quota = await cluster.request("POST", quotas, {
    body: { metadata: { name: "none" }, spec: { hard: { pods: "0" } } },
  });
  expect(quota.metadata.name).toBe("none");
  // The controller of quotas, or the API server itself, counts what is there first.
  await poll(async () => (await cluster.request("GET", `${quotas}/none`)).status?.used?.pods === "0", {
    what: "the quota",
  });
  await warned(/the device plugin's pod: pods "new-.*exceeded quota: none.*; raise that ResourceQuota/);
  await cluster.request("DELETE", `${quotas}/none`);
  // It would be taken for a pod of KMM alone.
  await cluster.request("POST", quotas, {
    body: { metadata: { name: "limits" }, spec: { hard: { "limits.memory": "10Gi" } } },
  });
  await poll(async () => (await cluster.request("GET", `${quotas}/limits`)).status?.used?.["limits.memory"] === "0", {
    what: "the quota",
  });
  await warned(/KMM's pod that loads modules: .*must specify limits.memory for: module-loader; create a LimitRange /);
  const ranges = `/api/v1/namespaces/${theirs}/limitranges`;
  await cluster.request("POST", ranges, {
    body: { metadata: { name: "defaults" }, spec: { limits: [{ type: "Container", default: { memory: "256Mi" } }] } },
  });
  // The API server reads it soon.
  await poll(async () => (await check()).includes("ok: The API server would take them"), { what: "the LimitRange" });
  await cluster.request("DELETE", `${ranges}/defaults`);
  await cluster.request("DELETE", `${quotas}/limits`);
  const labels = { "pod-security.kubernetes.io/enforce": "baseline" };
  await cluster.request("PATCH", `/api/v1/namespaces/${theirs}`, {
    contentType: "merge",
    body: { metadata: { labels } },
  });
  const refused = (await plan()).warnings.filter((text) => text.includes("violates PodSecurity"));
  expect(refused).toEqual([expect.stringContaining("kubectl label --overwrite namespace")]);
  // check says it of the namespace.
  expect(await check()).toEqual([]);
  // Who may not create pods is told so.
  const right = `could not be tried, as a dry run, without the right to create pods in namespace "${theirs}"`;
  const { notes, warnings } = await plan(reader.kubeconfigPath);
  expect(notes).toContainEqual(expect.stringContaining(right));
  expect(warnings.join()).not.toContain("refuse");
  expect(await check(reader.kubeconfigPath)).toEqual([expect.stringMatching(/^unknown: .*right to create pods/)]);
  expect((await cluster.request("GET", `/api/v1/namespaces/${theirs}/pods`)).items).toEqual([]);
});

test("a selector that lets go of a node is told, and a deletion", async () => {
  const file = stringify(onload("v1", { selector: { [id]: "other" }, upgrade: { maxUnavailable: 3 } }));
  const let3Go = await onloadctl(["plan", "-f", "-"], reader.kubeconfigPath, file);
  expect(let3Go.code).toBe(3);
  expect(let3Go.stdout).toContain("Warning: spec.selector matches no node");
  expect(let3Go.stdout).toContain(`Warning: spec.selector lets go of 3 nodes (${nodes.join(", ")})`);
  const deleted = await onloadctl(["plan", "sample", "-n", namespace, "--delete"]);
  expect(deleted.code).toBe(3);
  // No kubelet is here: a node may count as not Ready by now.
  expect(deleted.stdout).toMatch(/Warning: \d nodes? that serves? (is|are) taken out of service/);
});

test("a plan for one namespace knows who has the nodes in others, or says that it does not", async () => {
  const other = await cluster.createNamespace();
  const metadata = { name: "late", namespace: other };
  const path = `/apis/onload.amd.com/v1alpha1/namespaces/${other}/onloads`;
  // The older one, in the namespace of this file, has the nodes.
  await cluster.request("POST", path, { body: { ...onload("v2"), metadata } });
  const owner = `Onload "${namespace}/sample" selects this node too and keeps it`;
  const unseen = "Onload resources of other namespaces cannot be read";
  const everywhere = await onloadctl(["plan", "late", "-n", other]);
  expect(everywhere.stdout).toContain(owner);
  expect(everywhere.stderr).not.toContain(unseen);
  const local = await cluster.addUser(`${id}-local`);
  const { rules } = await cluster.request("GET", `${RBAC}/clusterroles/${id}`);
  const role = `${id}-local`;
  const others = rules.filter((rule: { resources: string[] }) => !rule.resources.includes("onloads"));
  await cluster.request("POST", `${RBAC}/clusterroles`, { body: { metadata: { name: role }, rules: others } });
  const subject = { kind: "User", name: local.name } as const;
  const bound = await cluster.bind({ role, subject });
  await cluster.bind({ role: id, subject, namespace: other });
  // The API server takes a moment until new bindings count.
  const here = await poll(
    async () => {
      const result = await onloadctl(["plan", "late", "-n", other], local.kubeconfigPath);
      return result.stdout === "" ? undefined : result;
    },
    { what: "The rights in one namespace" },
  );
  expect(here.stdout).not.toContain(owner);
  expect(here.stderr).toContain(unseen);
  await cluster.request("DELETE", `${path}/late`);
  await cluster.request("DELETE", `${RBAC}/clusterroles/${role}`);
  await cluster.request("DELETE", `${RBAC}/clusterrolebindings/${bound}`);
});

test.each([
  [["plan", "-f", "/no/such/file"], 2, "Cannot read /no/such/file"],
  [["plan", "sample", "-f", "x"], 2, "are mutually exclusive"],
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

test.each(["status", "status -o json", "status -w", "plan", "check", "version", "images list", "doctor"])(
  "%s ends with an error if its output is full or closed",
  async (command) => {
    const program = await builtExecutable();
    const write = (to: string): Promise<CommandResult> =>
      run(["bash", "-c", `exec ${program} ${command} >${to}`], {
        env: { KUBECONFIG: cluster.kubeconfigPath },
        allowFailure: true,
      });
    const [full, closed] = await Promise.all([write("/dev/full"), write("&-")]);
    expect([full.code, closed.code]).toEqual([1, 1]);
    expect(full.stderr).toEndWith("Cannot write the output: no space left on device\n");
    expect(closed.stderr).toEndWith("Cannot write the output: standard output is closed\n");
  },
);

const WITHOUT_KMM =
  "Images may be missing: No Deployment is called kmm-operator-controller-manager or kmm-operator-controller";

test("images are listed with what needs them, and how to mirror them", async () => {
  const further = ["--image", "registry.example/trading/onloadctl:0.1.0"];
  const listed = await onloadctl(["images", "list", "-n", namespace, "-o", "yaml", ...further], cluster.kubeconfigPath);
  // Only KMM's CRDs are here.
  expect({ code: listed.code, told: listed.stderr.includes(WITHOUT_KMM) }).toEqual({ code: 1, told: true });
  expect(listed.stderr.trim().split("\n")).toHaveLength(1);
  const uses = new Map(
    (parse(listed.stdout) as { image: string; uses: string[] }[]).map((each) => [each.image, each.uses]),
  );
  expect(uses.get("registry.example/trading/onloadctl:0.1.0")).toEqual(["named with --image"]);
  expect(uses.get("registry.example/onload-user:v1")).toEqual([`${namespace}/sample: user image`]);
  expect(uses.get("registry.example/onload-module:v1")).toEqual([`${namespace}/sample: module for 6.1.0-test`]);

  const file = stringify(onload("v2"));
  const mirror = ["images", "mirror", "--to", "mirror.example:5000/x", "--dry-run", "-f", "-"];
  const { code, stdout, stderr } = await onloadctl(mirror, cluster.kubeconfigPath, file);
  expect({ code, told: stderr.includes(WITHOUT_KMM) }).toEqual({ code: 1, told: true });
  expect(stdout).toMatch(
    /^skopeo copy --all .*docker:\/\/registry\.example\/onload-user:v2 docker:\/\/mirror\.example:5000\/x\/onload-user:v2$/m,
  );
  const wrong = await onloadctl(["images", "mirror", "--to", "Mirror.example/X", "--dry-run"], cluster.kubeconfigPath);
  expect(wrong).toMatchObject({ code: 2, stdout: "" });
});

test("the role for viewers is enough for status, plan, version, check and images list", async () => {
  const viewer = await cluster.addUser(`${id}-viewer`);
  await cluster.apply(await readFile(ROLES, "utf8"));
  const bound = await cluster.bind({ role: VIEWER_ROLE, subject: { kind: "User", name: viewer.name } });
  try {
    for (const args of [["status"], ["plan"], ["version"], ["check"], ["images", "list"]]) {
      const { code, stdout, stderr } = await onloadctl(args, viewer.kubeconfigPath);
      // Other tests have resources of their own here, whose nodes are gone.
      const missing = [WITHOUT_KMM, "missing: No operator is installed", ": no node has the labels of spec.selector"];
      const others = stderr.split("\n").filter((line) => !missing.some((each) => line.includes(each)));
      expect({ args, others }).toEqual({ args, others: [""] });
      // Which rights others have, and which Secrets there are, is not for viewers; check says so.
      const refused = stdout.split("\n").filter((line) => line.includes("forbidden"));
      expect(refused.filter((line) => !/^The operator's rights |: pull secrets /.test(line))).toEqual([]);
      // These nodes tell no architecture.
      expect(code).toBe(args[0] === "check" || args[0] === "images" ? 1 : 0);
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
    await cluster.request("DELETE", `${RBAC}/clusterrolebindings/${bound}`);
  }
});

test("check says which pull secrets are missing, and is given nothing of what is in them", async () => {
  const login = { name: `${id}-login`, namespace };
  await cluster.request("POST", `/api/v1/namespaces/${namespace}/secrets`, {
    body: { metadata: login, type: "Opaque", data: { password: "aHVudGVyMg==" } },
  });
  const file = join(folder, "with-secrets.yaml");
  const check = async (...names: string[]): Promise<{ result: string; message: string } | undefined> => {
    await writeFile(file, stringify(onload("v1", { imagePullSecrets: names.map((name) => ({ name })) })));
    const { stdout } = await onloadctl(["check", "-f", file, "-o", "json"], cluster.kubeconfigPath);
    const findings = JSON.parse(stdout) as { what: string; result: string; message: string }[];
    return findings.find(({ what }) => what === `${namespace}/sample: pull secrets`);
  };
  expect(await check()).toBeUndefined();
  expect(await check(login.name)).toMatchObject({ result: "ok" });
  expect(await check(login.name, "nonsense")).toMatchObject({
    result: "failed",
    message: `"nonsense" does not exist in namespace "${namespace}"; images are pulled without that login`,
  });
});

test("check judges a file as the API server does, and stores nothing", async () => {
  const file = join(folder, "judged.yaml");
  const specOf = async (content: object, kubeconfig = cluster.kubeconfigPath): Promise<string[]> => {
    await writeFile(file, stringify(content));
    const { stdout } = await onloadctl(["check", "-f", file, "-o", "json"], kubeconfig);
    const findings = JSON.parse(stdout) as { what: string; result: string; message: string }[];
    return findings.flatMap(({ what, result, message }) => (what.endsWith(": spec") ? [`${result}: ${message}`] : []));
  };
  expect(await specOf(onload("v1"))).toEqual(["ok: The API server accepts it"]);
  // A rule of CEL, the form of a value, and a name that the server alone looks at.
  const both = onload("v1", { devicePlugin: { setPreload: true, mountOnload: true } });
  const [refused, ...more] = await specOf(both);
  expect(more).toEqual([]);
  const kubectl = await run([await tool("kubectl"), "apply", "--dry-run=server", "-f", "-"], {
    env: { KUBECONFIG: cluster.kubeconfigPath },
    input: stringify(both),
    allowFailure: true,
  });
  expect(kubectl.stderr).toContain("mountOnload");
  expect(refused).toMatch(/^failed: The API server refuses it: .*mountOnload/);
  expect(await specOf(onload("v1", { upgrade: { maxUnavailabel: 1 } }))).toEqual([
    'failed: The API server refuses it: unknown field "spec.upgrade.maxUnavailabel": did you mean maxUnavailable?',
  ]);
  const named = { ...onload("v1"), metadata: { name: "Sample", namespace } };
  expect(await specOf(named)).toEqual([expect.stringMatching(/^failed: .*Sample.*RFC 1123/)]);
  // Who may not apply it is told what this program knows of it.
  const viewer = await cluster.addUser(`${id}-looker`);
  await cluster.apply(await readFile(ROLES, "utf8"));
  const bound = await cluster.bind({ role: VIEWER_ROLE, subject: { kind: "User", name: viewer.name } });
  try {
    expect(await specOf(onload("v1", { upgrade: { maxUnavailabel: 1 } }), viewer.kubeconfigPath)).toEqual([
      expect.stringMatching(/^unknown: The API server does not say .*Not allowed: patch onloads\.onload\.amd\.com$/),
      'failed: unknown field "spec.upgrade.maxUnavailabel": did you mean maxUnavailable?',
    ]);
  } finally {
    await cluster.request("DELETE", `${RBAC}/clusterrolebindings/${bound}`);
  }
  const elsewhere = { ...onload("v1"), metadata: { name: "sample", namespace: `${id}-nowhere` } };
  expect(await specOf(elsewhere)).toEqual([expect.stringMatching(/^unknown: .*-nowhere" not found/)]);
});

test("kubectl, status and plan say the same of every situation, as the API server gives it", async () => {
  const theirs = await cluster.createNamespace();
  const admin = cluster.kubeconfigPath;
  const path = `/apis/onload.amd.com/v1alpha1/namespaces/${theirs}/onloads`;
  const situations = SITUATIONS.filter(([, { metadata }]) => metadata?.deletionTimestamp === undefined);
  await Promise.all(
    situations.map(async ([, given], i) => {
      const name = `s${i}`;
      const { spec } = onload("v2", { selector: { [id]: "nowhere" } }) as { spec: object };
      const { metadata } = await cluster.request("POST", path, {
        body: { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { name }, spec },
      });
      const status = { ...waited(given).status, observedGeneration: metadata.generation as number };
      await cluster.request("PATCH", `${path}/${name}/status`, { contentType: "merge", body: { status } });
    }),
  );
  const [head = "", ...rows] = (await cluster.kubectl(["get", "onload", "-n", theirs, "-o", "wide"]))
    .trimEnd()
    .split("\n");
  expect(rows).toHaveLength(situations.length);
  const column = (row: string, heading: string): string => {
    const from = head.indexOf(heading);
    const next = /\S/.exec(head.slice(from + heading.length));
    return row.slice(from, next ? from + heading.length + next.index : undefined).trim();
  };
  const read = async (command: string): Promise<Record<string, unknown>[]> =>
    JSON.parse((await onloadctl([command, "-n", theirs, "-o", "json"], admin)).stdout) as Record<string, unknown>[];
  const [statuses, plans] = [await read("status"), await read("plan")];
  for (const row of rows) {
    const name = column(row, "NAME");
    const told = {
      name,
      version: column(row, "VERSION"),
      status: column(row, "STATUS"),
      message: column(row, "MESSAGE"),
    };
    expect(statuses.find((each) => each["name"] === name)).toMatchObject({
      ...told,
      desired: Number(column(row, "DESIRED")),
      ready: Number(column(row, "READY")),
    });
    expect(plans.find((each) => each["name"] === name)).toMatchObject(told);
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

test("kubectl completes names of the cluster on the command line of the plugin", async () => {
  const executable = await builtExecutable();
  for (const name of ["kubectl-onload", "kubectl_complete-onload"]) await symlink(executable, join(folder, name));
  const kubectl = await tool("kubectl");
  const env = { PATH: `${folder}:${process.env["PATH"]}`, KUBECONFIG: cluster.kubeconfigPath };
  const completed = async (...words: string[]): Promise<string[]> =>
    (await run([kubectl, "__complete", "onload", ...words], { env })).stdout
      .split("\n")
      .map((line) => line.split("\t")[0]!);
  expect(await completed("sta")).toEqual(["status", "stack", ":4", ""]);
  expect(await completed("pause", "-n", namespace, "")).toEqual(["sample", ":4", ""]);
  expect(await completed("status", "--node", id)).toEqual([...nodes, ":4", ""]);
  expect(await completed("status", "-n", namespace.slice(0, -1))).toContain(namespace);
  expect(await completed("status", "--context=")).toHaveLength(3);
  // Neither a cluster that refuses nor one that is not there is worth a word at the prompt.
  const nobody = await cluster.addUser(`${id}-stranger`);
  for (const KUBECONFIG of [nobody.kubeconfigPath, "/no/such/file"]) {
    const asked = await run([executable, "__complete", "status", ""], { env: { KUBECONFIG } });
    expect(asked).toMatchObject({ stdout: ":4\n", stderr: "" });
  }
});

test("pause, resume and retry change what they say", async () => {
  const verb = (word: string, ...more: string[]) =>
    onloadctl([word, "sample", "-n", namespace, ...more], cluster.kubeconfigPath);
  const read = () => cluster.request("GET", `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/sample`);
  expect((await verb("pause", "--dry-run")).stdout).toContain("(dry run)");
  expect((await read()).spec.upgrade?.paused ?? false).toBe(false);
  const paused = await verb("pause");
  expect(paused.code).toBe(0);
  // Nobody acts on the change here. Other tests that use this API server may have left a Deployment that is scaled to zero.
  expect(paused.stderr).toMatch(/No operator (?:found|acts)/);
  expect((await read()).spec.upgrade.paused).toBe(true);
  expect((await verb("resume")).code).toBe(0);
  expect((await read()).spec.upgrade.paused).toBe(false);
  expect((await verb("retry")).code).toBe(0);
  expect(Date.parse((await read()).metadata.annotations["onload.amd.com/retry"])).toBeGreaterThan(0);
  const back = await verb("rollback");
  expect(back.code).toBe(1);
  expect(back.stderr).toContain("no version has been Ready on every node");
  const elsewhere = await onloadctl(["pause", "sample", "-n", "default"], cluster.kubeconfigPath);
  expect(elsewhere.stderr).toContain(`it is in namespace ${namespace}; give --namespace=${namespace}`);
  const misspelt = await onloadctl(["status", "smaple", "-n", namespace], cluster.kubeconfigPath);
  expect(misspelt).toMatchObject({
    code: 1,
    stderr: `Cannot find Onload "smaple" in namespace "${namespace}": did you mean sample?\n`,
  });
});

test("status, plan and check wrote nothing", async () => {
  // What somebody may do is asked by creating a review, which is stored nowhere.
  const dry = (uri: string): boolean => uri.includes("dryRun=All") || /\/(self)?subjectaccessreviews$/.test(uri);
  const writes = cluster
    .auditEvents(reader.name)
    .filter(({ verb, requestURI }) => !["get", "list", "watch"].includes(verb) && !dry(requestURI));
  expect(writes).toEqual([]);
  const live = await cluster.request("GET", `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/sample`);
  expect(live.spec.onload.version).toBe("v1");
});
