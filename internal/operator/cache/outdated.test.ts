import { expect, test } from "bun:test";
import { Registry } from "../../probes/prom-client.ts";
import { silentLogger } from "../../cli/log.ts";
import { LEASES } from "../../kube/resource.ts";
import { FakeApiServer } from "../../kube/testing/fake-api-server.ts";
import { FakeClock } from "../../kube/testing/fake-clock.ts";
import { createCaches } from "./caches.ts";
import { outdatedText, OutdatedWatch, showOutdated, type Aging } from "./outdated.ts";

test("what wakes the operator, and what a scrape sees, is that some cache became outdated or is so no more", async () => {
  await using server = await FakeApiServer.start();
  const fresh = createCaches(server.client(), [], silentLogger);
  let outdated: string | undefined;
  const caches: Aging = {
    ...fresh,
    kmmPods: {
      resource: fresh.kmmPods.resource,
      get outdated() {
        return outdated;
      },
    },
  };
  const clock = new FakeClock();
  let woken = 0;
  const stop = new AbortController();
  const running = new OutdatedWatch(caches, () => void woken++, clock).run(stop.signal);
  const registry = new Registry();
  showOutdated(registry, caches);
  const shown = async (): Promise<string[]> =>
    (await registry.metrics()).split("\n").filter((line) => line.endsWith("} 1"));
  await clock.advance(60_000);
  expect([woken, outdatedText(caches), await shown()]).toEqual([0, undefined, []]);
  outdated = "Cannot follow pods: no answer for 120 s";
  await clock.advance(10_000);
  expect([woken, outdatedText(caches), await shown()]).toEqual([
    1,
    outdated,
    ['onload_operator_cache_outdated{cache="kmmPods",resource="pods"} 1'],
  ]);
  await clock.advance(60_000);
  expect(woken).toBe(1);
  outdated = undefined;
  await clock.advance(10_000);
  expect([woken, outdatedText(caches), await shown()]).toEqual([2, undefined, []]);
  stop.abort();
  await running;
});

test("without the Leases of others an operator does not know whether it is alone", async () => {
  await using server = await FakeApiServer.start();
  const outdated = "Cannot follow leases: no answer for 120 s";
  const followed: Aging = {
    ...createCaches(server.client(), [], silentLogger),
    leases: { resource: LEASES, outdated },
  };
  expect(outdatedText(followed)).toBe(outdated);
  const registry = new Registry();
  showOutdated(registry, followed);
  expect(await registry.metrics()).toContain('onload_operator_cache_outdated{cache="leases",resource="leases"} 1');
});
