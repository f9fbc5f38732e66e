import { beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { identify } from "./lib/processes.ts";
import { poll } from "./lib/poll.ts";
import { RequestError, sharedControlPlane, startControlPlane, startKmm, startKwok } from "./index.ts";
import type { Cluster } from "./index.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedControlPlane();
}, 120_000);

test("a user without rights is refused, and the audit log has each of its requests", async () => {
  const name = `reader-${crypto.randomUUID().slice(0, 8)}`;
  const user = await cluster.addUser(name, ["a-group"]);
  const get = cluster.kubectl(["--kubeconfig", user.kubeconfigPath, "get", "--raw", "/api/v1/nodes"]);
  expect(get).rejects.toThrow(`User "${name}" cannot list resource "nodes"`);
  await get.catch(() => {});
  const events = cluster.auditEvents(name);
  expect(events.map(({ verb, responseStatus }) => [verb, responseStatus?.code])).toEqual([["list", 403]]);
});

test("an API server that was killed comes back with its data, and history that was compacted is gone", async () => {
  await using plane = await startControlPlane({ controllerManager: false, scheduler: false });
  const namespace = await plane.createNamespace();
  const { metadata } = await plane.request("GET", `/api/v1/namespaces/${namespace}`);
  await plane.killApiServer();
  expect(plane.request("GET", "/readyz")).rejects.toThrow();
  await plane.restartApiServer();
  await plane.request("PATCH", `/api/v1/namespaces/${namespace}`, {
    body: { metadata: { labels: { touched: "yes" } } },
    contentType: "merge",
  });
  await plane.compactEtcd();
  await plane.restartApiServer();
  const watch = plane.request("GET", `/api/v1/namespaces?watch=1&resourceVersion=${metadata.resourceVersion}`);
  const error = await watch.then(
    (event: unknown) => event,
    (reason: unknown) => reason,
  );
  // The API server answers either with the status itself or with an event that holds it.
  const code = error instanceof RequestError ? error.status : (error as { object: { code: number } }).object.code;
  expect(code).toBe(410);
}, 120_000);

test("KMM labels fake nodes when its pods run there", async () => {
  await using plane = await startControlPlane();
  await startKmm(plane);
  const kwok = await startKwok(plane);
  const namespace = await plane.createNamespace();
  const version = `kmm.node.kubernetes.io/version-module.${namespace}.sample`;
  const nodes = await kwok.createNodes(3, { labels: { [version]: "v1", pool: "trading" } });
  await plane.apply(
    JSON.stringify({
      apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
      kind: "Module",
      metadata: { name: "sample", namespace },
      spec: {
        selector: { pool: "trading" },
        moduleLoader: {
          container: {
            version: "v1",
            modprobe: { moduleName: "sample" },
            kernelMappings: [{ regexp: "x86_64$", containerImage: "example.com/module:1" }],
          },
        },
      },
    }),
  );
  const ready = `kmm.node.kubernetes.io/${namespace}.sample.ready`;
  await poll(
    async () => {
      const list = await plane.request("GET", `/api/v1/nodes?labelSelector=${ready}`);
      return list.items.length === nodes.length;
    },
    { what: "KMM's ready label on all nodes" },
  );
  const pods = await kwok.createPods(5, { namespace, nodes });
  expect(pods).toHaveLength(5);
}, 120_000);

test("nothing is left of a run that was killed", async () => {
  const script = `
    import { startControlPlane } from ${JSON.stringify(join(import.meta.dir, "index.ts"))};
    const plane = await startControlPlane({ controllerManager: false, scheduler: false });
    console.log(plane.folder);
    process.kill(process.pid, "SIGKILL");`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "pipe", 2] });
  // Its processes are read from the record before the run dies with it.
  const folder = (await new Response(child.stdout).text()).trim();
  expect(folder).toContain("/r-");
  await poll(() => !existsSync(folder), { what: "Removal of the run's folder", timeoutMs: 20_000 });
  // Others come and go meanwhile.
  const running = readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(join("/proc", name, "cmdline"), "utf8").includes(folder);
    } catch {
      return false;
    }
  });
  expect(running.map(Number).filter((pid) => identify(pid) !== undefined)).toEqual([]);
});
