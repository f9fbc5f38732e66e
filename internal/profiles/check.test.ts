import { describe, expect, test } from "bun:test";
import { checkSettings, OPTIONS } from "./check.ts";

function problems(settings: Record<string, string>): string[] {
  return checkSettings(settings).map(({ name, message }) => `${name}: ${message}`);
}

describe("settings without a problem", () => {
  const cases: Record<string, Record<string, string>> = {
    none: {},
    "the latency profile": { EF_POLL_USEC: "100000", EF_TCP_FASTSTART_INIT: "0", EF_TCP_FASTSTART_IDLE: "0" },
    "variables of others": { PATH: "/bin", TEF_X: "1", ef_poll_usec: "x" },
    "words in any case": { EF_CTPIO_MODE: "SF-NP", EF_RX_DATAPATH: "express" },
    "hexadecimal numbers": { EF_UNIX_LOG: "0xc000001f", EF_TCP_SYN_OPTS: "f" },
    "spinning for ever": { EF_SPIN_USEC: "-1" },
    lists: { EF_TCP_FORCE_REUSEPORT: "80,443", EF_SIGNALS_NOPOSTPONE: "" },
    "spinning with an epoll of the kernel, and interrupts": {
      EF_UL_EPOLL: "0",
      EF_POLL_USEC: "20",
      EF_INT_DRIVEN: "1",
    },
    "spinning in one kind of call": { EF_SPIN_USEC: "50", EF_TCP_RECV_SPIN: "1" },
    "a cluster": { EF_CLUSTER_SIZE: "4", EF_CLUSTER_NAME: "webs", EF_CLUSTER_RESTART: "1" },
    "many connections": { EF_MAX_ENDPOINTS: "1000000", EF_TCP_SYNRECV_MAX: "1000000" },
    "names of other programs of Onload": { EF_VI_TXQ_SIZE: "512", EF_NAME: "feed", EF_LOG_FILE: "/tmp/log" },
  };
  for (const [name, settings] of Object.entries(cases)) test(name, () => expect(problems(settings)).toEqual([]));
});

describe("one variable alone", () => {
  const cases: Record<string, [Record<string, string>, string]> = {
    "a typing error": [{ EF_POL_USEC: "1" }, "EF_POL_USEC: Onload does not know it: did you mean EF_POLL_USEC?"],
    "no such name": [{ EF_MAKE_IT_FAST: "1" }, "EF_MAKE_IT_FAST: Onload does not know it"],
    "a name of JavaScript": [{ EF_constructor: "1" }, "EF_constructor: Onload does not know it"],
    "a number with its unit": [
      { EF_POLL_USEC: "100ms" },
      'EF_POLL_USEC: it cannot be "100ms": give a whole number from -1 to 4294967295',
    ],
    "a word for a number": [{ EF_TX_PUSH: "yes" }, 'EF_TX_PUSH: it cannot be "yes": give a whole number from 0 to 1'],
    "an empty number": [{ EF_TX_PUSH: "" }, 'EF_TX_PUSH: it cannot be "": give a whole number from 0 to 1'],
    "beyond the range": [{ EF_UL_EPOLL: "4" }, 'EF_UL_EPOLL: it cannot be "4": give a whole number from 0 to 3'],
    "no hexadecimal number": [
      { EF_UNIX_LOG: "errors" },
      'EF_UNIX_LOG: it cannot be "errors": give a hexadecimal number from 0 to ffffffff',
    ],
    "an unknown word": [{ EF_CTPIO_MODE: "2" }, 'EF_CTPIO_MODE: it cannot be "2": use one of sf, sf-np, ct'],
    "names of signals": [
      { EF_SIGNALS_NOPOSTPONE: "SIGBUS" },
      'EF_SIGNALS_NOPOSTPONE: it cannot be "SIGBUS": give whole numbers from 1 to 64 with commas between them',
    ],
    "a long name": [
      { EF_NAME: "a".repeat(27) },
      `EF_NAME: it cannot be "${"a".repeat(27)}": give at most 26 characters`,
    ],
    deprecated: [
      { EF_CLUSTER_IGNORE: "1" },
      "EF_CLUSTER_IGNORE: it is deprecated: use EF_CLUSTER_SIZE, 0 for no clusters",
    ],
    "read nowhere": [{ EF_POISON_RX_BUF: "1" }, "EF_POISON_RX_BUF: Onload lists it, and reads it nowhere: take it out"],
  };
  for (const [name, [settings, problem]] of Object.entries(cases)) {
    test(name, () => expect(problems(settings)).toEqual([problem]));
  }
});

describe("settings that contradict each other", () => {
  const cases: Record<string, [Record<string, string>, string]> = {
    "nothing is read": [{ EF_LOAD_ENV: "0", EF_UDP: "0" }, "EF_LOAD_ENV: with 0"],
    "nothing is accelerated": [{ EF_TCP: "0", EF_UDP: "0" }, "EF_TCP: with EF_TCP=0 and EF_UDP=0 no socket"],
    "an epoll of the kernel without interrupts": [
      { EF_UL_EPOLL: "0", EF_POLL_USEC: "20" },
      "EF_UL_EPOLL: 0 needs interrupts",
    ],
    "the same, by name": [{ EF_UL_EPOLL: "0", EF_INT_DRIVEN: "0" }, "EF_UL_EPOLL: 0 needs interrupts"],
    "a cluster's name without a cluster": [{ EF_CLUSTER_NAME: "webs" }, "EF_CLUSTER_NAME: there are no clusters"],
    "a cluster's name that is cut": [
      { EF_CLUSTER_SIZE: "10", EF_CLUSTER_NAME: "proxy", EF_SCALABLE_FILTERS: "any=rss:active" },
      "EF_CLUSTER_NAME: with EF_SCALABLE_FILTERS only 5",
    ],
    "a name in a cluster": [
      { EF_NAME: "feed", EF_SCALABLE_FILTERS: "any=rss:active:passive" },
      "EF_NAME: stacks of a cluster with scalable filters",
    ],
    "huge pages that are shared": [{ EF_USE_HUGE_PAGES: "2", EF_SHARE_WITH: "-1" }, "EF_USE_HUGE_PAGES: EF_SHARE_WITH"],
    "more packets than there are": [
      { EF_MAX_RX_PACKETS: "40000" },
      "EF_MAX_RX_PACKETS: it is more than EF_MAX_PACKETS",
    ],
    "a loopback of one side": [
      { EF_TCP_CLIENT_LOOPBACK: "1" },
      "EF_TCP_CLIENT_LOOPBACK: 1 needs EF_TCP_SERVER_LOOPBACK",
    ],
    "more half-open connections than endpoints": [{ EF_TCP_SYNRECV_MAX: "20000" }, "EF_TCP_SYNRECV_MAX: about 4"],
    "a threshold for what is off": [{ EF_PIO: "0", EF_PIO_THRESHOLD: "9" }, "EF_PIO_THRESHOLD: EF_PIO=0 makes it 0"],
    another: [{ EF_TX_PUSH: "0", EF_TX_PUSH_THRESHOLD: "9" }, "EF_TX_PUSH_THRESHOLD: it is not read"],
    "no fallback from nothing": [
      { EF_TCP_SHARED_LOCAL_PORTS_NO_FALLBACK: "1" },
      "EF_TCP_SHARED_LOCAL_PORTS_NO_FALLBACK: it counts as 0",
    ],
    "a log to two places": [{ EF_LOG_FILE: "/tmp/x", EF_LOG_VIA_IOCTL: "0" }, "EF_LOG_FILE: it is not read"],
    "sleeping between spins of another epoll": [
      { EF_POLL_USEC: "100", EF_SLEEP_SPIN_USEC: "50" },
      "EF_SLEEP_SPIN_USEC: it works with EF_UL_EPOLL=3 only",
    ],
    "spinning without a time": [{ EF_UDP_RECV_SPIN: "1" }, "EF_UDP_RECV_SPIN: nothing spins without a time"],
  };
  for (const [name, [settings, problem]] of Object.entries(cases)) {
    test(name, () => {
      const found = problems(settings);
      expect(found).toHaveLength(1);
      expect(found[0]).toStartWith(problem);
    });
  }

  test("the old name for loopback of multicast counts only without the new one", () => {
    expect(problems({ EF_MULTICAST_LOOP_OFF: "0", EF_MCAST_SEND: "1" })).toContain(
      "EF_MULTICAST_LOOP_OFF: EF_MCAST_SEND counts, and this does not: take it out",
    );
  });

  test("every variable that a rule names is one that Onload reads", async () => {
    const text = await Bun.file(`${import.meta.dir}/contradictions.ts`).text();
    const named = new Set(text.match(/EF_[A-Z0-9_]+/g));
    expect(named.size).toBeGreaterThan(30);
    for (const name of named) expect([name, OPTIONS.has(name)]).toEqual([name, true]);
  });
});
