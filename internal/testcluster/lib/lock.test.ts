import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withLock } from "./lock.ts";

test("work under one lock never overlaps, and a failure releases it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lock-"));
  const path = join(folder, "below", "a.lock");
  let inside = 0;
  let most = 0;
  const work = (index: number): Promise<number> =>
    withLock(path, async () => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      if (index === 1) throw new Error("one fails");
      return index;
    });
  const results = await Promise.allSettled([0, 1, 2, 3].map(work));
  expect(most).toBe(1);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  rmSync(folder, { recursive: true });
});
