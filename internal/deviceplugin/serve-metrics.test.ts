import { expect, test } from "bun:test";
import { createServer } from "node:http";
import { createLogger } from "../cli/log.ts";
import { serveMetrics } from "./serve-metrics.ts";

test("a port that another plugin holds is waited for, and is no reason to end", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => {
    holder.listen(0, "127.0.0.1", resolve);
  });
  const address = holder.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const stop = new AbortController();
  const { promise: warned, resolve: warn } = Promise.withResolvers<string>();
  const { promise: listening, resolve: listens } = Promise.withResolvers<number>();
  const done = serveMetrics(
    {
      address: { host: "127.0.0.1", port },
      metrics: { contentType: "text/plain", metrics: async () => "" },
      healthz: () => undefined,
      readyz: () => "not yet",
      log: createLogger({ write: warn }),
      listening: listens,
      retryMs: 20,
    },
    stop.signal,
  );
  expect(await warned).toContain("Cannot serve metrics and probes yet");
  await new Promise((resolve) => {
    holder.close(resolve);
  });
  expect(await listening).toBe(port);
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  const unready = await fetch(`http://127.0.0.1:${port}/readyz`);
  expect([unready.status, await unready.text()]).toEqual([503, "not yet\n"]);
  stop.abort();
  await done;
  expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
});
