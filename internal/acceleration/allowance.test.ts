import { expect, test } from "bun:test";
import { Allowance, NodeAllowance, payTogether } from "./allowance.ts";

let ms = 0;
const now = () => ms;

/** What so many containers cost in one look if each takes as much as it may, by work of 50 ms. */
async function lookAt(node: NodeAllowance, containers: readonly Allowance[]): Promise<number[]> {
  const part = node.begin(containers.length);
  for (const each of containers) each.begin(part);
  const costs: number[] = [];
  for (const each of containers) {
    let took = 0;
    for (; !each.isSpent; took += 50) await each.pay(async () => void (ms += 50));
    costs.push(took);
  }
  return costs;
}
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);

test("of one container: three seconds at first, and then a tenth of one in each look", async () => {
  const node = new NodeAllowance();
  const one = new Allowance(node, now);
  const costs: number[] = [];
  for (let look = 0; look < 5; look++) costs.push(sum(await lookAt(node, [one])));
  expect(costs).toEqual([3000, 100, 100, 100, 100]);
});

test("of fifty at once: ten seconds, and then two in each look, each an equal part", async () => {
  const node = new NodeAllowance();
  const all = Array.from({ length: 50 }, () => new Allowance(node, now));
  const costs: number[] = [];
  for (let look = 0; look < 20; look++) {
    const each = await lookAt(node, all);
    costs.push(sum(each));
    if (look === 0) expect(new Set(each)).toEqual(new Set([200]));
  }
  expect(costs[0]).toBe(10_000);
  // The last piece of work of each may be more than was left.
  expect(sum(costs.slice(1))).toBeLessThanOrEqual(19 * 2000 + 50 * 50);
});

test("of fifty that have saved for hours: no more", async () => {
  const node = new NodeAllowance();
  const all = Array.from({ length: 50 }, () => new Allowance(node, now));
  for (let look = 0; look < 500; look++) {
    const part = node.begin(all.length);
    for (const each of all) each.begin(part);
  }
  expect(sum(await lookAt(node, all))).toBe(10_000);
});

test("of new ones in each look: no more than of old ones, and one that comes later has its part", async () => {
  const node = new NodeAllowance();
  let total = 0;
  let later: number[] = [];
  for (let look = 0; look < 20; look++) {
    const fresh = Array.from({ length: 20 }, () => new Allowance(node, now));
    later = await lookAt(node, fresh);
    total += sum(later);
  }
  expect(total).toBeLessThanOrEqual(10_000 + 20 * (2000 + 20 * 50));
  expect(new Set(later)).toEqual(new Set([100]));
});

test("work that several have the use of is paid in equal parts, and by the node once", async () => {
  const node = new NodeAllowance();
  const all = [new Allowance(node, now), new Allowance(node, now)];
  const part = node.begin(2);
  for (const each of all) each.begin(part);
  await payTogether(all, async () => void (ms += 5800));
  expect(all.map(({ isSpent }) => isSpent)).toEqual([false, false]);
  await payTogether(all, async () => void (ms += 200));
  expect(all.map(({ isSpent }) => isSpent)).toEqual([true, true]);
  expect(node.begin(2).mostMs).toBe((10_000 - 6000 + 2000) / 2);
});

test("work that fails is paid", async () => {
  const node = new NodeAllowance();
  const one = new Allowance(node, now);
  one.begin(node.begin(1));
  const work = one.pay(async () => {
    ms += 3000;
    throw new Error("x");
  });
  expect(work).rejects.toThrow("x");
  await work.catch(() => undefined);
  expect(one.isSpent).toBe(true);
});
