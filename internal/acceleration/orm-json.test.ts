import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseOrmJson } from "./orm-json.ts";
import { STACK_COUNTERS } from "./stack-counters.ts";

/** As orm_json_lib.c prints it: nothing between its parts, numbers of 64 bits in quotation marks. */
const TWO_STACKS =
  '{"onload_version":"9.0.2","json":[' +
  '{"0":{"stats":{"k_polls":12,"memory_pressure_enter":0,"memory_pressure_drops":4294967295,"sock_sleeps":7,"muxer_primes":2,' +
  '"udp_bind_no_filter":1,"udp_connect_no_filter":2,"tcp_handover_connect":5,"table_max_hops":1,"pio_pkts":99},' +
  '"more_stats":{"TCP_CLOSED":0,"TCP_ESTABLISHED":3,"udp_tot_recv_drops_ul":41}}},' +
  '{"12":{"stats":{"interrupt_wakes":"18446744073709551615","retransmits":"8"},"more_stats":{}}}]}';

const all = new Set([0, 7, 12]);

describe("what orm_json prints", () => {
  test("of two stacks: each counter that is shown, and sums of those of one kind", () => {
    expect(parseOrmJson(TWO_STACKS, all)).toEqual({
      total: 2,
      stacks: [
        {
          id: 0,
          values: {
            memory_pressure: 0,
            memory_drops: 4294967295,
            sleeps: 9,
            no_filter: 3,
            handovers: 5,
            udp_overflow_drops: 41,
          },
        },
        { id: 12, values: { wakeups: 18446744073709552000, tcp_retransmits: 8 } },
      ],
    });
  });

  test("of stacks that nobody asks for: how many there are", () => {
    expect(parseOrmJson(TWO_STACKS, new Set([12]))).toMatchObject({ total: 2, stacks: [{ id: 12 }] });
    expect(parseOrmJson(TWO_STACKS, new Set())).toEqual({ total: 2, stacks: [] });
  });

  test("without a stack", () => {
    expect(parseOrmJson('{"onload_version":"8.1.3","json":[]}', all)).toEqual({ total: 0, stacks: [] });
  });
});

describe("what it does not print", () => {
  test.each([
    ["", "it is empty"],
    ["Invalid option specified", "it is other text"],
    [TWO_STACKS.slice(0, -20), "it is broken or cut off"],
    ["[]", "it has no list of stacks"],
    ["null", "it has no list of stacks"],
    ['{"onload_version":"9.0.2","stacks":[]}', "it has no list of stacks"],
    ["[".repeat(30_000), "it is nested more than"],
  ])("%p is said to be none of it", (text, reason) => {
    expect(() => parseOrmJson(text, all)).toThrow(reason);
  });

  test.each(["-1", "0.5", "1e400", "null", "true", "{}", "[1]", '"-1"', '"1e3"', '""', '" 1"', `"${"9".repeat(21)}"`])(
    "a value that counts nothing is left out: %s",
    (value) => {
      const text = `{"json":[{"7":{"stats":{"retransmits":${value},"tcp_rtos":1}}}]}`;
      expect(parseOrmJson(text, all).stacks).toEqual([{ id: 7, values: { tcp_timeouts: 1 } }]);
    },
  );

  test.each(["-7", "07x", "trader", "__proto__", "constructor", "99999999999", ""])(
    "a stack of another name is left out: %p",
    (name) => {
      const text = `{"json":[{${JSON.stringify(name)}:{"stats":{"retransmits":1}}},1,null,[],{"7":3}]}`;
      expect(parseOrmJson(text, all)).toEqual({ total: 0, stacks: [] });
    },
  );

  test("a stack that comes twice counts as it came first", () => {
    const text = '{"json":[{"7":{"stats":{"retransmits":1}}},{"7":{"stats":{"retransmits":2}}}]}';
    expect(parseOrmJson(text, all).stacks).toEqual([{ id: 7, values: { tcp_retransmits: 1 } }]);
  });

  test("names of objects' own parts are no counters", () => {
    const text = '{"json":[{"7":{"__proto__":{"stats":{"retransmits":1}},"stats":{"__proto__":{"retransmits":1}}}}]}';
    expect(parseOrmJson(text, all).stacks).toEqual([{ id: 7, values: {} }]);
  });

  test("whatever it is, it ends in an error of ours or in numbers", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          for (const { values } of parseOrmJson(`{"json":[{"7":${text}}]}`, all).stacks) {
            for (const value of Object.values(values)) expect(value).toBeGreaterThanOrEqual(0);
          }
        } catch (error) {
          expect((error as Error).message).toStartWith("it ");
        }
      }),
    );
  });
});

test("the counters that are shown have names and texts of their own, and are few", () => {
  const names = STACK_COUNTERS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(new Set(STACK_COUNTERS.map(({ help }) => help)).size).toBe(names.length);
  expect(names.length).toBeLessThanOrEqual(25);
  for (const { name, help } of STACK_COUNTERS) {
    expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(help).toMatch(/^[A-Z].*\.$/);
  }
  const own = STACK_COUNTERS.flatMap(({ of }) => of);
  expect(new Set(own).size).toBe(own.length);
});
