import type { SettingProblem, Settings } from "./settings.ts";

/** Onload's own number for EF_MAX_PACKETS and EF_MAX_ENDPOINTS. */
const DEFAULT_MAX_PACKETS = 32_768;
const DEFAULT_MAX_ENDPOINTS = 8192;

/** Variables that make one kind of call spin. */
const SPIN = [
  "EF_SELECT_SPIN",
  "EF_POLL_SPIN",
  "EF_EPOLL_SPIN",
  "EF_UDP_RECV_SPIN",
  "EF_UDP_SEND_SPIN",
  "EF_TCP_RECV_SPIN",
  "EF_TCP_SEND_SPIN",
  "EF_TCP_ACCEPT_SPIN",
  "EF_TCP_CONNECT_SPIN",
  "EF_PKT_WAIT_SPIN",
  "EF_PIPE_RECV_SPIN",
  "EF_PIPE_SEND_SPIN",
];

/** The numbers of some settings, as Onload reads them. */
class Numbers {
  readonly #settings: Settings;
  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Whether a variable is there, whatever it is. */
  has(name: string): boolean {
    return Object.hasOwn(this.#settings, name);
  }

  text(name: string): string {
    return this.has(name) ? this.#settings[name]! : "";
  }

  /** The number of a variable; `missing` if it is not there. */
  of(name: string, missing: number): number {
    return this.has(name) ? Number.parseInt(this.#settings[name]!, 10) || 0 : missing;
  }
}

/** One rule: the settings that it names contradict each other if `broken` says so. */
interface Rule {
  name: string;
  broken(numbers: Numbers): boolean;
  message: string;
}

/** Each is a fact of Onload's source: netif_init.c, startup.c, and the texts of the two lists of options. */
const RULES: readonly Rule[] = [
  {
    name: "EF_LOAD_ENV",
    broken: (n) => n.has("EF_LOAD_ENV") && n.of("EF_LOAD_ENV", 1) === 0,
    message: "with 0, the library reads no other EF_ variable: take it out",
  },
  {
    name: "EF_TCP",
    broken: (n) => n.of("EF_TCP", 1) === 0 && n.of("EF_UDP", 1) === 0,
    message: "with EF_TCP=0 and EF_UDP=0 no socket is accelerated: set one of them to 1",
  },
  {
    name: "EF_UL_EPOLL",
    broken: (n) => n.of("EF_UL_EPOLL", 1) === 0 && n.of("EF_INT_DRIVEN", polls(n) ? 0 : 1) === 0,
    message:
      "0 needs interrupts, which EF_INT_DRIVEN=0, EF_POLL_USEC and EF_SPIN_USEC turn off: set EF_INT_DRIVEN=1 too",
  },
  {
    name: "EF_MULTICAST_LOOP_OFF",
    broken: (n) => n.has("EF_MULTICAST_LOOP_OFF") && n.has("EF_MCAST_SEND"),
    message: "EF_MCAST_SEND counts, and this does not: take it out",
  },
  {
    name: "EF_CLUSTER_SIZE",
    broken: (n) => n.has("EF_CLUSTER_IGNORE") && n.of("EF_CLUSTER_SIZE", 0) > 0 && n.of("EF_CLUSTER_IGNORE", 0) !== 0,
    message: "EF_CLUSTER_IGNORE turns clusters off, whatever the size is: take one of them out",
  },
  ...["EF_CLUSTER_NAME", "EF_CLUSTER_RESTART", "EF_CLUSTER_HOT_RESTART"].map((name) => ({
    name,
    broken: (n: Numbers) =>
      n.has(name) &&
      !["", "0"].includes(n.text(name)) &&
      n.of("EF_CLUSTER_SIZE", 0) === 0 &&
      !n.has("EF_CLUSTER_IGNORE"),
    message: "there are no clusters without EF_CLUSTER_SIZE: set that too",
  })),
  {
    name: "EF_CLUSTER_NAME",
    broken: (n) =>
      n.has("EF_SCALABLE_FILTERS") && n.text("EF_CLUSTER_NAME").length > (n.of("EF_CLUSTER_SIZE", 0) > 9 ? 4 : 5),
    message: "with EF_SCALABLE_FILTERS only 5 characters of it count, and 4 if EF_CLUSTER_SIZE is above 9: shorten it",
  },
  {
    name: "EF_NAME",
    broken: (n) =>
      n.text("EF_NAME") !== "" &&
      n.of("EF_SCALABLE_FILTERS_ENABLE", 1) === 1 &&
      /(^|[=:,])rss([:,]|$)/.test(n.text("EF_SCALABLE_FILTERS")),
    message: "stacks of a cluster with scalable filters (rss) have no names of their own: take it out",
  },
  {
    name: "EF_USE_HUGE_PAGES",
    broken: (n) => n.of("EF_USE_HUGE_PAGES", 0) !== 0 && n.of("EF_SHARE_WITH", 0) !== 0,
    message: "EF_SHARE_WITH turns huge pages off: set one of them to 0",
  },
  ...["EF_MAX_RX_PACKETS", "EF_MAX_TX_PACKETS"].map((name) => ({
    name,
    broken: (n: Numbers) => n.of(name, 0) > n.of("EF_MAX_PACKETS", DEFAULT_MAX_PACKETS),
    message: `it is more than EF_MAX_PACKETS (${DEFAULT_MAX_PACKETS} if that is not set), which then counts: lower it`,
  })),
  {
    name: "EF_TCP_CLIENT_LOOPBACK",
    broken: (n) => n.of("EF_TCP_CLIENT_LOOPBACK", 0) === 1 && n.of("EF_TCP_SERVER_LOOPBACK", 0) === 0,
    message: "1 needs EF_TCP_SERVER_LOOPBACK, and counts as 0 without it: set that too",
  },
  {
    name: "EF_TCP_SYNRECV_MAX",
    broken: (n) =>
      n.has("EF_TCP_SYNRECV_MAX") &&
      n.of("EF_TCP_SYNRECV_MAX", 0) * 4 > n.of("EF_MAX_ENDPOINTS", DEFAULT_MAX_ENDPOINTS) * 7,
    message: "about 4 of them need one of EF_MAX_ENDPOINTS (8192 if that is not set): raise that, or lower this",
  },
  {
    name: "EF_PIO_THRESHOLD",
    broken: (n) => n.has("EF_PIO_THRESHOLD") && n.of("EF_PIO", 1) === 0,
    message: "EF_PIO=0 makes it 0: take one of them out",
  },
  {
    name: "EF_TX_PUSH_THRESHOLD",
    broken: (n) => n.has("EF_TX_PUSH_THRESHOLD") && n.of("EF_TX_PUSH", 1) === 0,
    message: "it is not read with EF_TX_PUSH=0: take one of them out",
  },
  {
    name: "EF_TCP_SHARED_LOCAL_PORTS_NO_FALLBACK",
    broken: (n) => n.of("EF_TCP_SHARED_LOCAL_PORTS_NO_FALLBACK", 0) !== 0 && n.of("EF_TCP_SHARED_LOCAL_PORTS", 0) === 0,
    message: "it counts as 0 without EF_TCP_SHARED_LOCAL_PORTS: set that too",
  },
  {
    name: "EF_LOG_FILE",
    broken: (n) => n.has("EF_LOG_FILE") && n.has("EF_LOG_VIA_IOCTL"),
    message: "it is not read if EF_LOG_VIA_IOCTL is set: take that out",
  },
  {
    name: "EF_SLEEP_SPIN_USEC",
    broken: (n) => n.of("EF_SLEEP_SPIN_USEC", 0) !== 0 && n.of("EF_UL_EPOLL", 1) !== 3,
    message: "it works with EF_UL_EPOLL=3 only: set that too",
  },
  ...SPIN.map((name) => ({
    name,
    broken: (n: Numbers) => n.of(name, 0) !== 0 && !spins(n),
    message: "nothing spins without a time: set EF_SPIN_USEC or EF_POLL_USEC too",
  })),
];

/** Whether a time to spin turns interrupts off. */
function polls(numbers: Numbers): boolean {
  return numbers.of("EF_SPIN_USEC", 0) !== 0 || numbers.of("EF_POLL_USEC", 0) !== 0;
}

/** Whether there is a time to spin. EF_SPIN_USEC counts if both are set. */
function spins(numbers: Numbers): boolean {
  return numbers.of("EF_SPIN_USEC", numbers.of("EF_POLL_USEC", 0)) !== 0;
}

/** Settings that exclude each other, or need one that is not there. */
export function contradictions(settings: Settings): SettingProblem[] {
  const numbers = new Numbers(settings);
  return RULES.filter((rule) => rule.broken(numbers)).map(({ name, message }) => ({ name, message }));
}
