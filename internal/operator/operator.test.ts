import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { GRACEFUL_SHUTDOWN_MS } from "../controller/manager.ts";

test("stopping takes no longer than the Deployment allows", async () => {
  const file = join(import.meta.dirname, "../manifests/manager/deployment.yaml");
  const deployment = parse(await readFile(file, "utf8")) as {
    spec: { template: { spec: { terminationGracePeriodSeconds: number } } };
  };
  const { terminationGracePeriodSeconds } = deployment.spec.template.spec;
  // After reconciles under way come the Lease, which is let go within five seconds, and two seconds of last events.
  const neededMs = GRACEFUL_SHUTDOWN_MS + 5000 + 2000;
  expect(neededMs).toBeLessThan(terminationGracePeriodSeconds * 1000);
});
