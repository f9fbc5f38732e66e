/** The links that Onload's own counters tell of: filters in the NIC, and what goes wrong in a stack. Pure. */
import type { ContainerAnswer, StackAnswer } from "./answer.ts";
import { socketsText } from "./judge-network.ts";
import { linkOf, type Link } from "./links.ts";

/** A thread that polls for ten milliseconds before it sleeps is woken a hundred times a second at most. */
const WAKEUPS_PER_SECOND = 100;

/** How counters are called here, and what to do if they are not 0. */
interface CounterProblem {
  counters: readonly string[];
  what: string;
  todo: string;
}

const FILTERS: readonly CounterProblem[] = [
  {
    counters: ["no_filter"],
    what: "UDP sockets left to the kernel because the NIC had no filter left",
    todo: "All pods of the node share the NIC's filters: see `onloadctl stack POD filters`; then let the program open its sockets again",
  },
  {
    counters: ["filter_table_full"],
    what: "Sockets without room in the stack's own table",
    todo: "Raise EF_MAX_ENDPOINTS",
  },
];

const PROBLEMS: readonly CounterProblem[] = [
  {
    counters: ["memory_pressure", "memory_drops", "buffer_allocation_failures"],
    what: "Times without packet buffers, or packets dropped because there were none",
    todo: "Raise EF_MAX_PACKETS and EF_MAX_RX_PACKETS, and give the pod huge pages; see `onloadctl stack POD lots`",
  },
  {
    counters: ["udp_overflow_drops", "syn_drops"],
    what: "Datagrams or connections dropped because the program did not take them in time",
    todo: "Give the program its own processors, or raise SO_RCVBUF and the backlog",
  },
  {
    counters: ["no_route"],
    what: "TCP segments or connections without an accelerated route",
    todo: "See the peers with `onloadctl stack POD netstat`, and the routes in the pod",
  },
  {
    counters: ["neighbour_drops"],
    what: "Packets dropped while the next hop's hardware address was not known",
    todo: "See whether the next hop answers ARP",
  },
];

/** Whether the sockets have found a filter by which the NIC gives them their packets. */
export function filtersLink(container: ContainerAnswer, problem: string | undefined): Link {
  const link = linkOf("filters");
  const { counters, stacks } = container;
  if (stacks === 0) return link("unknown", "No stack, so no filter");
  const unread = unreadOf(container, problem);
  if (unread !== undefined) {
    // A socket that gets no filter is the kernel's from then on, and looks like any other of the kernel.
    const kernel = socketsText(container, false);
    if (kernel === "" && !container.cut) return link("ok", "No socket beyond the loopback is the kernel's");
    const [why, todo] = unread;
    const seen =
      kernel === ""
        ? "Not everything was looked at"
        : `Sockets are the kernel's (${kernel}), for a filter or for another reason`;
    return link("unknown", `${seen}; ${why}`, todo);
  }
  return judged(link, FILTERS, counters!, "Every socket has found one");
}

/** What goes wrong in the stacks; undefined if their counters are not read. */
export function countersLink(container: ContainerAnswer, problem: string | undefined): Link | undefined {
  const { counters, stacks } = container;
  if (counters === undefined) return undefined;
  const link = linkOf("counters");
  if (stacks === 0) return link("unknown", "No stack, so no counters");
  const unread = unreadOf(container, problem);
  if (unread !== undefined) return link("unknown", ...unread);
  const found = judged(link, PROBLEMS, counters, "No drops, enough buffers, a route to every peer");
  const woken = counters.map(({ recent }) => (recent?.grown["wakeups"] ?? 0) / (recent?.seconds ?? 1));
  const most = Math.max(0, ...woken);
  if (most <= WAKEUPS_PER_SECOND) return found;
  const seen = `Threads are woken ${Math.round(most)} times a second, so they do not spin`;
  const todo = "Set EF_POLL_USEC if the program is to spin, as the latency profile does";
  return link(
    "warning",
    [...(found.verdict === "ok" ? [] : [found.seen]), seen].join("; "),
    [found.todo, todo].filter((text) => text !== "").join("; "),
  );
}

/** What to say if there are no counters to judge by. */
function unreadOf(
  { counters }: ContainerAnswer,
  problem: string | undefined,
): [seen: string, todo: string] | undefined {
  if (counters === undefined) {
    return ["its counters are not read", "Set spec.devicePlugin.stackMetrics, or see `onloadctl stack POD filters`"];
  }
  if (counters.length > 0) return undefined;
  if (problem !== undefined)
    return [`its counters cannot be read: ${problem}`, "See the log of the container device-plugin"];
  return ["its counters have not been read yet", "Ask again in 30 s"];
}

function judged(
  link: ReturnType<typeof linkOf>,
  problems: readonly CounterProblem[],
  stacks: readonly StackAnswer[],
  well: string,
): Link {
  const found = problems.flatMap(({ counters, what, todo }) => {
    const sum = (of: (stack: StackAnswer) => Readonly<Record<string, number>>): number =>
      stacks.reduce((total, stack) => total + counters.reduce((all, name) => all + (of(stack)[name] ?? 0), 0), 0);
    const total = sum(({ values }) => values);
    if (total === 0) return [];
    const seconds = Math.round(Math.max(0, ...stacks.map(({ recent }) => recent?.seconds ?? 0)));
    const lately =
      seconds === 0 ? "" : `, ${sum(({ recent }) => recent?.grown ?? {})} of them in the last ${seconds} s`;
    return [{ seen: `${what}: ${total}${lately}`, todo }];
  });
  if (found.length === 0) return link("ok", well);
  const joined = (of: "seen" | "todo"): string => found.map((each) => each[of]).join("; ");
  return link("warning", joined("seen"), joined("todo"));
}
