/**
 * doctor against a real API server, as a person runs it, with and without rights. Device plugins are stand-ins here. They listen in a
 * network that this test makes, as root: the API server proxies to no loopback address.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { sharedControlPlane, type Cluster, type ClusterUser } from "../testcluster/index.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { run, type CommandResult } from "../testcluster/lib/command.ts";
import { RunState } from "../testcluster/lib/run-state.ts";
import { createNetwork } from "../testcluster/node/network.ts";
import type { Examined } from "./doctor.ts";

setDefaultTimeout(120_000);

const CRD = join(import.meta.dirname, "../manifests/crd/onload.amd.com_onloads.yaml");
const ROLES = join(import.meta.dirname, "../manifests/rbac/user-roles.yaml");
const id = `doctor-${process.pid}`;

let cluster: Cluster;
/** Of the Onload resource and its pods, and of the application. */
let runtime: string;
let trading: string;
let viewer: ClusterUser;
let trader: ClusterUser;
let state: RunState;
/** Of the device plugin. */
let podIP: string;
let plugin: Server;
/** What the plugin's stand-in does with a request. */
let serve: (response: ServerResponse) => void;

beforeAll(async () => {
  cluster = await sharedControlPlane();
  await cluster.apply(await readFile(CRD, "utf8"));
  await cluster.apply(await readFile(ROLES, "utf8"));
  [runtime, trading] = [await cluster.createNamespace(), await cluster.createNamespace()];
  viewer = await cluster.addUser(`${id}-viewer`);
  await cluster.bind({ role: "onload-operator-onload-viewer-role", subject: { kind: "User", name: viewer.name } });
  trader = await cluster.addUser(`${id}-trader`);
  await cluster.bind({ role: "view", subject: { kind: "User", name: trader.name }, namespace: trading });
  plugin = createServer((request, response) => {
    if (request.url === "/acceleration?look=now") serve(response);
    else response.writeHead(404).end("404 page not found\n");
  });
  state = await RunState.create();
  podIP = (await createNetwork(state)).hostAddress;
  await new Promise<void>((resolve) => plugin.listen(0, podIP, resolve));
  await cluster.request("POST", "/api/v1/nodes", { body: { metadata: { name: id } } });
  await makePod(runtime, "plugin", {
    labels: {
      "app.kubernetes.io/managed-by": "onload-operator",
      "app.kubernetes.io/part-of": "onload",
      "app.kubernetes.io/component": "device-plugin",
    },
    container: {
      name: "device-plugin",
      image: "r/x",
      ports: [{ name: "metrics", containerPort: (plugin.address() as AddressInfo).port }],
    },
  });
  await makePod(trading, "trader-0", {
    container: {
      name: "app",
      image: "r/x",
      resources: { limits: { "amd.com/onload": "1" } },
      env: [{ name: "EF_POL_USEC", value: "1" }],
      envFrom: [{ configMapRef: { name: "latency" } }, { secretRef: { name: "keys" } }],
    },
  });
  await cluster.request("POST", `/api/v1/namespaces/${trading}/configmaps`, {
    body: { metadata: { name: "latency" }, data: { EF_INT_DRIVEN: "0", HOME: "/" } },
  });
});

afterAll(async () => {
  plugin?.close();
  plugin?.closeAllConnections();
  for (const [namespace, name] of [
    [runtime, "plugin"],
    [trading, "trader-0"],
    [trading, "waiting"],
  ]) {
    await cluster.kubectl(["delete", "pod", "-n", namespace!, name!, "--force", "--ignore-not-found"]);
  }
  await cluster.request("DELETE", `/api/v1/nodes/${id}`);
  await state?.stop();
});

interface PodParts {
  labels?: Record<string, string>;
  container: object;
  node?: string;
}

async function makePod(
  namespace: string,
  name: string,
  { labels = {}, container, node = id }: PodParts,
): Promise<string> {
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const { metadata } = await cluster.request("POST", pods, {
    body: { metadata: { name, labels }, spec: { ...(node ? { nodeName: node } : {}), containers: [container] } },
  });
  if (node === "") return metadata.uid;
  await cluster.request("PATCH", `${pods}/${name}/status`, {
    contentType: "merge",
    body: { status: { phase: "Running", podIP, podIPs: [{ ip: podIP }] } },
  });
  return metadata.uid;
}

async function onloadctl(args: readonly string[], kubeconfig = cluster.kubeconfigPath): Promise<CommandResult> {
  return run([await builtExecutable(), ...args], {
    env: { KUBECONFIG: kubeconfig, NO_COLOR: "1" },
    allowFailure: true,
  });
}

async function doctorPod(kubeconfig?: string): Promise<{ code: number; links: Record<string, string>; pod: Examined }> {
  const { code, stdout, stderr } = await onloadctl(
    ["doctor", "pod", "trader-0", "-n", trading, "-o", "json"],
    kubeconfig,
  );
  expect(stderr).toBe("");
  const pod = JSON.parse(stdout) as Examined;
  return {
    code,
    pod,
    links: Object.fromEntries(
      pod.links.map(({ link, verdict, seen, todo }) => [link, `${verdict}: ${seen} -> ${todo}`]),
    ),
  };
}

async function answers(): Promise<void> {
  const { metadata } = await cluster.request("GET", `/api/v1/namespaces/${trading}/pods/trader-0`);
  const container = {
    namespace: trading,
    pod: "trader-0",
    container: "app",
    podUid: metadata.uid,
    accelerated: true,
    processes: { mapped: 1 },
    stacks: 1,
    stackIds: [7],
    sockets: [{ kind: "tcp", accelerated: true, count: 2 }],
    interfaces: [{ name: "net1", driver: "sfc" }],
    cut: { processes: 0, descriptors: 0, tables: 0 },
  };
  const node = { healthy: true, problems: [], controlPlane: null, nics: [] };
  const text = JSON.stringify({ lookedAt: new Date().toISOString(), node, containers: [container] });
  serve = (response) => void response.setHeader("content-type", "application/json").end(text);
}

test("a person without rights over the cluster is told which are missing, and what there is without them", async () => {
  await answers();
  const { code, links } = await doctorPod(trader.kubeconfigPath);
  expect(links["requested"]).toStartWith("ok: app: 1");
  expect(links["admitted"]).toStartWith("ok: ");
  expect(links["node"]).toMatch(
    /^unknown: Not allowed: .* -> Ask an administrator: kubectl create clusterrolebinding onload-viewer --clusterrole=onload-operator-onload-viewer-role/,
  );
  expect(links["devices"]).toMatch(/^unknown: Not allowed: (?:get|list) nodes/);
  expect(links["plugin"]).toMatch(/^unknown: Not allowed: (?:get|list) pods/);
  expect(links["library"]).toStartWith("unknown: ");
  // The role view reads ConfigMaps, and no Secrets.
  expect(links["settings"]).toMatch(/^warning: .*EF_POL_USEC: .*EF_POLL_USEC\?; not read: Secret "keys"/);
  expect(code).toBe(0);
});

test("a viewer lacks the right to ask the plugin until the doctor's role is bound in its namespace", async () => {
  await answers();
  const before = await doctorPod(viewer.kubeconfigPath);
  expect(before.links["plugin"]).toMatch(
    new RegExp(
      `^unknown: Not allowed: get pods/proxy in namespace ${runtime}, .* -> Ask an administrator: kubectl create rolebinding .*doctor-role`,
    ),
  );
  expect(before.links["settings"]).toContain('ConfigMap "latency"');
  expect(before.pod.accelerated).toBeNull();
  await cluster.bind({
    role: "onload-operator-onload-doctor-role",
    subject: { kind: "User", name: viewer.name },
    namespace: runtime,
  });
  const { links, pod, code } = await doctorPod(viewer.kubeconfigPath);
  expect(links["plugin"]).toMatch(/^ok: It looked into processes/);
  expect(links["library"]).toStartWith("ok: 1 of 1");
  expect(links["stacks"]).toStartWith("ok: 1: 7");
  expect(links["sockets"]).toStartWith("ok: accelerated: 2 tcp");
  expect(pod.accelerated).toBe(true);
  // There is no Onload resource, and no driver is loaded.
  expect(links["node"]).toStartWith("failed: There is no Onload resource in this cluster");
  expect(code).toBe(1);
  // That role is no way to the ports of other pods' namespaces.
  const elsewhere = await run([await builtExecutable(), "doctor", "node", id], {
    env: { KUBECONFIG: trader.kubeconfigPath },
    allowFailure: true,
  });
  expect(elsewhere.stdout).toContain("Not allowed");
});

test.each<[string, (response: ServerResponse) => void, RegExp]>([
  ["of an older version", (response) => response.writeHead(404).end("404 page not found\n"), /is of an older version/],
  ["that is something else", (response) => response.end("<html>"), /does not answer as one: it is a page in HTML/],
  ["that never answers", () => undefined, /no answer within 5 s/],
  ["that fails", (response) => response.writeHead(500).end("\u001b[2Joh"), /^unknown: Cannot ask device plugin .*oh/],
])("a plugin %s makes links unknown", async (_what, does, expected) => {
  serve = does;
  const { links } = await doctorPod();
  expect(links["plugin"]).toMatch(expected);
  expect(links["plugin"]).toStartWith("unknown: ");
  expect(links["library"]).toStartWith("unknown: ");
});

test("a pod that no node takes is told with the scheduler's words", async () => {
  const uid = await makePod(trading, "waiting", {
    node: "",
    container: { name: "app", image: "r/x", resources: { limits: { "amd.com/onload": "1" } } },
  });
  await cluster.request("POST", `/api/v1/namespaces/${trading}/events`, {
    body: {
      metadata: { name: "waiting.1" },
      type: "Warning",
      reason: "FailedScheduling",
      message: "0/1 nodes are available: 1 Insufficient amd.com/onload.\u001b[2J",
      involvedObject: { kind: "Pod", namespace: trading, name: "waiting", uid },
      // The scheduler itself says something too, and the latest word counts.
      lastTimestamp: new Date(Date.now() + 3_600_000).toISOString(),
    },
  });
  const { code, stdout } = await onloadctl(["doctor", "pod", "waiting", "-n", trading], trader.kubeconfigPath);
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /scheduled +failed +Not to any node: 0\/1 nodes are available: 1 Insufficient amd.com\/onload/,
  );
  expect(stdout).not.toContain("\u001b");
});

test("all pods that hold Onload, one line each", async () => {
  await answers();
  const { code, stdout } = await onloadctl(["doctor", "-n", trading]);
  expect(code).toBe(1);
  expect(stdout).toMatch(new RegExp(`${trading} +trader-0 +${id} +yes +failed +node +There is no Onload resource`));
  expect(stdout).toMatch(/waiting +- +- +failed +node +There is no Onload resource/);
  expect(stdout).toEndWith("2 pods: 1 accelerated, 0 on the kernel, 1 without sockets or unknown\n");
  const node = await onloadctl(["doctor", "node", id]);
  expect(node.stdout).toMatch(new RegExp(`pods +ok +accelerated: ${trading}/trader-0`));
});

test("names of pods are completed", async () => {
  const { stdout } = await onloadctl(["__complete", "doctor", "pod", "-n", trading, "trad"]);
  expect(stdout).toStartWith("trader-0\n");
});

test("what is not there is said so", async () => {
  const pod = await onloadctl(["doctor", "pod", "nobody", "-n", trading]);
  expect(pod.code).toBe(1);
  expect(pod.stderr).toStartWith(`Cannot find pod "nobody" in namespace "${trading}": there `);
  const node = await onloadctl(["doctor", "node", "nowhere"]);
  expect(node).toMatchObject({ code: 1, stdout: "" });
  expect(node.stderr).toStartWith('Cannot find node "nowhere": there is only ');
});

test("time that is over is said so", async () => {
  serve = () => undefined;
  const { code, stderr } = await onloadctl(["doctor", "pod", "trader-0", "-n", trading, "--timeout=2s"]);
  expect(code).toBe(1);
  expect(stderr).toStartWith("Cannot examine within 2 s (--timeout)");
});
