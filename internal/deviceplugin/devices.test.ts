import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ListAndWatchResponse } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { refusal } from "./allocation.ts";
import { deviceId, deviceIndex, deviceList, MAX_DEVICES, preferredDevices } from "./devices.ts";

const numaNodes = fc.uniqueArray(fc.integer({ min: 0, max: 1023 }), { maxLength: 64 });

describe("deviceList", () => {
  test("always fits one small message and keeps every id", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DEVICES }), fc.boolean(), numaNodes, (count, healthy, nodes) => {
        const list = deviceList({ count, healthy, numaNodes: nodes });
        expect(ListAndWatchResponse.encode(list).finish().length).toBeLessThan(64 * 1024);
        expect(list.devices.map((device) => device.ID)).toEqual(Array.from({ length: count }, (_, i) => `sfc-${i}`));
        expect(list.devices.every((device) => device.health === (healthy ? "Healthy" : "Unhealthy"))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test("deals devices out evenly, whatever the order of the NICs", () => {
    const list = deviceList({ count: 5, healthy: true, numaNodes: [3, 1, 3] });
    expect(list.devices.map((device) => device.topology?.nodes[0]?.ID)).toEqual([1, 3, 1, 3, 1]);
  });

  test("leaves hints out where no NIC gives any", () => {
    expect(deviceList({ count: 1, healthy: true, numaNodes: [] }).devices[0]?.topology).toBeUndefined();
  });
});

test("deviceIndex takes back what deviceId gave, and nothing else", () => {
  fc.assert(fc.property(fc.nat(MAX_DEVICES - 1), (index) => deviceIndex(deviceId(index), MAX_DEVICES) === index));
  for (const id of ["sfc-100", "sfc--1", "sfc-01", "sfc-1.0", "sfc-", "SFC-1", "sfc-1 ", "0000:3b:00.0", ""]) {
    expect(deviceIndex(id, 100)).toBeUndefined();
  }
});

describe("preferredDevices", () => {
  const ids = (...indexes: number[]): string[] => indexes.map(deviceId);
  const rows: [string, string[], string[], number, number[], string[]][] = [
    ["lowest numbers without hints", ids(9, 2, 10), [], 2, [], ids(2, 9)],
    ["one node where it fits", ids(0, 1, 3, 5), [], 2, [0, 1], ids(1, 3)],
    ["the tightest node that fits", ids(0, 2, 4, 1, 3), [], 2, [0, 1], ids(1, 3)],
    ["the node already begun", ids(0, 2, 1, 3, 5), ids(0), 2, [0, 1], ids(0, 2)],
    ["fewest nodes where none fits", ids(0, 3, 6, 1, 2), [], 4, [0, 1, 2], ids(0, 3, 6, 1)],
    ["what must be included, even if it is too much", ids(1, 2), ids(1, 2), 1, [], ids(1, 2)],
    ["no more than there is", ids(4), [], 3, [0], ids(4)],
    ["nothing", [], [], 0, [0], []],
  ];
  for (const [name, available, include, size, nodes, wanted] of rows) {
    test(`takes ${name}`, () => expect(preferredDevices(available, include, size, nodes)).toEqual(wanted));
  }

  test("answers with distinct available devices, as many as asked for", () => {
    const input = fc.record({
      available: fc.uniqueArray(fc.nat(199), { maxLength: 60 }),
      size: fc.nat(80),
      nodes: numaNodes,
      take: fc.nat(5),
    });
    fc.assert(
      fc.property(input, ({ available, size, nodes, take }) => {
        const free = available.map(deviceId);
        const include = free.slice(0, Math.min(take, size));
        const chosen = preferredDevices(free, include, size, nodes);
        expect(new Set(chosen).size).toBe(chosen.length);
        expect(chosen.length).toBe(Math.min(size, free.length));
        for (const id of chosen) expect(free).toContain(id);
        for (const id of include) expect(chosen).toContain(id);
      }),
    );
  });
});

test("a kubelet that asks for far too much is answered at once", () => {
  const ids = Array.from({ length: 100_000 }, (_, index) => deviceId(index));
  const must = ids.filter((_, index) => index % 2 === 0);
  const begun = performance.now();
  expect(preferredDevices(ids, must, 60_000, [0, 1]).length).toBe(60_000);
  expect(performance.now() - begun).toBeLessThan(5000);
});

test("a refusal is short, whatever the ids are", () => {
  const long = refusal(["x".repeat(3_000_000)], 2, []);
  expect(long).toEndWith(`offers sfc-0 to sfc-1, not ${"x".repeat(77)}...`);
  const many = Array.from({ length: 200_000 }, (_, index) => `sfc-${index + 2}`);
  expect(refusal(many, 2, [])).toEndWith("not sfc-2, sfc-3, sfc-4 and 199997 more");
  expect(refusal(["a\u001b[31m\nb"], 2, [])).toEndWith("not a [31m b");
});
