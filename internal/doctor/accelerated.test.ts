import { afterEach, expect, test } from "bun:test";
import { FakeApiServer, type Stored } from "../kube/testing/fake-api-server.ts";
import { AccelerationCounts, LIMITS } from "./accelerated.ts";

const { signal } = new AbortController();
let server: FakeApiServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** A server with device plugins on so many nodes, whose answers a test gives by node. */
async function withPlugins(nodes: number, answerOf: (node: number) => { status: number; body: string } | undefined) {
  server = await FakeApiServer.start();
  for (let node = 0; node < nodes; node++) {
    const pod: Stored = {
      kind: "Pod",
      metadata: {
        namespace: "onload-runtime",
        name: `plugin-${node}`,
        labels: {
          "app.kubernetes.io/managed-by": "onload-operator",
          "app.kubernetes.io/part-of": "onload",
          "app.kubernetes.io/component": "device-plugin",
          "onload.amd.com/name": "onload-onload-device-plugin-ds",
        },
      },
      spec: {
        nodeName: `node-${node}`,
        containers: [{ name: "device-plugin", ports: [{ name: "metrics", containerPort: 9470 }] }],
      },
    };
    server.put("/api/v1/pods", pod);
    server.fail("GET", new RegExp(`/pods/plugin-${node}:9470/proxy/acceleration$`), Infinity, (response) => {
      const answer = answerOf(node);
      if (answer) response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body);
    });
  }
  return server;
}

const KEY = "onload-runtime/onload-onload-device-plugin-ds";
const asked = (): number => server!.requests.filter((each) => each.includes("/proxy/")).length;

function answer(...pods: [name: string, accelerated: boolean | null][]): { status: number; body: string } {
  const containers = pods.map(([pod, accelerated]) => ({
    namespace: "a",
    pod,
    container: "c",
    podUid: pod,
    accelerated,
  }));
  return { status: 200, body: JSON.stringify({ lookedAt: new Date().toISOString(), containers }) };
}

test("pods are counted over nodes, each once, and those without sockets too", async () => {
  const it = await withPlugins(2, (node) =>
    node === 0 ? answer(["p", true], ["p", false], ["q", false]) : answer(["r", null], ["s", true]),
  );
  const counts = new AccelerationCounts(it.client());
  expect([...(await counts.read(signal))]).toEqual([[KEY, { pods: 2, of: 4, unknownNodes: 0 }]]);
  // Drawing again asks nobody.
  await counts.read(signal);
  expect(asked()).toBe(2);
});

test("who may not ask one node asks no further ones", async () => {
  const forbidden = JSON.stringify({ kind: "Status", status: "Failure", reason: "Forbidden", message: "no" });
  const it = await withPlugins(100, () => ({ status: 403, body: forbidden }));
  expect([...(await new AccelerationCounts(it.client()).read(signal))]).toEqual([]);
  expect(asked()).toBeLessThanOrEqual(LIMITS.parallel);
});

test("nodes that do not answer are told, and waited for no longer than the limit", async () => {
  const it = await withPlugins(3, (node) => (node === 2 ? undefined : answer([`p-${node}`, true])));
  const before = performance.now();
  const counts = await new AccelerationCounts(it.client()).read(signal);
  expect(performance.now() - before).toBeLessThan(LIMITS.timeoutMs + 1500);
  expect([...counts]).toEqual([[KEY, { pods: 2, of: 2, unknownNodes: 1 }]]);
});

test("a large cluster is not asked", async () => {
  const it = await withPlugins(LIMITS.nodes + 1, () => answer());
  expect([...(await new AccelerationCounts(it.client()).read(signal))]).toEqual([]);
  expect(asked()).toBe(0);
});
