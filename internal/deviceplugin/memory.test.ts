import { expect, test } from "bun:test";
import { poll } from "../testcluster/lib/poll.ts";
import { Memory } from "./memory.ts";

test("memory is given back once after each time of use, and not in the middle of it", async () => {
  const stop = new AbortController();
  const memory = new Memory();
  const at: number[] = [];
  const idleMs = 100;
  const running = memory.run(stop.signal, { idleMs, giveBack: () => at.push(performance.now()) });
  const after = (times: number): Promise<boolean> =>
    poll(async () => at.length === times, { what: `Giving back for the ${times}. time`, intervalMs: 5 });
  await after(1);
  let lastUse = 0;
  for (let i = 0; i < 50; i++) {
    lastUse = performance.now();
    memory.used();
    await Bun.sleep(4);
    // A busy machine may let the time run out between two uses.
    if (at.length > 1) break;
  }
  await after(2);
  expect(at[1]! - lastUse).toBeGreaterThanOrEqual(idleMs - 1);
  stop.abort();
  await running;
  memory.used();
  expect(at.length).toBe(2);
});

test("the runtime's own way to give memory back is there, and the program goes on", async () => {
  const stop = new AbortController();
  const memory = new Memory();
  const text = JSON.stringify({ kept: Array.from({ length: 1000 }, (_, i) => String(i)) });
  const running = memory.run(stop.signal, { idleMs: 0 });
  stop.abort();
  await running;
  expect((JSON.parse(text) as { kept: string[] }).kept[999]).toBe("999");
  expect(typeof (Bun as { shrink?: unknown }).shrink).toBe("function");
});
