import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { parseAllDocuments } from "yaml";
import {
  serviceAccountUser,
  startControlPlane,
  startKmm,
  startKwok,
  type AuditEvent,
  type ControlPlane,
} from "../testcluster/index.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { run } from "../testcluster/lib/command.ts";
import { checkout } from "../testcluster/lib/paths.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { freePorts } from "../testcluster/lib/ports.ts";
import { render } from "./render.ts";

// Starting a control plane takes a while on a busy machine.
setDefaultTimeout(180_000);

const SYSTEM = "onload-operator-system";
const ACCOUNT = "onload-operator-controller-manager";
/** The identity of the operator's pod. */
const OPERATOR = serviceAccountUser(SYSTEM, ACCOUNT);
const RUNTIME = "onload-runtime";

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}
interface Manifest {
  kind: string;
  metadata: { name: string };
  rules: Rule[];
}

let plane: ControlPlane;
let kubeconfig: string;
let node: string;

beforeAll(async () => {
  plane = await startControlPlane();
  await startKmm(plane);
  const kwok = await startKwok(plane);
  await plane.apply(
    parseAllDocuments(render("default") + render("secure-metrics"))
      .map((document) => document.toString())
      // The operator is a process of this test.
      .filter((yaml) => !yaml.includes("kind: Deployment"))
      .join("---\n"),
  );
  kubeconfig = await plane.serviceAccountKubeconfig(SYSTEM, ACCOUNT);
  [node = ""] = await kwok.createNodes(1, { labels: { onload: "yes" }, allocatable: { "amd.com/onload": "100" } });
  await plane.apply(render("samples/namespace"));
  await plane.request("PATCH", `/api/v1/namespaces/${RUNTIME}`, {
    contentType: "merge",
    body: { metadata: { annotations: { "onload.amd.com/allow-force-drain": "true" } } },
  });
  // Stands for the operator's own pod, whose image is the device plugin's.
  await kwok.createPods(1, { namespace: SYSTEM, prefix: "operator", nodes: [node] });
  await kwok.createPods(1, {
    namespace: RUNTIME,
    prefix: "app",
    nodes: [node],
    labels: { app: "protected" },
    limits: { "amd.com/onload": "1" },
  });
  await plane.apply(
    JSON.stringify({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "app", namespace: RUNTIME },
      spec: { minAvailable: 1, selector: { matchLabels: { app: "protected" } } },
    }),
  );
}, 300_000);

afterAll(async () => {
  await plane?.[Symbol.asyncDispose]();
});

async function startOperator(
  flags: string[] = ["--metrics-bind-address=0"],
): Promise<ReturnType<ControlPlane["state"]["start"]>> {
  const command = [await builtExecutable(), "operator", `--kubeconfig=${kubeconfig}`];
  const none = ["--health-probe-bind-address=0"];
  return plane.state.start("operator", [...command, ...none, ...flags], {
    cwd: checkout,
    env: { POD_NAME: "operator-0", POD_NAMESPACE: SYSTEM },
  });
}

const onloads = `/apis/onload.amd.com/v1alpha1/namespaces/${RUNTIME}/onloads`;

async function applyOnload(version: string, mapping: object): Promise<void> {
  const spec = {
    selector: { onload: "yes" },
    serviceAccountName: "onload-operator-sa",
    onload: {
      version,
      userImage: `r/user:${version}`,
      kernelMappings: [{ regexp: ".*", kernelModuleImage: `r/module:${version}`, ...mapping }],
    },
    upgrade: { drain: { timeoutSeconds: 12, force: true } },
  };
  const onload = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { name: "onload", namespace: RUNTIME },
  };
  await plane.apply(JSON.stringify({ ...onload, spec }));
}

async function condition(type: string): Promise<{ status: string; reason: string; message: string } | undefined> {
  const { status } = await plane.request("GET", `${onloads}/onload`);
  return status?.conditions?.find((each: { type: string }) => each.type === type);
}

async function ready(version: string): Promise<void> {
  await poll(async () => (await condition("Ready"))?.message === `1 of 1 node is ready with version ${version}`, {
    what: `Readiness with version ${version}`,
    timeoutMs: 90_000,
  });
}

/** The right that a request needs, as GROUP/RESOURCE VERB. Server-side apply of a new object needs create too. */
function needs({ objectRef, verb, responseStatus }: AuditEvent): string[] {
  const { apiGroup = "", resource = "", subresource } = objectRef ?? {};
  const path = `${apiGroup}/${resource}${subresource ? `/${subresource}` : ""}`;
  return verb === "patch" && responseStatus?.code === 201 ? [`${path} patch`, `${path} create`] : [`${path} ${verb}`];
}

function granted(): Set<string> {
  const ofOthers = /-onload-|-metrics-reader$/;
  const roles = parseAllDocuments(render("default") + render("secure-metrics"))
    .map((document) => document.toJS() as Manifest)
    .filter(({ kind, metadata }) => kind.endsWith("Role") && !ofOthers.test(metadata.name));
  return new Set(
    roles.flatMap(({ rules }) =>
      rules.flatMap(({ apiGroups, resources, verbs }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) => verbs.map((verb) => `${group}/${resource} ${verb}`)),
        ),
      ),
    ),
  );
}

function requests(): AuditEvent[] {
  return plane.auditEvents(OPERATOR).filter(({ objectRef }) => objectRef?.resource !== undefined);
}

test("a missing rule is noticed, told with the rule's name, and recovered from once it is there", async () => {
  const operator = await startOperator();
  const role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/onload-operator-manager-role";
  const { rules } = await plane.request<Manifest>("GET", role);
  const without = rules.map((rule) =>
    rule.resources.includes("modules") ? { ...rule, verbs: ["get", "list", "watch"] } : rule,
  );
  await plane.request("PATCH", role, { contentType: "merge", body: { rules: without } });
  await applyOnload("1", { sfc: {} });
  await poll(async () => (await condition("Degraded"))?.reason === "ApplyFailed", { what: "the condition Degraded" });
  expect((await condition("Degraded"))?.message).toContain('cannot patch resource "modules"');
  await plane.request("PATCH", role, { contentType: "merge", body: { rules } });
  await ready("1");
  await operator.stop();
}, 180_000);

test("check names the rights of a rule that the operator's ServiceAccount lacks", async () => {
  // Found by its labels, it names the ServiceAccount; its pods are this test's processes.
  await plane.apply(
    parseAllDocuments(render("default", { secureMetrics: true }))
      .filter((document) => document.get("kind") === "Deployment")
      .map((document) => {
        document.setIn(["spec", "replicas"], 0);
        return document.toString();
      })
      .join("---\n"),
  );
  const finding = async (config = plane.kubeconfigPath): Promise<{ result: string; message: string }> => {
    const { stdout } = await run([await builtExecutable(), "check", "-o", "json"], {
      env: { KUBECONFIG: config },
      allowFailure: true,
    });
    const found = JSON.parse(stdout) as { what: string; result: string; message: string }[];
    return found.find(({ what }) => what === "The operator's rights")!;
  };
  expect(await finding()).toMatchObject({ result: "ok" });
  const paths = [
    "clusterroles/onload-operator-manager-role",
    "clusterroles/onload-operator-metrics-auth-role",
    `namespaces/${SYSTEM}/roles/onload-operator-leader-election-role`,
  ].map((path) => `/apis/rbac.authorization.k8s.io/v1/${path}`);
  for (const path of paths) {
    const { rules } = await plane.request<Manifest>("GET", path);
    for (const rule of new Set([rules[0]!, rules.at(-1)!])) {
      const body = { rules: rules.filter((each) => each !== rule) };
      await plane.request("PATCH", path, { contentType: "merge", body });
      const [resource = "", subresource] = rule.resources[0]!.split("/");
      const group = rule.apiGroups[0] === "" ? "" : `.${rule.apiGroups[0]}`;
      const lacking = `${rule.verbs[0]} ${resource}${group}${subresource === undefined ? "" : `/${subresource}`}`;
      const names = rule.resources.length * rule.verbs.length;
      await poll(
        async () => {
          const { result, message } = await finding();
          const named = /Not allowed: (.*?); ServiceAccount/.exec(message)?.[1] ?? "";
          return result === "failed" && named.startsWith(lacking) && named.split(", ").length === names;
        },
        { what: `The finding that it may not ${lacking}`, timeoutMs: 30_000, intervalMs: 100 },
      );
      await plane.request("PATCH", path, { contentType: "merge", body: { rules } });
    }
  }
  await poll(async () => (await finding()).result === "ok", { what: "All rights being back" });
  const viewer = await plane.addUser("viewer");
  await plane.bind({ role: "onload-operator-onload-viewer-role", subject: { kind: "User", name: viewer.name } });
  await poll(async () => (await finding(viewer.kubeconfigPath))?.result === "unknown", { what: "The viewer's rights" });
  expect((await finding(viewer.kubeconfigPath)).message).toBe(
    "Not allowed: create subjectaccessreviews.authorization.k8s.io; an administrator can run this check",
  );
}, 180_000);

test("metrics by TLS are for those only who may get them, as the API server says", async () => {
  const [port] = await freePorts(1);
  const operator = await startOperator([`--metrics-bind-address=127.0.0.1:${port}`, "--metrics-secure"]);
  const tokens: Record<string, string> = {};
  for (const name of ["prometheus", "nobody"]) {
    const accounts = `/api/v1/namespaces/${SYSTEM}/serviceaccounts`;
    await plane.request("POST", accounts, { body: { metadata: { name } } });
    const { status } = await plane.request("POST", `${accounts}/${name}/token`, { body: { spec: {} } });
    tokens[name] = status.token;
  }
  const subject = { kind: "ServiceAccount", name: "prometheus", namespace: SYSTEM } as const;
  await plane.bind({ role: "onload-operator-metrics-reader", subject });
  const get = async (token?: string): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`https://127.0.0.1:${port}/metrics`, {
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      tls: { rejectUnauthorized: false },
    });
    return { status: answer.status, text: await answer.text() };
  };
  await poll(async () => (await get()).status === 401, { what: "an operator that asks for a token" });
  // The API server takes a moment until a new binding counts.
  await poll(async () => (await get(tokens["prometheus"])).status === 200, { what: "metrics for Prometheus" });
  expect((await get(tokens["prometheus"])).text).toContain("controller_runtime_reconcile_total");
  expect((await get(tokens["nobody"])).status).toBe(403);
  expect((await get(`${tokens["prometheus"]!.slice(0, -8)}AAAAAAAA`)).status).toBe(401);
  expect((await get("made-up")).status).toBe(401);
  await operator.stop();
}, 180_000);

test("the operator may do what it does, and no rule is unused", async () => {
  const operator = await startOperator(["--metrics-bind-address=0", "--leader-elect"]);
  await ready("1");

  // The operator reads the log of a module loader that fails.
  const pods = await plane.request("GET", `/api/v1/namespaces/${RUNTIME}/pods`);
  const loader = pods.items.find(
    (pod: any) => pod.metadata.labels?.["kmm.node.kubernetes.io/module.name"] === "onload-module",
  );
  const status = (isReady: boolean): object => ({
    conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
    containerStatuses: [
      {
        name: "module-loader",
        image: "r/module:1",
        imageID: "",
        ready: isReady,
        restartCount: 1,
        state: isReady ? { running: {} } : { waiting: { reason: "CrashLoopBackOff", message: "modprobe failed" } },
      },
    ],
  });
  const setStatus = (isReady: boolean): Promise<unknown> =>
    plane.request("PATCH", `/api/v1/namespaces/${RUNTIME}/pods/${loader.metadata.name}/status`, {
      contentType: "merge",
      body: { status: status(isReady) },
    });
  await setStatus(false);
  await poll(() => requests().some(({ objectRef }) => objectRef?.subresource === "log"), { what: "a log being read" });
  await setStatus(true);
  await ready("1");

  // A quota keeps the plugin's pod from being made anew: the operator reads the event that says so.
  const quotas = `/api/v1/namespaces/${RUNTIME}/resourcequotas`;
  await plane.request("POST", quotas, { body: { metadata: { name: "none" }, spec: { hard: { pods: "0" } } } });
  await poll(async () => (await plane.request("GET", `${quotas}/none`)).status?.hard !== undefined, {
    what: "the quota in force",
  });
  const plugin = pods.items.find((pod: any) => pod.metadata.labels?.["onload.amd.com/name"] !== undefined);
  await plane.request("DELETE", `/api/v1/namespaces/${RUNTIME}/pods/${plugin.metadata.name}`);
  await poll(() => requests().some((event) => needs(event)[0] === "/events list"), { what: "events being read" });
  await plane.request("DELETE", `${quotas}/none`);
  await ready("1");

  // A budget refuses every eviction until the pod is deleted by force. The new version does not manage sfc.
  await applyOnload("2", {});
  await ready("2");
  // Its namespace goes, and it goes with it.
  const namespace = `/api/v1/namespaces/${RUNTIME}`;
  const allowed = { metadata: { annotations: { "onload.amd.com/allow-deletion": "true" } } };
  await plane.request("PATCH", namespace, { contentType: "merge", body: allowed });
  await plane.request("DELETE", namespace);
  await poll(async () => (await plane.request("GET", onloads)).items.length === 0, { what: "the resource being gone" });
  await operator.stop();

  // KMM 2 has resources that 1.1 lacks, and OpenShift has some that no other cluster has.
  const later = [
    "kmm.sigs.x-k8s.io/nodemodulesconfigs",
    "kmm.sigs.x-k8s.io/moduleimagesconfigs",
    "machineconfiguration.openshift.io/machineconfigs",
    "machineconfiguration.openshift.io/machineconfigpools",
  ];
  await plane.apply(standInCrd("kmm.sigs.x-k8s.io", "v1beta1", "NodeModulesConfig"));
  await plane.apply(standInCrd("kmm.sigs.x-k8s.io", "v1beta1", "ModuleImagesConfig", "Namespaced"));
  await plane.apply(standInCrd("machineconfiguration.openshift.io", "v1", "MachineConfig"));
  await plane.apply(standInCrd("machineconfiguration.openshift.io", "v1", "MachineConfigPool"));
  const second = await startOperator();
  for (const resource of later) {
    await poll(() => requests().some((event) => needs(event)[0] === `${resource} watch`), {
      what: `Watch of ${resource}`,
    });
  }
  await second.stop();

  // The first test removes a rule, so its requests are refused. A namespace that is being deleted takes no events. A
  // policy may see a moment later than the operator that it is.
  const refused = requests().filter(
    ({ responseStatus, objectRef }) => responseStatus?.code === 403 && objectRef?.resource !== "onloads",
  );
  expect(new Set(refused.map(({ objectRef }) => objectRef?.resource))).toEqual(new Set(["modules", "events"]));
  const used = new Set(requests().flatMap(needs));
  expect([...granted()].filter((rule) => !used.has(rule))).toEqual([]);
  expect([...used].filter((rule) => !granted().has(rule))).toEqual([]);
}, 300_000);

/** A CRD of a kind that does not belong to us; it accepts any content. */
function standInCrd(group: string, version: string, kind: string, scope = "Cluster"): string {
  const plural = `${kind.toLowerCase()}s`;
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return JSON.stringify({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { kind, plural },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  });
}
