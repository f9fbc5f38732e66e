import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { GRACEFUL_SHUTDOWN_MS } from "../controller/manager.ts";
import { FLUSH_MS } from "../kube/events.ts";
import { RELEASE_TIMEOUT_MS } from "../kube/lease.ts";

test("stopping takes no longer than the Deployment allows", async () => {
  const file = join(import.meta.dirname, "../manifests/manager/deployment.yaml");
  const deployment = parse(await readFile(file, "utf8")) as {
    spec: { template: { spec: { terminationGracePeriodSeconds: number } } };
  };
  const { terminationGracePeriodSeconds } = deployment.spec.template.spec;
  // The three follow one another: reconciles under way, the Lease, the events that are left.
  const neededMs = GRACEFUL_SHUTDOWN_MS + RELEASE_TIMEOUT_MS + FLUSH_MS;
  expect(neededMs).toBeLessThan(terminationGracePeriodSeconds * 1000);
});
