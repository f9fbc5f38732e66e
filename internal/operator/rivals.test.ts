/** Which of several operators has a resource, from what they see of one another's Leases. */
import { describe, expect, test } from "bun:test";
import { holderText } from "../kube/lease-holder.ts";
import { ONLOADS } from "../api/resources.ts";
import type { Lease } from "../kube/kinds.ts";
import type { RawOnload } from "./cache/caches.ts";
import { KEY, ReconcilerBed } from "./testing/reconciler-bed.ts";
import { ALONE, Rivals, trimLease } from "./observe/rivals.ts";

const SECOND = 1000;
const ME = "pod-me_1";
const OTHER = "pod-other_2";

/** What an operator sees of Leases, with a clock of its own. */
class Sight {
  now = 0;
  changes = 0;
  /** Namespaces in which no operator may run. */
  readonly forged = new Set<string>();
  readonly rivals = new Rivals({
    namespace: "mine",
    identity: ME,
    monotonic: () => this.now,
    mayOperateIn: (namespace) => !this.forged.has(namespace),
    onChange: () => void this.changes++,
  });
  #writes = 0;

  /** @param age in seconds: how long ago the object was made */
  lease(namespace: string, holder: string, age: number, more: { scope?: string[]; duration?: number } = {}): void {
    const { scope, duration = 15 } = more;
    const metadata = {
      namespace,
      name: "daabde26.amd.com",
      uid: `${namespace} ${age}`,
      creationTimestamp: new Date(1e12 - age * SECOND).toISOString(),
      resourceVersion: `${++this.#writes}`,
      ...(scope ? { annotations: { "onload.amd.com/holder": holderText(holder, { version: "1.0.0", scope }) } } : {}),
    };
    // What wall clocks say is nonsense.
    const spec = { holderIdentity: holder, leaseDurationSeconds: duration, renewTime: `${this.#writes}` };
    const current: Lease = { metadata, spec };
    this.rivals.note({ key: `${namespace}/daabde26.amd.com`, old: undefined, current });
  }

  gone(namespace: string): void {
    this.rivals.note({ key: `${namespace}/daabde26.amd.com`, old: undefined, current: undefined });
  }

  /** The clock goes on, second by second, and every two seconds these Leases are renewed. */
  pass(seconds: number, ...renew: (() => void)[]): void {
    for (let i = 1; i <= seconds; i++) {
      this.now += SECOND;
      if (i % 2 === 0) for (const each of renew) each();
    }
  }

  get(namespace = "a"): string {
    const { yields, problem } = this.rivals.standing(namespace);
    return `${yields ? "yields" : "acts"}${problem ? `: ${problem.message}` : ""}`;
  }
}

type Other = { age: number; scope?: string[]; duration?: number; holder?: string };

/** Another that is there before us, whose Lease is of an age, and ours, of 100 s. */
function beside({ age, holder = OTHER, ...more }: Other, seconds: number, renews = true): Sight {
  const sight = new Sight();
  const other = (): void => sight.lease("other", holder, age, more);
  const mine = (): void => sight.lease("mine", ME, 100, { scope: [] });
  other();
  mine();
  sight.pass(seconds, mine, ...(renews ? [other] : []));
  return sight;
}

describe("beside another Lease", () => {
  test.each<[string, Other, number, boolean, string]>([
    ["an older one", { age: 200, scope: [] }, 60, true, "yields"],
    ["an older one, at first", { age: 200, scope: [] }, 0, true, "yields"],
    ["an older one that is not renewed, while it may be", { age: 200, scope: [] }, 14, false, "yields"],
    ["an older one that is not renewed", { age: 200, scope: [] }, 16, false, "acts"],
    ["one that is said to hold for days", { age: 200, duration: 1e9 }, 290, false, "yields"],
    ["one that is said to hold for days, and is not renewed", { age: 200, duration: 1e9 }, 302, false, "acts"],
    ["an older one of this namespace", { age: 200, scope: ["b", "a"] }, 60, true, "yields"],
    ["an older one of other namespaces", { age: 200, scope: ["b"] }, 60, true, "acts"],
    ["an older one that nobody holds", { age: 200, holder: "" }, 0, true, "acts"],
    ["a younger one, which may not have noticed", { age: 50, scope: [] }, 8, true, "yields"],
    [
      "a younger one",
      { age: 50, scope: [] },
      10,
      true,
      'acts: Another operator acts too: pod-other_2 holds the younger Lease "other/daabde26.amd.com" and has all namespaces; remove one of the two, or give them different namespaces by --watch-namespaces',
    ],
    ["a younger one that ended", { age: 50, scope: [] }, 10, false, "acts"],
    [
      "an older one that tells nothing of itself, as the original",
      { age: 200 },
      60,
      true,
      'yields: Nothing is done, because another operator acts: pod-other_2 holds the older Lease "other/daabde26.amd.com" and does not say which namespaces it has, so that it counts as having all; update that one, or remove one of the two',
    ],
    ["an older one of which that is not sure yet", { age: 200 }, 0, true, "yields"],
    ["one made in the same second in a later namespace", { age: 100, scope: [] }, 0, true, "yields"],
  ])("%s", (_name, other, seconds, renews, expected) => {
    expect(beside(other, seconds, renews).get()).toBe(expected);
  });
});

test("nothing is done before one's own Lease is seen: whoever took another before was seen by then", () => {
  const sight = new Sight();
  expect(sight.get()).toBe("yields");
  sight.lease("mine", "pod-before_0", 100);
  expect(sight.get()).toBe("yields");
  sight.lease("mine", ME, 100);
  expect(sight.get()).toBe("acts");
  expect(sight.changes).toBe(1);
  // Somebody deletes it: the one that is made instead is a younger one.
  sight.gone("mine");
  expect(sight.get()).toBe("yields");
});

test("who takes a Lease is not there yet: it may be the last that its process has done", () => {
  const sight = beside({ age: 50, scope: [] }, 12);
  expect(sight.get()).toStartWith("acts: Another operator acts too");
  sight.lease("other", "pod-third_3", 50, { scope: [] });
  expect(sight.get()).toBe("acts");
  sight.lease("other", "pod-third_3", 50, { scope: [] });
  expect(sight.get()).toStartWith("acts: Another operator acts too: pod-third_3 ");
});

test("of two Leases made within a second, each sees the same one as the older", () => {
  const [a, b] = [new Sight(), new Sight()];
  for (const sight of [a, b]) sight.lease("mine", ME, 0);
  a.lease("kube-system", OTHER, 0);
  b.lease("zoo", OTHER, 0);
  expect([a.get(), b.get()]).toEqual(["yields", "yields"]);
  const mine = (sight: Sight): void => sight.pass(12, () => sight.lease("mine", ME, 0));
  mine(a);
  mine(b);
  expect([a.get(), b.get()]).toEqual(["yields", "acts"]);
});

test("a watch that is held up makes nobody seem gone", () => {
  const sight = beside({ age: 200, scope: [] }, 20);
  sight.pass(120);
  expect(sight.get()).toBe("yields");
  sight.lease("other", OTHER, 200, { scope: [] });
  sight.lease("mine", ME, 100, { scope: [] });
  expect(sight.get()).toBe("yields");
});

test("what a held-up watch brings at last makes nobody seem gone, in whichever order it comes", () => {
  const sight = beside({ age: 200, scope: [] }, 20);
  const before = sight.changes;
  sight.pass(120);
  for (let i = 0; i < 10; i++) {
    sight.lease("mine", ME, 100, { scope: [] });
    expect(sight.get()).toBe("yields");
    sight.lease("other", OTHER, 200, { scope: [] });
    expect(sight.get()).toBe("yields");
  }
  expect(sight.changes).toBe(before);
  // It has ended all the same if no renewal follows.
  sight.pass(16, () => sight.lease("mine", ME, 100, { scope: [] }));
  expect(sight.get()).toBe("acts");
});

test("a Lease that is said to hold for a second is not taken for gone between two renewals", () => {
  const sight = beside({ age: 200, scope: [], duration: 1 }, 20);
  const before = sight.changes;
  sight.pass(
    20,
    () => sight.lease("mine", ME, 100, { scope: [] }),
    () => sight.lease("other", OTHER, 200, { scope: [], duration: 1 }),
  );
  sight.pass(3, () => sight.lease("mine", ME, 100, { scope: [] }));
  expect(sight.get()).toBe("yields");
  expect(sight.changes).toBe(before);
});

test("the next one wakes up when the older ends, is released or goes, and not with every renewal", () => {
  for (const end of [
    (sight: Sight): void => sight.pass(16, () => sight.lease("mine", ME, 100, { scope: [] })),
    (sight: Sight): void => sight.lease("other", "", 200),
    (sight: Sight): void => sight.gone("other"),
  ]) {
    const sight = beside({ age: 200, scope: [] }, 60);
    const before = sight.changes;
    sight.pass(
      20,
      () => sight.lease("other", OTHER, 200, { scope: [] }),
      () => sight.lease("mine", ME, 100, { scope: [] }),
    );
    expect(sight.changes).toBe(before);
    end(sight);
    expect(sight.changes).toBeGreaterThan(before);
    expect(sight.get()).toBe("acts");
  }
});

test("a Lease in a namespace where no operator may run is nobody's", () => {
  const sight = beside({ age: 200, scope: [] }, 20);
  expect(sight.rivals.others).toEqual(["other/daabde26.amd.com of pod-other_2 (older, has all namespaces)"]);
  expect(sight.get()).toBe("yields");
  const before = sight.changes;
  sight.forged.add("other");
  sight.rivals.look();
  expect([sight.get(), sight.changes]).toEqual(["acts", before + 1]);
  expect(sight.rivals.others).toEqual([]);
  expect(sight.rivals.namespaces).toEqual({ older: ["other"], younger: [] });
  sight.forged.clear();
  sight.rivals.look();
  expect(sight.get()).toBe("yields");
});

test("a namespace is not forgotten while nobody holds the Lease there: whoever made it could hold it again and again", () => {
  expect(beside({ age: 200, holder: "" }, 0).rivals.namespaces).toEqual({ older: ["other"], younger: [] });
});

test("the namespaces of older Leases, whose operators would have everything, are told apart, the oldest first", () => {
  const sight = new Sight();
  for (const age of [50, 200, 150, 90, 400]) sight.lease(`n${age}`, OTHER, age);
  // As long as ours is not known, any of them may be older.
  expect(sight.rivals.namespaces).toEqual({ older: ["n400", "n200", "n150", "n90", "n50"], younger: [] });
  sight.lease("mine", "another-replica_1", 100);
  expect(sight.rivals.namespaces).toEqual({ older: ["n400", "n200", "n150"], younger: ["n90", "n50"] });
});

test("of a Lease as large as the API server takes, which anybody may make, little is kept", () => {
  const annotations = { "onload.amd.com/holder": "z".repeat(200_000), other: "z" };
  const large = {
    metadata: { name: "x", annotations },
    spec: { holderIdentity: "x".repeat(1e6), strategy: "y".repeat(1e5) },
  };
  expect(JSON.stringify(trimLease(large as never)).length).toBeLessThan(2000);
});

test("a holder's name cannot reach into a status", () => {
  const sight = beside({ age: 50, holder: `\u001b[2J${"x".repeat(500)}` }, 12);
  expect(sight.get()).toContain("Another operator acts too");
  expect(sight.get()).not.toMatch(/\p{Cc}/u);
  expect(sight.get().length).toBeLessThan(400);
});

describe("a resource that another operator has", () => {
  const problem = { reason: "AnotherOperator", message: "Nothing is done, because another operator acts" } as const;

  test("is left alone, and its status if the other writes it", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putServingNode("n1");
    bed.standing = { yields: true, problem: undefined };
    await bed.reconcile();
    expect(bed.cluster.calls).toEqual([]);
  });

  test("is left alone from the moment that an older one is seen, also in the middle of a pass", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    for (const name of ["n1", "n2", "n3"]) bed.putServingNode(name, "v0");
    await bed.settle();
    const upgrade = async (): Promise<string[]> => {
      const version = bed.cluster.version;
      bed.upgrade(`v${version}`);
      bed.cluster.take();
      await bed.settle();
      return bed.cluster.take().filter((call) => !/^(get|list|podLog)/.test(call));
    };
    const whole = await upgrade();
    expect(whole.length).toBeGreaterThan(2);
    let writes = 0;
    bed.cluster.before = ({ verb }) => {
      if (/^(get|list|podLog)$/.test(verb)) return;
      // The first write is on its way when the other is seen.
      if (++writes === 1) bed.standing = { yields: true, problem: undefined };
    };
    expect(await upgrade()).toHaveLength(1);
    expect(JSON.stringify(bed.events)).not.toContain("another operator");
    expect(bed.logged.join()).toContain("another operator acts");
    bed.standing = ALONE;
    await bed.settle();
    expect(writes).toBeGreaterThan(2);
  });

  test("says so if the other does not, and is taken up once that one is gone", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putServingNode("n1", "v0");
    bed.standing = { yields: true, problem };
    await bed.settle();
    expect(bed.condition("Degraded")).toBe(`Degraded=True AnotherOperator: ${problem.message}`);
    expect(await bed.metric("onload_operator_onload_status", { status: "AnotherOperator" })).toEqual([1]);
    expect(bed.cluster.calls.filter(({ what }) => !what.startsWith("onloads"))).toEqual([]);
    bed.standing = ALONE;
    await bed.settle();
    expect(bed.condition("Degraded")).not.toContain("AnotherOperator");
    expect(bed.cluster.calls.some(({ what }) => what === "nodes")).toBe(true);
  });

  test("has the status of an operator that acts and tells nothing of itself, as an earlier version", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putServingNode("n1");
    await bed.settle();
    const theirs = structuredClone(bed.onload!.status);
    bed.standing = { yields: true, problem };
    await bed.settle();
    expect(bed.condition("Degraded")).toContain("AnotherOperator");
    bed.cluster.edit<RawOnload>(ONLOADS, KEY, (onload) => void (onload.status = theirs));
    bed.cluster.take();
    for (let i = 0; i < 5; i++) {
      bed.now += 10_000;
      await bed.reconcile();
    }
    expect(bed.cluster.take()).toEqual([]);
  });

  test("goes on with the older one, whose status says that there are two", async () => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    bed.putServingNode("n1", "v0");
    bed.standing = { yields: false, problem: { ...problem, message: "Another operator acts too" } };
    await bed.settle();
    expect(bed.condition("Degraded")).toBe("Degraded=True AnotherOperator: Another operator acts too");
    expect(bed.cluster.calls.some(({ what }) => what === "nodes")).toBe(true);
  });
});
