/** Which stacks a pod has, and what is said if that is not known. */
import { afterEach, expect, test } from "bun:test";
import { FakeApiServer } from "../kube/testing/fake-api-server.ts";
import { rightsAdvice } from "../kube/rights-advice.ts";
import { runOnNode, stacksOf } from "./stacks.ts";

const { signal } = new AbortController();
const POD = { namespace: "trading", name: "trader-0" };
const PODS = "/api/v1/namespaces/trading/pods";
let server: FakeApiServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** A server with the pod, and with a plugin that says this of it. */
async function withAnswer(body: string | undefined, status = 200): Promise<FakeApiServer> {
  server = await FakeApiServer.start();
  server.put(PODS, {
    kind: "Pod",
    metadata: { namespace: "trading", name: "trader-0" },
    spec: { nodeName: "n", containers: [] },
  });
  if (body === undefined) return server;
  server.put("/api/v1/pods", {
    kind: "Pod",
    metadata: { namespace: "onload-runtime", name: "plugin" },
    spec: {
      nodeName: "n",
      containers: [{ name: "device-plugin", ports: [{ name: "metrics", containerPort: 9470 }] }],
    },
  });
  server.fail("GET", /proxy/, Infinity, (response) => response.writeHead(status).end(body));
  return server;
}

function answerOf(...stackIds: (number[] | undefined)[]): string {
  const names = { namespace: "trading", pod: "trader-0", podUid: "uid-1" };
  const containers = stackIds.map((ids, i) => ({ ...names, container: `c${i}`, stackIds: ids }));
  return JSON.stringify({ lookedAt: new Date().toISOString(), containers });
}

test("they are those of all of its containers", async () => {
  const client = (await withAnswer(answerOf([12, 3], [3]))).client();
  expect(await stacksOf(client, POD, [], signal)).toEqual({
    plugin: expect.objectContaining({ namespace: "onload-runtime", name: "plugin", node: "n" }),
    ids: [3, 12],
  });
  expect((await stacksOf(client, POD, [7], signal)).ids).toEqual([7]);
});

test.each<[string, string | undefined, number, string]>([
  [
    "it has none",
    answerOf([]),
    200,
    "it has none, as far as its node has seen; `onloadctl doctor pod trader-0 -n trading",
  ],
  ["the plugin does not know it", answerOf(), 200, "it has none, as far as its node has seen"],
  [
    "the plugin is of an older version",
    answerOf(undefined),
    200,
    "older version, which does not tell; upgrade the operator",
  ],
  ["there is no plugin", undefined, 200, "its node has no device plugin; `onloadctl doctor pod"],
  [
    "the plugin may not be asked",
    '{"kind":"Status","message":"no"}',
    403,
    "Not allowed: get pods/proxy in namespace onload-runtime",
  ],
])("if %s, that is said", async (_what, body, status, expected) => {
  const client = (await withAnswer(body, status)).client();
  await expect(stacksOf(client, POD, [], signal)).rejects.toThrow(expected);
});

const REFUSED =
  'pods "p" is forbidden: User "jane" cannot create resource "pods/exec" in API group "" in the namespace "onload-runtime"';

test("a pod that is not there, and a right that is missing", async () => {
  const it = await withAnswer(answerOf([3]));
  await expect(stacksOf(it.client(), { ...POD, name: "x" }, [], signal)).rejects.toThrow('Cannot find pod "x"');
  const { plugin } = await stacksOf(it.client(), POD, [], signal);
  const refusal = JSON.stringify({ kind: "Status", reason: "Forbidden", message: REFUSED });
  it.fail("GET", /exec/, 1, (response) => response.writeHead(403).end(refusal));
  const client = it.client({ advise: rightsAdvice });
  await expect(runOnNode(client, plugin, ["x"], () => undefined, signal)).rejects.toThrow(
    /pods\/exec".*; an administrator can give you that right: kubectl create rolebinding onload-stack -n onload-runtime --clusterrole=onload-operator-onload-stack-role --user=jane$/,
  );
});
