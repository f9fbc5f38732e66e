import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock, settled } from "../kube/testing/fake-clock.ts";
import { defaultControllerRateLimiter, ItemExponentialFailureRateLimiter } from "./rate-limiter.ts";
import { WorkQueue } from "./workqueue.ts";

const key = fc.constantFrom("a", "b", "c", "d");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("add" as const), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("after" as const), key, ms: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("limited" as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("set-wall-clock" as const), ms: fc.constantFrom(-100, 100) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("finish" as const),
      worker: fc.nat({ max: 2 }),
      restMs: fc.constantFrom(0, 0, 1, 40),
    }),
  },
);

test("no key is lost, none is worked on twice at once, and none has its rest cut short", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, workers) => {
      const clock = new FakeClock();
      const queue = new WorkQueue({ clock, rateLimiter: new ItemExponentialFailureRateLimiter(20, 20) });
      /** Keys that must be worked on from now on, and keys that must be worked on at or after a time. */
      const owed = new Set<string>();
      const later = new Map<string, number>();
      const delay = (key: string, ms: number): void => {
        later.set(key, Math.min(clock.monotonic() + ms, later.get(key) ?? Infinity));
      };
      const twice: string[] = [];
      const rests = new Map<string, number>();
      const roused: string[] = [];
      const working: (string | undefined)[] = Array.from({ length: workers }, () => undefined);
      const take = async (worker: number): Promise<void> => {
        const taken = await queue.get();
        if (taken === undefined) return;
        if (working.includes(taken)) twice.push(taken);
        if (clock.monotonic() < (rests.get(taken) ?? 0)) roused.push(taken);
        working[worker] = taken;
        owed.delete(taken);
        if ((later.get(taken) ?? Infinity) <= clock.monotonic()) later.delete(taken);
      };
      for (let worker = 0; worker < workers; worker++) void take(worker);
      const finish = async (worker: number, restMs = 0): Promise<void> => {
        const done = working[worker];
        if (done === undefined) return;
        working[worker] = undefined;
        rests.set(done, clock.monotonic() + restMs);
        queue.done(done, restMs);
        void take(worker);
        await settled();
      };
      for (const action of steps) {
        if (action.do === "add") {
          owed.add(action.key);
          queue.add(action.key);
        } else if (action.do === "after") {
          delay(action.key, action.ms);
          queue.addAfter(action.key, action.ms);
        } else if (action.do === "limited") {
          delay(action.key, 20);
          queue.addRateLimited(action.key);
        } else if (action.do === "pass") {
          await clock.advance(action.ms);
        } else if (action.do === "set-wall-clock") {
          clock.step(action.ms);
        } else {
          await finish(action.worker % workers, action.restMs);
        }
        await settled();
      }
      for (let round = 0; round < 12; round++) {
        await clock.advance(100);
        for (let worker = 0; worker < workers; worker++) await finish(worker);
      }
      expect([...owed, ...later.keys()]).toEqual([]);
      expect(twice).toEqual([]);
      expect(roused).toEqual([]);
      expect(working.every((item) => item === undefined)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("a key added many times while it waits is worked on once", async () => {
  const queue = new WorkQueue({ clock: new FakeClock() });
  for (let i = 0; i < 100; i++) queue.add("a");
  queue.add("b");
  expect(await queue.get()).toBe("a");
  expect(await queue.get()).toBe("b");
  expect(queue.length).toBe(0);
});

test("a key added while it is worked on comes once more, after it is done", async () => {
  const queue = new WorkQueue({ clock: new FakeClock() });
  queue.add("a");
  await queue.get();
  queue.add("a");
  queue.add("a");
  expect(queue.length).toBe(0);
  queue.done("a");
  expect(await queue.get()).toBe("a");
  queue.done("a");
  expect(queue.length).toBe(0);
});

test("a key that rests gathers what is added meanwhile, and is handed out once", async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue({ clock });
  queue.add("a");
  await queue.get();
  queue.add("a");
  queue.done("a", 50);
  queue.add("a");
  await clock.advance(49);
  expect(queue.length).toBe(0);
  await clock.advance(1);
  expect(queue.length).toBe(1);
  expect(await queue.get()).toBe("a");
  queue.done("a", 50);
  await clock.advance(50);
  expect(queue.length).toBe(0);
  expect(clock.untilNext).toBeUndefined();
});

test.each([0, 3_600_000])(
  "of several delays the shortest counts, though the wall clock is set by %d ms",
  async (ms) => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter("a", 1000);
    clock.step(ms);
    queue.addAfter("a", 100);
    queue.addAfter("a", 500);
    await clock.advance(99);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect(queue.length).toBe(1);
    expect(clock.untilNext).toBeUndefined();
  },
);

test("a queue that is shut down hands out nothing and lets waiting workers go", async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue({ clock });
  queue.add("c");
  await queue.get();
  queue.done("c", 10);
  const waiting = queue.get();
  queue.addAfter("a", 10);
  queue.shutDown();
  queue.add("b");
  expect(await waiting).toBeUndefined();
  expect(await queue.get()).toBeUndefined();
  expect(clock.untilNext).toBeUndefined();
});

test("the backoff of a key grows to its limit, starts anew once forgotten, and is its own", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 100, max: 1e6 }),
      fc.nat({ max: 60 }),
      (first, longest, times) => {
        const limiter = new ItemExponentialFailureRateLimiter(first, longest);
        let last = 0;
        for (let i = 0; i < times; i++) {
          const wait = limiter.when("a");
          expect(wait).toBeGreaterThanOrEqual(last);
          expect(wait).toBeLessThanOrEqual(longest);
          last = wait;
        }
        expect(limiter.numRequeues("a")).toBe(times);
        expect(limiter.when("b")).toBe(Math.min(first, longest));
        limiter.forget("a");
        expect(limiter.when("a")).toBe(Math.min(first, longest));
      },
    ),
  );
});

test("the default limiter is client-go's: 5 ms to 1000 s a key, ten a second over all after a hundred", () => {
  const clock = new FakeClock();
  const limiter = defaultControllerRateLimiter(clock);
  expect([limiter.when("a"), limiter.when("a"), limiter.when("a")]).toEqual([5, 10, 20]);
  for (let i = 0; i < 97; i++) limiter.when(`k${i}`);
  expect(limiter.when("next")).toBe(100);
  expect(limiter.when("after that")).toBe(200);
  for (let i = 0; i < 30; i++) limiter.when("a");
  expect(limiter.when("a")).toBe(1_000_000);
});
