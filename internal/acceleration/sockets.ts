/** Sockets of processes, by what the links in /proc/PID/fd say and by the kernel's tables of a network namespace. */

/** What a descriptor is, as far as it matters here. */
export type Descriptor =
  /** A stack itself, without a socket. */
  | { type: "stack"; stack: number }
  | { type: "onload"; stack: number; kind: OnloadKind; id: string }
  /** A socket of the kernel, of whatever family. */
  | { type: "kernel"; inode: string };

/**
 * Kinds of Onload's endpoints; pipes are no sockets. `moved` is accelerated in another stack.
 *
 * A socket that Onload hands over to the kernel becomes `socket:[N]`, because Onload puts the kernel's socket into the
 * place of its own in the table of descriptors (driver/linux_onload/ossock_calls.c: efab_tcp_helper_handover). `os_sock`
 * is the kernel's too: a descriptor that still has Onload's file, such as a copy, or one that epoll waits for.
 */
type OnloadKind = "tcp" | "tcp_listen" | "udp" | "os_sock" | "moved" | "pipe";

/** As Onload names them (driver/linux_onload/onloadfs.c, include/onload/common.h: OO_FDFLAG_TYPE_STR). */
const ONLOAD_KINDS: Readonly<Record<string, OnloadKind>> = {
  tcp: "tcp",
  tcpl: "tcp_listen",
  udp: "udp",
  os_sock: "os_sock",
  moved: "moved",
  piper: "pipe",
  pipew: "pipe",
};

const ONLOAD = /^onload:\[([a-z_]{1,16}):(\d{1,10})(?::(-?\d{1,10}))?\]$/;
const KERNEL = /^socket:\[(\d{1,20})\]$/;

/** Parses a link of /proc/PID/fd. A file's link begins with a slash, so no file's name can look like a socket. */
export function parseDescriptor(link: string): Descriptor | undefined {
  if (link.startsWith("socket:")) {
    const kernel = KERNEL.exec(link);
    return kernel ? { type: "kernel", inode: kernel[1]! } : undefined;
  }
  if (!link.startsWith("onload:")) return undefined;
  const match = ONLOAD.exec(link);
  if (!match) return undefined;
  const stack = Number(match[2]);
  if (match[1] === "stack") return { type: "stack", stack };
  const kind = Object.hasOwn(ONLOAD_KINDS, match[1]!) ? ONLOAD_KINDS[match[1]!] : undefined;
  if (kind === undefined || match[3] === undefined) return undefined;
  // Processes that share a socket have the same one.
  return { type: "onload", stack, kind, id: `${stack}:${match[3]}` };
}

/**
 * Kinds of sockets that are counted. Those of the kernel with an address of the loopback are a kind of their own: Onload
 * leaves them to the kernel unless it is told otherwise, and they say nothing about the network.
 */
export type SocketKind = "tcp" | "tcp_listen" | "udp" | "os_sock" | "moved" | "loopback";

export const SOCKET_TABLES = ["tcp", "tcp6", "udp", "udp6"] as const;
export type SocketTable = (typeof SOCKET_TABLES)[number];

/** Lines of /proc/PID/net/sockstat and sockstat6 that tell how many sockets of a network namespace are in a table. */
const IN_USE: Readonly<Record<SocketTable, RegExp>> = {
  tcp: /^TCP: inuse (\d+)/m,
  tcp6: /^TCP6: inuse (\d+)/m,
  udp: /^UDP: inuse (\d+)/m,
  udp6: /^UDP6: inuse (\d+)/m,
};

/**
 * How many sockets are in a table, which the kernel knows without going through its connections.
 *
 * @param text /proc/PID/net/sockstat and sockstat6
 * @returns undefined if it does not say
 */
export function socketsInUse(table: SocketTable, text: string): number | undefined {
  const count = IN_USE[table].exec(text)?.[1];
  return count === undefined ? undefined : Number(count);
}

const LISTEN = "0A";

/**
 * Finds sockets in a table of /proc/PID/net.
 *
 * @param wanted inodes of those that are looked for
 * @param found is told each of them
 */
export function findInTable(
  table: SocketTable,
  text: string,
  wanted: ReadonlySet<string>,
  found: (inode: string, kind: SocketKind) => void,
): void {
  for (const line of text.split("\n")) {
    const [, local = "", , state, , , , , , inode = ""] = line.trimStart().split(/ +/, 10);
    if (!wanted.has(inode)) continue;
    if (isLoopback(local)) found(inode, "loopback");
    else if (table.startsWith("udp")) found(inode, "udp");
    else found(inode, state === LISTEN ? "tcp_listen" : "tcp");
  }
}

/** Whether "ADDRESS:PORT", in the words of the machine (little-endian), is 127.0.0.0/8 or ::1. */
function isLoopback(local: string): boolean {
  const address = local.slice(0, local.indexOf(":"));
  if (address.length === 8) return address.endsWith("7F");
  return (
    address === "00000000000000000000000001000000" ||
    (address.startsWith("0000000000000000FFFF0000") && address.endsWith("7F"))
  );
}
