/**
 * The counters of Onload's stacks that are shown as metrics. Onload has about 300 of each stack, most of which describe how
 * it works; these are those that mean trouble, or tell where to look for it. What one cause raises is added up.
 *
 * Facts are from Onload's sources of July 2026 (Xilinx-CNS/onload, ef17681d; files below src). stats_def.h and more_stats_def.h
 * in include/ci/internal say which counters there are, the files named here when each is raised. 8.1 and 9.0 have all of
 * them but for efct_*.
 */

/** A metric of a stack. */
export interface StackCounter {
  /** After `onload_stack_`, without `_total`. */
  name: string;
  /** A gauge may fall while its stack lives. */
  type: "counter" | "gauge";
  help: string;
  /** The part of orm_json's output that has Onload's own counters, and their names there. */
  section: "stats" | "more_stats";
  of: readonly string[];
}

const count = (name: string, help: string, ...of: string[]): StackCounter => ({
  name,
  type: "counter",
  help,
  section: "stats",
  of,
});

export const STACK_COUNTERS: readonly StackCounter[] = [
  // lib/transport/ip/netif.c: the receive ring is nearly empty, and there is no buffer to fill it with.
  count(
    "memory_pressure",
    "Times a stack has run out of packet buffers for its receive ring.",
    "memory_pressure_enter",
  ),
  // lib/transport/ip/tcp_rx.c and udp_rx.c, in that state; netif_event.c on NICs whose packets are copied.
  count(
    "memory_drops",
    "Received packets dropped because there were no packet buffers.",
    "memory_pressure_drops",
    "efct_rx_no_rx_pkts",
    "efct_rx_no_pkts",
  ),
  // lib/transport/ip/netif.c: the first for EF_MAX_RX_PACKETS, the second for want of buffers.
  count(
    "ring_refill_failures",
    "Times a receive ring could not be filled. The NIC itself drops packets once it is empty.",
    "refill_rx_limited",
    "refill_buf_limited",
  ),
  // lib/efthrm/tcp_helper_resource.c
  count("buffer_allocation_failures", "Failed allocations of packet buffers.", "bufset_alloc_fails"),
  {
    // lib/transport/ip/udp_rx.c counts by socket (n_rx_overflow), include/ci/internal/more_stats.h adds up the open ones.
    name: "udp_overflow_drops",
    type: "gauge",
    help: "Datagrams dropped because a socket's receive queue was full, of the sockets that are open now.",
    section: "more_stats",
    of: ["udp_tot_recv_drops_ul"],
  },
  // lib/transport/ip/tcp_rx.c: the accept queue is full, or there are no more endpoints.
  count("syn_drops", "Connection attempts dropped because the program had not accepted those before.", "syn_drop_busy"),
  // lib/transport/ip/ip_tx.c: a segment's route is not by an accelerated interface; tcp_rx.c: the answer to a SYN's.
  count(
    "no_route",
    "TCP segments not sent, and connection attempts dropped, because there was no accelerated route.",
    "tcp_send_fail_noroute",
    "syn_drop_no_return_route",
  ),
  // lib/transport/ip/udp_connect.c: the socket goes to the kernel. For connect only with EF_UDP_CONNECT_HANDOVER.
  count(
    "no_filter",
    "UDP sockets left to the kernel because no filter could be set in the NIC.",
    "udp_bind_no_filter",
    "udp_connect_no_filter",
  ),
  // lib/transport/ip/netif_table.c: the stack's own table, whose size follows EF_MAX_ENDPOINTS.
  count("filter_table_full", "Sockets for which the stack's table had no room.", "sw_filter_insert_table_full"),
  // lib/transport/unix/tcp_fd.c and udp_fd.c
  count(
    "handovers",
    "Sockets handed over to the kernel.",
    ...["socket", "bind", "listen", "connect", "setsockopt"].map((call) => `tcp_handover_${call}`),
    ...["socket", "bind", "connect", "setsockopt"].map((call) => `udp_handover_${call}`),
  ),
  // lib/transport/unix/tcp_fd.c
  count("kernel_accepts", "Accepted connections that came by way of the kernel.", "tcp_accept_os"),
  // lib/transport/ip/cplane_ops.c and ip_tx.c
  count(
    "neighbour_drops",
    "Packets dropped while the next hop's hardware address was not known.",
    ...["failed", "arp_failed", "timeout", "limited"].map((why) => `tx_defer_pkt_drop_${why}`),
  ),
  // lib/transport/ip/netif_event.c
  count("transmit_errors", "Errors of a NIC's transmit queue.", "tx_error_events"),
  // lib/transport/ip/netif_event.c. No drop for certain: what a NIC cannot check is checked and received all the same.
  count(
    "receive_discards",
    "Received frames that the NIC has marked as bad.",
    ...["csum_bad", "inner_csum_bad", "crc_bad", "trunc", "rights", "ip_options_bad", "len_err", "other"].map(
      (why) => `rx_discard_${why}`,
    ),
  ),
  count("tcp_retransmits", "TCP segments sent again.", "retransmits"),
  count("tcp_timeouts", "Retransmission timeouts of TCP connections.", "tcp_rtos"),
  count("tcp_out_of_order", "TCP segments received out of order.", "rx_out_of_order"),
  // lib/efthrm/tcp_helper_sleep.c; tcp_helper_linux.c and driver/linux_onload/epoll_device.c for select, poll and epoll.
  count(
    "sleeps",
    "Times a thread has gone to sleep until an interrupt, because it does not spin or has done so long enough.",
    "sock_sleeps",
    "muxer_primes",
  ),
  // lib/efthrm/tcp_helper_resource.c: an interrupt's poll has woken a thread.
  count("wakeups", "Interrupts that have woken sleeping threads.", "interrupt_wakes", "timeout_interrupt_wakes"),
  // lib/efthrm/tcp_helper_resource.c: no call of the program has polled the stack for EF_HELPER_PRIME_USEC.
  count(
    "late_events",
    "Events of the network handled late, because no thread of the program has called Onload for a while.",
    "timeout_interrupt_evs",
  ),
  // lib/efthrm/tcp_helper_resource.c
  count("budget_limited", "Interrupts that had more events than they may handle.", "interrupt_budget_limited"),
  // lib/transport/ip/eplock_slow.c
  count(
    "lock_contentions",
    "Times a thread has spun for the lock of its stack, which another held.",
    "stack_lock_buzz",
  ),
];

/** A stack and the values of {@link STACK_COUNTERS} by name. One that this Onload does not have is not there. */
export interface StackValues {
  id: number;
  values: Record<string, number>;
}

/** What one reading of all stacks gives. */
export interface StackReading {
  /** How many stacks the node has. */
  total: number;
  /** Those that were asked for and are still there. */
  stacks: StackValues[];
}

/** Most stacks of a node that are shown: about twenty series each. */
export const MAX_STACKS = 256;
