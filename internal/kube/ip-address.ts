import { isIP, isIPv4 } from "node:net";
import { URL } from "node:url";

/** The 16 bytes of an IP address; an IPv4 address is mapped to IPv6. undefined for anything else, also with a zone. */
export function parseIp(text: string): Uint8Array | undefined {
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  const mapped = isIPv4(text) ? `::ffff:${text}` : text;
  // The URL's parser writes every address in the same form: hexadecimal groups, and at most one "::".
  const [head = "", tail] = new URL(`http://[${mapped}]`).hostname.slice(1, -1).split("::");
  const left = groups(head);
  const right = groups(tail ?? "");
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

function groups(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

/** Whether 16 bytes are an IPv4 address. */
export function isMapped(ip: Uint8Array): boolean {
  return ip.slice(0, 10).every((byte) => byte === 0) && ip[10] === 0xff && ip[11] === 0xff;
}

/** Whether an address is one of the machine itself: 127.0.0.0/8 or ::1. */
export function isLoopback(ip: Uint8Array): boolean {
  if (isMapped(ip)) return ip[12] === 127;
  return ip.slice(0, 15).every((byte) => byte === 0) && ip[15] === 1;
}

/** A range of addresses, such as 10.0.0.0/8. */
export interface Range {
  ip: Uint8Array;
  /** How many of its 128 bits count. */
  bits: number;
}

/** A range in CIDR notation; undefined for anything else. */
export function parseRange(text: string): Range | undefined {
  const [, address = "", length = ""] = /^([^/]*)\/(\d+)$/.exec(text) ?? [];
  const ip = parseIp(address);
  const offset = isIPv4(address) ? 96 : 0;
  if (!ip || Number(length) > 128 - offset) return undefined;
  return { ip, bits: Number(length) + offset };
}

/** Whether an address is in a range. A range of IPv6 has no IPv4 addresses in it. */
export function isInRange(ip: Uint8Array, range: Range): boolean {
  if (isMapped(ip) !== isMapped(range.ip)) return false;
  for (let bit = 0; bit < range.bits; bit += 8) {
    const mask = (0xff00 >> Math.min(8, range.bits - bit)) & 0xff;
    if ((ip[bit / 8]! & mask) !== (range.ip[bit / 8]! & mask)) return false;
  }
  return true;
}

/** Whether two addresses are the same. */
export function isSameIp(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, index) => byte === b[index]);
}
