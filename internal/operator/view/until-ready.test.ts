import { expect, test } from "bun:test";
import type { Health } from "./health.ts";
import { untilReady } from "./until-ready.ts";

/** Looks that give one health after the other; the last one stays. */
function looks(...healths: Health[]) {
  let at = 0;
  return () => {
    const health = healths[Math.min(at++, healths.length - 1)]!;
    return Promise.resolve({ health, resources: [{ namespace: "ns", name: "o", status: health, message: "m" }] });
  };
}

const run = (look: ReturnType<typeof looks>, timeoutMs: number, lines: string[] = [], stop = new AbortController()) => {
  let changed: () => void = () => undefined;
  const end = untilReady(
    look,
    (wake) => (changed = wake),
    timeoutMs,
    (line) => lines.push(line),
    stop.signal,
  );
  return { end, changed: () => changed() };
};

test("it ends at once if all is Ready", async () => {
  const lines: string[] = [];
  expect((await run(looks("ready"), 60_000, lines).end).health).toBe("ready");
  expect(lines).toEqual([]);
});

test("it looks again on every change, and tells each headline once", async () => {
  const lines: string[] = [];
  const { end, changed } = run(looks("waiting", "waiting", "degraded", "ready"), 60_000, lines);
  const timer = setInterval(changed, 20);
  expect((await end).health).toBe("ready");
  clearInterval(timer);
  expect(lines).toEqual(["ns/o: waiting: m\n", "ns/o: degraded: m\n"]);
});

test("it ends when the time is over, with what it saw last", async () => {
  expect((await run(looks("degraded"), 50).end).health).toBe("degraded");
});

test("it ends when it is stopped", async () => {
  const stop = new AbortController();
  const { end } = run(looks("waiting"), 60_000, [], stop);
  setTimeout(() => stop.abort(new Error("stopped")), 10);
  expect(end).rejects.toThrow("stopped");
});
