/** What `onloadctl stack` shows of a pod's stacks: the commands of onload_stackdump that only look. Pure. */

/** Those that change a stack, lock it or never end are left out (Onload 9.2, src/tools/ip/libstack.c). */
const OF_STACKS: readonly string[] = [
  "lots",
  "dump",
  "netstat",
  "filters",
  "filter_table",
  "stats",
  "describe_stats",
  "more_stats",
  "dstats",
  "ip_stats",
  "tcp_stats",
  "tcp_ext_stats",
  "udp_stats",
  "vi_stats",
  "vi_info",
  "opts",
  "netif",
  "netif_extra",
  "dmaq",
  "timeoutq",
  "packets",
  "qs",
  "time",
  "timers",
  "clusters",
  "hwport_to_base_ifindex",
];

/** The list of stacks, which onload_stackdump gives of the whole node only. */
const LIST = "stacks";

export const VIEWS: readonly string[] = [LIST, ...OF_STACKS];

/**
 * The words of onload_stackdump for a view of some stacks.
 *
 * @param ids their numbers
 */
export function stackdumpCommand(view: string, ids: readonly number[]): string[] {
  return view === LIST ? ["onload_stackdump", LIST] : ["onload_stackdump", ...ids.map(String), view];
}

/** Whether a line of a view is of these stacks: other pods' stacks are none of ours. */
export function isLineOf(view: string, ids: readonly number[], line: string): boolean {
  if (view !== LIST) return true;
  const [, id] = /^\s*(\d+)\b/.exec(line) ?? [];
  return id === undefined || ids.includes(Number(id));
}

/** The words of the capture of some stacks; it writes pcap to standard output. The script onload_tcpdump would need tcpdump. */
export function captureCommand(ids: readonly number[]): string[] {
  return ["onload_tcpdump.bin", ...ids.map(String)];
}
