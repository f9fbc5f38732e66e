import { afterEach, expect, test } from "bun:test";
import { createLogger } from "../cli/log.ts";
import { FakeApiServer } from "../kube/testing/fake-api-server.ts";
import { examine, type Examined } from "./doctor.ts";

let server: FakeApiServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** Examines all pods of a cluster that has these, named by what is special of them. */
async function examined(pods: Record<string, object>): Promise<{ found: Examined[]; events: number }> {
  server = await FakeApiServer.start();
  // Nothing is installed there.
  server.fail("GET", /^\/apis\//, Infinity, (response) => response.writeHead(404).end("{}"));
  for (const [name, status] of Object.entries(pods)) {
    const containers = [{ name: "app", resources: { limits: { "amd.com/onload": "1" } } }];
    server.put("/api/v1/pods", {
      kind: "Pod",
      metadata: { namespace: "trading", name, uid: name },
      spec: { nodeName: "worker-1", containers },
      status,
    });
  }
  const log = createLogger({ write: () => undefined });
  const deps = { client: server.client(), log, now: () => Date.UTC(2026, 0, 1), timeoutMs: 60_000 };
  const found = await examine({ kind: "all", namespace: undefined }, deps, new AbortController().signal);
  return { found, events: server.requests.filter((each) => each.includes("/events")).length };
}

test("events are asked for only of pods whose own status does not say what they would", async () => {
  const rejected = { phase: "Failed", reason: "TopologyAffinityError", message: "Pod was rejected: no NUMA node" };
  // A controller makes one after the other of them, each of which stays.
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`rejected-${i}`, rejected]));
  const { found, events } = await examined({
    ...many,
    running: { phase: "Running" },
    silent: { phase: "Failed", reason: "UnexpectedAdmissionError" },
    pending: { phase: "Pending" },
  });
  expect(found).toHaveLength(303);
  expect(events).toBe(2);
  const admitted = found.find(({ name }) => name === "rejected-7")!.links.find(({ link }) => link === "admitted");
  expect(admitted!.seen).toBe("The kubelet did not run it: TopologyAffinityError: Pod was rejected: no NUMA node");
});
