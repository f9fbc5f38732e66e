/** The descriptors of a process, read with as few system calls as tell them. */
import { descriptorTableSize } from "./process.ts";
import { readLink, readNames, readShort, sizeOf } from "./read.ts";
import { parseDescriptor, type Descriptor } from "./sockets.ts";

/** What was read of a process's descriptors. */
export interface Descriptors {
  /** Those that matter here. */
  list: readonly Descriptor[];
  /** Name of the network namespace that the kernel's sockets among them were seen in; undefined if there are none. */
  namespace: string | undefined;
  /** How many the process has, of whatever kind, or those that were read if there are more. */
  count: number;
  /** Whether only the first were read. */
  cut: boolean;
}

/** Numbers are given from the lowest on, so that few are missing between. So many misses cost less than a list of them. */
const MISSES = 8;

/**
 * Reads the descriptors of a process.
 *
 * @param folder /proc/PID
 * @param limit how many are read at most
 * @param before what was read of it before: returned as it is if there are as many now. Give it only for a process that has
 * hardly run since.
 */
export function readDescriptors(folder: string, limit: number, before?: Descriptors): Descriptors {
  const fd = `${folder}/fd`;
  // Linux 6.2 and later say how many there are. Before that it is 0.
  const said = sizeOf(fd) ?? 0;
  if (before !== undefined && before.count === said) return before;
  const dense = said > 0 && said <= limit ? readDense(fd, said) : undefined;
  if (dense !== undefined) return found(folder, dense, said, false);
  const size = descriptorTableSize(readShort(`${folder}/status`) ?? "") ?? 0;
  // To list a table of a million would take seconds.
  const cut = size > Math.max(limit, 64);
  const numbers = cut ? Array.from({ length: limit }, (_, number) => String(number)) : (readNames(fd) ?? []);
  if (!cut && before !== undefined && before.count === numbers.length) return before;
  const links = numbers.map((number) => readLink(`${fd}/${number}`)).filter((link) => link !== undefined);
  return found(folder, links, numbers.length, cut);
}

/** Reads the links of so many descriptors from number 0 on; undefined if too many numbers are free. */
function readDense(fd: string, count: number): string[] | undefined {
  const links: string[] = [];
  for (let number = 0; links.length < count; number++) {
    const link = readLink(`${fd}/${number}`);
    if (link !== undefined) links.push(link);
    else if (number - links.length >= MISSES) return undefined;
  }
  return links;
}

function found(folder: string, links: readonly string[], count: number, cut: boolean): Descriptors {
  const list = links.map(parseDescriptor).filter((descriptor) => descriptor !== undefined);
  const ofKernel = list.some(({ type }) => type === "kernel");
  return { list, namespace: ofKernel ? (readLink(`${folder}/ns/net`) ?? "") : undefined, count, cut };
}
