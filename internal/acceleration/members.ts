/** Which processes of the node are in which container. */
import type { Allowance } from "./allowance.ts";
import { membership, type Membership } from "./cgroup.ts";
import type { Descriptors } from "./descriptors.ts";
import { containerKey } from "./facts.ts";
import type { Interfaces } from "./interfaces.ts";
import { kubeletContainer } from "./mounts.ts";
import { parseStat, type Library, type ProcessStat } from "./process.ts";
import { readNames, readShort, type PatientReader } from "./read.ts";
import type { ProcessSettings } from "./settings.ts";
import type { Turn } from "./turn.ts";

/** How long all containers of a look may keep it waiting for files, each equally, and one of them, in milliseconds. */
const PATIENCE_MS = { all: 20_000, one: 5000 };

/** What is kept of a process as long as it runs the same program. */
export interface KnownProgram {
  /** /proc/PID/stat as it was last, and what it says: it stays as it is while the process rests. */
  statText: string;
  stat: ProcessStat;
  library: Library | undefined;
  looks: number;
  /** Undefined if it has not Onload's library, or they could not be read. */
  settings: ProcessSettings | undefined;
  /** The container that it is in: only who has rights over the node could move it. */
  place: Membership;
  descriptors: KnownDescriptors | undefined;
}

/** What was read of a process's descriptors, and when. */
export interface KnownDescriptors {
  of: Descriptors;
  /** Processor time that the process had had by then. */
  ticks: number;
  /** For how many looks it has been good enough. */
  looks: number;
}

/** What is kept of a container as long as it has processes. */
export interface KnownContainer {
  /** Of files that the container can make slow: those of its processes, and those in its folders. */
  reader: PatientReader;
  folderReader: PatientReader;
  /** Undefined until its mount table names it. */
  key: string | undefined;
  /** What it may cost to ask for that. */
  naming: Allowance;
  interfaces: Interfaces;
  /** After so many looks they are read again. */
  looksUntilInterfaces: number;
}

/** A process of a container. */
export interface Member {
  pid: number;
  /** What is kept of its program; undefined if it has begun another one. */
  known: KnownProgram | undefined;
  place: Membership;
  container: KnownContainer;
}

/** Finds them, and remembers the names of containers. */
export class Members {
  readonly #procDir: string;
  readonly #limits: { scanned: number; fileBytes: number };
  readonly #makes: { newReader: () => PatientReader; newAllowance: () => Allowance };
  readonly #turn: Turn;
  #containers = new Map<string, KnownContainer>();

  /** @param procDir the node's /proc, with all of its processes */
  constructor(
    procDir: string,
    limits: { scanned: number; fileBytes: number },
    makes: { newReader: () => PatientReader; newAllowance: () => Allowance },
    turn: Turn,
  ) {
    this.#procDir = procDir;
    this.#limits = limits;
    this.#makes = makes;
    this.#turn = turn;
  }

  /**
   * Sorts the node's processes into containers.
   *
   * @param uids of the pods that are asked for, as {@link plainUid} writes them
   * @param programs what is known of processes by their number
   * @param part what each container may cost until it has a name
   * @returns members by the key of the container (facts.ts), and how many processes were not looked at, which may be of any
   */
  async find(
    uids: ReadonlySet<string>,
    programs: ReadonlyMap<number, KnownProgram>,
    part: Parameters<Allowance["begin"]>[0],
  ): Promise<{ members: Map<string, Member[]>; unseen: number }> {
    const pids = (readNames(this.#procDir) ?? []).map(Number).filter((pid) => pid > 0);
    const byContainer = new Map<string, Omit<Member, "container">[]>();
    for (const pid of pids.slice(0, this.#limits.scanned)) {
      if (this.#turn.isOver) await this.#turn.next();
      const { known, place } = this.#place(pid, programs.get(pid));
      if (place === undefined || (place.podUid !== undefined && !uids.has(place.podUid))) continue;
      const processes = byContainer.get(place.containerId) ?? [];
      byContainer.set(place.containerId, processes);
      processes.push({ pid, known, place });
    }
    const members = new Map<string, Member[]>();
    const containers = new Map<string, KnownContainer>();
    const patienceMs = Math.min(PATIENCE_MS.one, PATIENCE_MS.all / byContainer.size);
    for (const [id, processes] of byContainer) {
      const container = this.#containers.get(id) ?? this.#newContainer();
      container.reader.begin(patienceMs);
      container.folderReader.begin(patienceMs);
      container.naming.begin(part);
      if (container.key === undefined && !container.naming.isSpent) {
        container.key = await container.naming.pay(() => this.#nameContainer(container.reader, processes));
      }
      containers.set(id, container);
      if (container.key === undefined) continue;
      // A container that was started again may have processes of both times.
      const same = members.get(container.key) ?? [];
      members.set(container.key, [...same, ...processes.map((process) => ({ ...process, container }))]);
    }
    this.#containers = containers;
    return { members, unseen: Math.max(0, pids.length - this.#limits.scanned) };
  }

  #newContainer(): KnownContainer {
    const { newReader, newAllowance } = this.#makes;
    const [reader, folderReader] = [newReader(), newReader()];
    return {
      reader,
      folderReader,
      key: undefined,
      naming: newAllowance(),
      interfaces: { list: [], cut: false },
      looksUntilInterfaces: 0,
    };
  }

  /** The container of a process: that of the look before, if it still runs the same program. */
  #place(
    pid: number,
    known: KnownProgram | undefined,
  ): { known: KnownProgram | undefined; place: Membership | undefined } {
    if (known !== undefined && this.#isSame(pid, known)) return { known, place: known.place };
    const text = readShort(this.#path(pid, "cgroup"));
    return { known: undefined, place: text === undefined ? undefined : membership(text) };
  }

  /** Whether a process runs the program that it ran; then what its stat says is new. */
  #isSame(pid: number, known: KnownProgram): boolean {
    const text = readShort(this.#path(pid, "stat"));
    if (text === known.statText) return true;
    const stat = text === undefined ? undefined : parseStat(text);
    if (text === undefined || stat?.identity !== known.stat.identity) return false;
    known.statText = text;
    known.stat = stat;
    return true;
  }

  /** Asks the container's first process, which the runtime has started, for the container's name. */
  async #nameContainer(
    reader: PatientReader,
    members: readonly Omit<Member, "container">[],
  ): Promise<string | undefined> {
    const podUid = members[0]?.place.podUid;
    const started = members.map(({ pid }) => ({ pid, at: this.#startTime(pid) ?? Infinity }));
    const first = started.reduce((one, other) => (other.at < one.at ? other : one));
    const table = await reader.read(this.#path(first.pid, "mountinfo"), this.#limits.fileBytes);
    const said = kubeletContainer(table?.bytes.toString("latin1") ?? "");
    if (said === undefined || (podUid !== undefined && podUid !== said.podUid)) return undefined;
    return containerKey(said.podUid, said.container);
  }

  #startTime(pid: number): number | undefined {
    return parseStat(readShort(this.#path(pid, "stat")) ?? "")?.startTime;
  }

  #path(pid: number, name: string): string {
    return `${this.#procDir}/${pid}/${name}`;
  }
}
