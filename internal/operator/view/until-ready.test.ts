import { expect, test } from "bun:test";
import type { Health } from "./health.ts";
import { untilReady } from "./until-ready.ts";

/** Looks that give one health after the other; the last one stays. */
function looks(...healths: (Health | "stuck")[]) {
  let at = 0;
  return () => {
    const shown = healths[Math.min(at++, healths.length - 1)]!;
    const health: Health = shown === "stuck" ? "degraded" : shown;
    const one = { namespace: "ns", name: "o", status: shown, message: "m", health, needsPerson: shown === "stuck" };
    return Promise.resolve({ health, resources: [one] });
  };
}

const SETTLED_MS = 100;
const run = (look: ReturnType<typeof looks>, timeoutMs: number, lines: string[] = [], stop = new AbortController()) => {
  let changed: () => void = () => undefined;
  const end = untilReady(
    look,
    (wake) => (changed = wake),
    { timeoutMs, settledMs: SETTLED_MS },
    (line) => lines.push(line),
    stop.signal,
  );
  return { end, changed: () => changed() };
};

test("it ends at once if all is Ready", async () => {
  const lines: string[] = [];
  expect(await run(looks("ready"), 60_000, lines).end).toMatchObject({ end: "ready", seen: { health: "ready" } });
  expect(lines).toEqual([]);
});

test("it looks again on every change, and tells each headline once", async () => {
  const lines: string[] = [];
  const { end, changed } = run(looks("waiting", "waiting", "degraded", "ready"), 60_000, lines);
  const timer = setInterval(changed, 20);
  expect((await end).end).toBe("ready");
  clearInterval(timer);
  expect(lines).toEqual(["ns/o: waiting: m\n", "ns/o: degraded: m\n"]);
});

test("what ends the waiting is told by who shows the last look", async () => {
  const lines: string[] = [];
  const { end, changed } = run(looks("waiting", "stuck"), 60_000, lines);
  const timer = setInterval(changed, 20);
  expect((await end).end).toBe("needs a person");
  clearInterval(timer);
  expect(lines).toEqual(["ns/o: waiting: m\n"]);
});

test("it ends when the time is over, with what it saw last", async () => {
  expect(await run(looks("degraded"), 50).end).toMatchObject({ end: "time is over", seen: { health: "degraded" } });
});

test("it ends when it is stopped", async () => {
  const stop = new AbortController();
  const { end } = run(looks("waiting"), 60_000, [], stop);
  setTimeout(() => stop.abort(new Error("stopped")), 10);
  expect(end).rejects.toThrow("stopped");
});

test("it ends before its time when only a person can help", async () => {
  const began = performance.now();
  expect(await run(looks("waiting", "stuck"), 60_000).end).toMatchObject({ end: "needs a person" });
  expect(performance.now() - began).toBeGreaterThanOrEqual(SETTLED_MS - 1);
});

test("it goes on if that was so for a moment, as right after a retry", async () => {
  const { end, changed } = run(looks("stuck", "waiting", "stuck", "waiting", "ready"), 60_000);
  const timer = setInterval(changed, 5);
  expect((await end).end).toBe("ready");
  clearInterval(timer);
});

test("it goes on while another resource can go on", async () => {
  const stuck = {
    namespace: "ns",
    name: "a",
    status: "s",
    message: "m",
    health: "degraded" as const,
    needsPerson: true,
  };
  const moving = { ...stuck, name: "b", health: "waiting" as const, needsPerson: false };
  const look = () => Promise.resolve({ health: "degraded" as const, resources: [stuck, moving] });
  expect((await run(look as never, 4 * SETTLED_MS).end).end).toBe("time is over");
  const done = { ...moving, health: "ready" as const };
  const rest = () => Promise.resolve({ health: "degraded" as const, resources: [stuck, done] });
  expect((await run(rest as never, 60_000).end).end).toBe("needs a person");
});
