import { expect, test } from "bun:test";
import { parseAnswer } from "./answer.ts";

const CONTAINER = { namespace: "a", pod: "p", container: "c", podUid: "u" };

test("an answer is read as the device plugin writes it", () => {
  const text = JSON.stringify({
    lookedAt: "2026-01-01T12:00:00.000Z",
    countersProblem: "no orm_json",
    node: {
      healthy: false,
      problems: ["No NIC"],
      controlPlane: "no crictl",
      module: { version: "9.2.0.1", acceleratesVeth: true },
      nics: [{ address: "0000:3b:00.0", driver: null, interfaces: ["ens1"] }],
    },
    containers: [
      {
        ...CONTAINER,
        accelerated: null,
        processes: { mapped: 1 },
        stacks: 2,
        stackIds: [3, 4],
        sockets: [{ kind: "tcp", accelerated: true, count: 2 }],
        interfaces: [{ name: "eth0", driver: "virtual" }, { name: "net1" }],
        interfacesCut: true,
        settings: { EF_POLL_USEC: "100000", EF_NAME: null },
        cut: { processes: 2, descriptors: 1, tables: 0 },
        counters: [
          { id: 3, values: { wakeups: 900, odd: 1 }, recent: { seconds: 30.5, grown: { wakeups: 9, odd: 1 } } },
          { id: 4, values: { no_route: 1 } },
        ],
      },
    ],
  });
  expect(parseAnswer(text)).toEqual({
    lookedAt: Date.UTC(2026, 0, 1, 12),
    problem: undefined,
    countersProblem: "no orm_json",
    node: {
      healthy: false,
      problems: ["No NIC"],
      controlPlane: "no crictl",
      module: { version: "9.2.0.1", acceleratesVeth: true },
      nics: [{ address: "0000:3b:00.0", driver: undefined, interfaces: ["ens1"] }],
    },
    containers: [
      {
        ...CONTAINER,
        accelerated: undefined,
        processes: { mapped: 1 },
        stacks: 2,
        stackIds: [3, 4],
        sockets: [{ kind: "tcp", accelerated: true, count: 2 }],
        interfaces: [
          { name: "eth0", driver: "virtual" },
          { name: "net1", driver: undefined },
        ],
        interfacesCut: true,
        settings: { EF_POLL_USEC: "100000", EF_NAME: null },
        cut: true,
        processesCut: 2,
        counters: [
          { id: 3, values: { wakeups: 900 }, recent: { seconds: 30.5, grown: { wakeups: 9 } } },
          { id: 4, values: { no_route: 1 }, recent: undefined },
        ],
      },
    ],
  });
});

test("an answer of an older version lacks stacks' numbers and what the node is like", () => {
  const { node, containers } = parseAnswer(JSON.stringify({ lookedAt: null, containers: [CONTAINER] }));
  expect(node).toBeUndefined();
  expect(containers[0]).toMatchObject({
    stackIds: undefined,
    interfacesCut: false,
    settings: undefined,
    stacks: 0,
    processes: {},
    counters: undefined,
  });
});

test("what is no answer is refused", () => {
  for (const text of ["", "[]", "<html>", '{"containers":{}}', "null"]) expect(() => parseAnswer(text)).toThrow();
});

test("hostile answers have a bound, and no characters that a terminal obeys", () => {
  const many = <T>(each: T, length = 100): T[] => Array.from({ length }, () => each);
  const evil = "\u001b[2J\u202Ex";
  const hostile = {
    problem: evil + "y".repeat(100_000),
    node: {
      module: { version: evil + "y".repeat(1000), acceleratesVeth: "Y" },
      problems: many(evil),
      nics: many({ address: evil, interfaces: many(evil) }),
      healthy: "yes",
    },
    containers: Array.from({ length: 1100 }, () => ({
      ...CONTAINER,
      pod: evil,
      processes: Object.fromEntries(many(0).map((_, i) => [`${evil}${i}`, -1])),
      stacks: "9",
      stackIds: many(evil),
      sockets: many({ kind: evil, count: 1e99 }),
      interfaces: many({ name: evil, driver: { a: 1 } }),
      settings: {
        [`EF_${evil}`]: "1",
        HOME: "1",
        EF_A: evil,
        EF_B: 1,
        ...Object.fromEntries(many(0).map((_, i) => [`EF_X${i}`, "1"])),
      },
      counters: [
        ...many(
          { id: 1, values: { [evil]: 1, wakeups: 1e99, __proto__: 1 }, recent: { seconds: -1, grown: evil } },
          50,
        ),
        ...many({ id: evil }, 50),
      ],
    })),
  };
  const found = parseAnswer(JSON.stringify(hostile));
  expect(found.containers).toHaveLength(1000);
  const [first] = found.containers;
  expect(first).toMatchObject({ stacks: 0, stackIds: [] });
  expect(Object.values(first!.processes)).toEqual(Object.values(first!.processes).map(() => 0));
  expect(first!.sockets).toHaveLength(64);
  expect(Object.entries(first!.settings!).slice(0, 3)).toEqual([
    ["EF_A", null],
    ["EF_B", null],
    ["EF_X0", "1"],
  ]);
  expect(Object.keys(first!.settings!)).toHaveLength(64);
  expect(first!.counters).toEqual(many({ id: 1, values: {}, recent: undefined }, 50));
  expect(found.node!.module.acceleratesVeth).toBeUndefined();
  expect(found.node!.module.version!.length).toBeLessThanOrEqual(500);
  expect(found.problem!.length).toBeLessThanOrEqual(500);
  expect(JSON.stringify({ ...found, containers: found.containers.slice(0, 5) })).not.toMatch(/\\u001b|\u202e/i);
});

test("containers without names, or with something else for one, are left out", () => {
  const containers = [{ ...CONTAINER, pod: "" }, { ...CONTAINER, podUid: 1 }, null, [], CONTAINER];
  expect(parseAnswer(JSON.stringify({ containers })).containers).toHaveLength(1);
});
