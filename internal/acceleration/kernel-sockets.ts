/** Which of the kernel's sockets that processes hold are of the network, by the tables of their network namespaces. */
import { join } from "node:path";
import { payTogether, type Allowance } from "./allowance.ts";
import type { ContainerFacts } from "./facts.ts";
import { readShort, type PatientReader } from "./read.ts";
import { findInTable, SOCKET_TABLES, socketsInUse, type SocketKind } from "./sockets.ts";

/**
 * After so many looks it is asked whether there are more or fewer sockets of the network than before, though no descriptor
 * is new: one may have been bound. Tables are read only then, and if they have any: the kernel goes through all of its
 * connections for each, of whatever namespace, which takes a millisecond or more.
 */
const LOOKS_UNTIL_ASKED = 5;
/** After so many looks tables are read anyway: one socket may have been bound and another closed. */
const LOOKS_UNTIL_TABLES = 50;

/** A container that has sockets of the kernel. */
export interface SocketOwner {
  facts: ContainerFacts;
  /** Kind by inode, of the kernel's sockets that are of the network. */
  kernel: Map<string, SocketKind>;
  allowance: Allowance;
}

/** Sockets of the kernel in one network namespace, of whatever family. */
export interface SocketNamespace<O extends SocketOwner = SocketOwner> {
  /** /proc/PID of a process that is in it. */
  folder: string;
  /** The containers that have a socket, by its inode. */
  owners: Map<string, Set<O>>;
}

/** What the tables of a network namespace said of sockets. */
interface KnownSockets {
  /** All that were looked for, and of those that are of the network the kind. */
  kinds: Map<string, SocketKind | undefined>;
  /** Tables of which only the beginning was read. */
  cut: number;
  /** How many sockets were in each of them, in the order of {@link SOCKET_TABLES}. */
  inUse: readonly (number | undefined)[];
  looks: number;
}

/** Remembers what tables said from one look to the next. */
export class KernelSockets {
  readonly #reader: PatientReader;
  readonly #fileBytes: number;
  #known = new Map<string, KnownSockets>();

  /** @param fileBytes how much of a table is read */
  constructor(reader: PatientReader, fileBytes: number) {
    this.#reader = reader;
    this.#fileBytes = fileBytes;
  }

  /**
   * Tells each owner of its sockets, and of tables that were cut. Tables are read once, at the cost of those who have opened
   * sockets, or of all owners if nobody has, in equal parts.
   *
   * @param namespaces by their name. Pods may share one, such as the node's, whose tables are long.
   * @param fresh whether all tables are read, whatever seems to be known
   */
  async classify(namespaces: ReadonlyMap<string, SocketNamespace>, fresh: boolean): Promise<void> {
    const known = new Map<string, KnownSockets>();
    for (const [name, namespace] of namespaces) {
      known.set(name, await this.#classifyOne(namespace, this.#known.get(name), fresh));
    }
    this.#known = known;
  }

  async #classifyOne(
    { folder, owners }: SocketNamespace,
    before: KnownSockets | undefined,
    fresh: boolean,
  ): Promise<KnownSockets> {
    const payers = [...new Set(this.#readers(before, folder, owners, fresh).map(({ allowance }) => allowance))];
    const none = { kinds: new Map(), cut: SOCKET_TABLES.length, inUse: [], looks: LOOKS_UNTIL_TABLES };
    const known = payers.some(({ isSpent }) => !isSpent)
      ? await payTogether(payers, () => this.#readTables(folder, owners))
      : (before ?? none);
    const unknown = new Map<SocketOwner, number>();
    for (const [inode, containers] of owners) {
      const kind = known.kinds.get(inode);
      const cut = known.kinds.has(inode) ? known.cut : SOCKET_TABLES.length;
      for (const found of containers) {
        if (kind === undefined) unknown.set(found, Math.max(cut, unknown.get(found) ?? 0));
        else found.kernel.set(inode, kind);
      }
    }
    for (const [{ facts }, cut] of unknown) facts.cut.tables += cut;
    return known;
  }

  /** For whom the tables are to be read; empty: what is known is good enough. */
  #readers(
    before: KnownSockets | undefined,
    folder: string,
    owners: SocketNamespace["owners"],
    fresh: boolean,
  ): SocketOwner[] {
    const all = (): SocketOwner[] => [...new Set([...owners.values()].flatMap((each) => [...each]))];
    if (before === undefined || fresh) return all();
    before.looks++;
    // Whoever has opened one. Without an allowance, it does not keep others from being seen as they are.
    const opened = [...owners].filter(([inode]) => !before.kinds.has(inode)).flatMap(([, each]) => [...each]);
    if (opened.some(({ allowance }) => !allowance.isSpent)) return opened;
    if (before.looks >= LOOKS_UNTIL_TABLES) return all();
    if (before.looks % LOOKS_UNTIL_ASKED !== 0) return [];
    const isSame = inUse(folder).every((count, table) => count !== undefined && count === before.inUse[table]);
    return isSame ? [] : all();
  }

  async #readTables(folder: string, owners: SocketNamespace["owners"]): Promise<KnownSockets> {
    const kinds = new Map<string, SocketKind | undefined>([...owners.keys()].map((inode) => [inode, undefined]));
    const left = new Set(owners.keys());
    const counts = inUse(folder);
    let cut = 0;
    let looks = 0;
    for (const [i, table] of SOCKET_TABLES.entries()) {
      if (left.size === 0) break;
      if (counts[i] === 0) continue;
      const piece = await this.#reader.read(join(folder, "net", table), this.#fileBytes);
      if (piece === undefined) {
        // There is no such table, or it did not come in time: then the next look asks again.
        if (!this.#reader.isSpent) continue;
        cut++;
        looks = LOOKS_UNTIL_TABLES;
        continue;
      }
      if (piece.cut) cut++;
      findInTable(table, piece.bytes.toString("latin1"), left, (inode, kind) => {
        left.delete(inode);
        kinds.set(inode, kind);
      });
    }
    return { kinds, cut, inUse: counts, looks };
  }
}

/** How many sockets there are in each table of a process's network namespace; undefined: it is not said. */
function inUse(folder: string): (number | undefined)[] {
  const text = `${readShort(join(folder, "net/sockstat")) ?? ""}\n${readShort(join(folder, "net/sockstat6")) ?? ""}`;
  return SOCKET_TABLES.map((table) => socketsInUse(table, text));
}
