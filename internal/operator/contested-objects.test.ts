/** Modules and DaemonSets that somebody changes each time they are applied: an admission webhook, or another controller. */
import { expect, test } from "bun:test";
import type { KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import { MODULES } from "../api/resources.ts";
import { DAEMON_SETS, refOf } from "../kube/resource.ts";
import { ReconcilerBed } from "./testing/reconciler-bed.ts";

type Change = (object: KubeObject & { spec: Record<string, unknown> }, stamp: string) => void;

/** A settled resource, and a webhook that changes what is written to its objects. */
async function behindWebhook(change: Change): Promise<{ bed: ReconcilerBed; live: (ms: number) => Promise<void> }> {
  const bed = new ReconcilerBed();
  bed.putOnload();
  bed.putServingNode("n1", "v0");
  let stamp = 0;
  const { cluster } = bed;
  const apply = cluster.apply.bind(cluster);
  cluster.apply = async <T extends KubeObject>(resource: Resource, desired: object, options?: object): Promise<T> => {
    const answer = await apply<T>(resource, desired, options);
    if (resource !== MODULES && resource !== DAEMON_SETS) return answer;
    return cluster.edit<T>(resource, refOf(answer), (object) => change(object as never, `${++stamp}`));
  };
  let woken = true;
  let due = Infinity;
  cluster.onChange = () => void (woken = true);
  /** The operator goes on for a while: a pass after every event, as soon as it may be, and when it asked for one. */
  const live = async (ms: number): Promise<void> => {
    const end = bed.now + ms;
    for (; bed.now < end; bed.now += 50) {
      if (!woken && bed.now < due) continue;
      woken = false;
      const { requeueAfterMs = Infinity } = await bed.reconcile().catch(() => ({ requeueAfterMs: 1000 }));
      due = bed.now + requeueAfterMs;
    }
  };
  return { bed, live };
}

const MINUTE = 60_000;
const stamped: Change = ({ metadata }, stamp) => void (metadata.annotations = { stamp });

const changes: Record<string, Change> = {
  "takes a label away": (object, stamp) => {
    stamped(object, stamp);
    object.metadata.labels = {};
  },
  "gives them to an owner": (object, stamp) => {
    stamped(object, stamp);
    const owner = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", name: "main", uid: "u" };
    object.metadata.ownerReferences = [owner];
  },
};
for (const [name, change] of Object.entries(changes)) {
  test(`a webhook that ${name} makes no loop: they are applied once a second at most, and a person is told`, async () => {
    let acts = true;
    const { bed, live } = await behindWebhook((object, stamp) => (acts ? change(object, stamp) : undefined));
    await live(MINUTE);
    const applied = bed.cluster.take().filter((call) => call === "apply modules main-module");
    expect(applied.length).toBeGreaterThan(10);
    // An owner is taken away by a request between two of them.
    expect(applied.length).toBeLessThan(2 * 62);
    expect(bed.condition("Degraded")).toContain("ApplyFailed");
    expect(bed.condition("Degraded")).toContain('Cannot keep Module "main-module" as it should be');
    acts = false;
    await live(MINUTE);
    expect(bed.condition("Degraded")).not.toContain("ApplyFailed");
    const rest = bed.cluster.take().filter((call) => call.startsWith("apply modules"));
    expect(rest.length).toBeLessThan(6);
  });
}

test("a webhook that changes the spec each time is left its way, once", async () => {
  const { bed, live } = await behindWebhook((object, stamp) => {
    object.spec["stamp"] = stamp;
    object.metadata.generation = (object.metadata.generation ?? 0) + 1;
  });
  await live(MINUTE);
  expect(bed.cluster.take().filter((call) => call === "apply modules main-module")).toHaveLength(1);
});

test("what somebody changes now and then is mended within a second, and nobody need know", async () => {
  const { bed, live } = await behindWebhook(() => undefined);
  await live(MINUTE);
  for (let i = 0; i < 10; i++) {
    bed.cluster.edit<KubeObject>(
      MODULES,
      { namespace: "ns", name: "main-module" },
      ({ metadata }) => void (metadata.labels = {}),
    );
    bed.cluster.take();
    await live(100);
    expect(bed.cluster.take()).toContain("apply modules main-module");
    await live(2 * MINUTE);
    expect(bed.condition("Degraded")).not.toContain("ApplyFailed");
  }
});

test("a controller that deletes one each time makes no loop either, and a person is told", async () => {
  const { bed, live } = await behindWebhook(() => undefined);
  await live(MINUTE);
  bed.cluster.take();
  const ref = { namespace: "ns", name: "main-onload-device-plugin-ds" };
  let applied = 0;
  for (let i = 0; i < 200; i++) {
    await bed.cluster.delete(DAEMON_SETS, ref).catch(() => undefined);
    await live(50);
    applied += bed.cluster.take().filter((call) => call === `apply daemonsets ${ref.name}`).length;
  }
  expect(applied).toBeGreaterThan(5);
  expect(applied).toBeLessThan(12);
  expect(bed.condition("Degraded")).toContain(
    `Cannot keep DaemonSet "${ref.name}" as it should be: somebody deletes it`,
  );
  await live(2 * MINUTE);
  expect(bed.condition("Degraded")).not.toContain("ApplyFailed");
});
