import { expect, test } from "bun:test";
import { createServer } from "node:http";
import { createLogger } from "../cli/log.ts";
import { probeHandler, serveOnNode } from "./serve-on-node.ts";

test("a port that another plugin holds is waited for, and is no reason to end", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => {
    holder.listen(0, "127.0.0.1", resolve);
  });
  const address = holder.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const stop = new AbortController();
  const { promise: warned, resolve: warn } = Promise.withResolvers<string>();
  const { promise: listening, resolve: listens } = Promise.withResolvers<[string, number]>();
  const done = serveOnNode(
    {
      what: "probes",
      address: { host: "127.0.0.1", port },
      paths: { "/healthz": probeHandler(() => undefined), "/readyz": probeHandler(() => "not yet") },
      log: createLogger({ write: warn }),
      listening: (...args) => listens(args),
      retryMs: 20,
    },
    stop.signal,
  );
  expect(await warned).toContain("Cannot serve probes yet");
  await new Promise((resolve) => {
    holder.close(resolve);
  });
  expect(await listening).toEqual(["probes", port]);
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  const unready = await fetch(`http://127.0.0.1:${port}/readyz`);
  expect([unready.status, await unready.text()]).toEqual([503, "not yet\n"]);
  stop.abort();
  await done;
  expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
});
