/**
 * Looks into the processes of containers: which have Onload's library, which stacks and sockets there are. Nothing is
 * written, no system call of a process is stopped, and the bounds hold whatever the processes do.
 *
 * All containers of a look share its bounds equally, so that one with very many processes or descriptors takes nothing
 * from the others. What is dear to read of one is bounded over many looks, too (allowance.ts).
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Allowance, allowanceOf, processorTime } from "./allowance.ts";
import { membership, plainUid, type Membership } from "./cgroup.ts";
import {
  containerKey,
  isAcceleratedKind,
  MAX_STACK_IDS,
  type ContainerFacts,
  type LookAnswer,
  type LookRequest,
  type NetworkInterface,
} from "./facts.ts";
import { readDescriptors, type Descriptors } from "./descriptors.ts";
import { interfacesOf } from "./interfaces.ts";
import { KernelSockets, type SocketNamespace, type SocketOwner } from "./kernel-sockets.ts";
import { kubeletContainer } from "./mounts.ts";
import { readLibrary } from "./library.ts";
import { parseStat, type Library, type ProcessStat } from "./process.ts";
import { HangingThreads, PatientReader, readNames, readShort, type ReaderOptions } from "./read.ts";
import type { SocketKind } from "./sockets.ts";

/** Bounds of one look, and those of a file that is read. */
export interface LookLimits {
  /** Processes of the node of which the container is asked for. */
  scanned: number;
  /** Processes that are looked into. */
  processes: number;
  /** Descriptors that are read. */
  descriptors: number;
  /** Bytes of files of processes. The kernel makes mount tables at about 30 MB a second. */
  bytes: number;
  /** Bytes of a file, and an eighth of a table of mappings. */
  fileBytes: number;
}

export const LOOK_LIMITS: LookLimits = {
  scanned: 65_536,
  processes: 8192,
  descriptors: 65_536,
  bytes: 256 * 1024 * 1024,
  fileBytes: 1024 * 1024,
};
/** At most what one container gets, however few there are. */
const SHARE = { processes: 512, descriptors: 8192, bytes: 16 * 1024 * 1024 };
/** How long others wait for their turn, in milliseconds. */
const TURN_MS = 5;
/** Threads that may hang, of one container two at most: fewer than there are, by WORKER_RUNTIME. */
const MOST_HANGING = 12;
/** How long all containers of a look may keep it waiting for files, each equally, and one of them, in milliseconds. */
const PATIENCE_MS = { all: 20_000, one: 5000 };
/** A process is read again until it has been seen this often as the same program: its loader may still be at work. */
const LOOKS_UNTIL_KEPT = 3;
/**
 * After so many looks, descriptors are read again of a process that has had no processor time since, not even a clock tick
 * of it, and has as many descriptors as before: it may have closed one and opened another.
 */
const LOOKS_UNTIL_DESCRIPTORS = 5;
/** After so many looks interfaces are asked for again. */
const LOOKS_UNTIL_INTERFACES = 10;

/** What is kept of a process as long as it runs the same program. */
interface KnownProgram {
  /** /proc/PID/stat as it was last, and what it says: it stays as it is while the process rests. */
  statText: string;
  stat: ProcessStat;
  library: Library | undefined;
  looks: number;
  /** The container that it is in: only who has rights over the node could move it. */
  place: Membership;
  descriptors: KnownDescriptors | undefined;
}

/** What was read of a process's descriptors, and when. */
interface KnownDescriptors {
  of: Descriptors;
  /** Processor time that the process had had by then. */
  ticks: number;
  /** For how many looks it has been good enough. */
  looks: number;
}

/** What is kept of a container as long as it has processes. */
interface KnownContainer {
  /** Of files that the container can make slow: those of its processes, and those in its folders. */
  reader: PatientReader;
  folderReader: PatientReader;
  /** Undefined until its mount table names it. */
  key: string | undefined;
  interfaces: NetworkInterface[];
  looks: number;
}

/** A process of a container. */
interface Member {
  pid: number;
  /** What is kept of its program; undefined if it has begun another one. */
  known: KnownProgram | undefined;
  place: Membership;
  container: KnownContainer;
}

interface Found extends SocketOwner {
  members: Member[];
  stacks: Set<number>;
  /** Kind by a socket's own id. */
  accelerated: Map<string, SocketKind>;
}

/** Looks, and remembers what need not be read again. One look at a time. */
export class Looker {
  readonly #procDir: string;
  readonly #limits: LookLimits;
  readonly #newReader: () => PatientReader;
  /** Of tables that the kernel makes of itself, which no process can make slow. */
  readonly #tables: PatientReader;
  readonly #kernelSockets: KernelSockets;
  #programs = new Map<number, KnownProgram>();
  #containers = new Map<string, KnownContainer>();
  /** By the name of a container, which it keeps when it is started again. */
  #allowances = new Map<string, Allowance>();
  readonly #cpuMs: () => number;
  /** Of the container that is looked into. */
  #bytesLeft = 0;
  /** Whether nothing is good enough because it was read a few looks ago. */
  #fresh = false;
  #turnEnds = 0;

  /** @param procDir the node's /proc, with all of its processes */
  constructor(
    procDir: string,
    limits: Partial<LookLimits> = {},
    { cpuMs = processorTime, ...reading }: Pick<ReaderOptions, "timeoutMs" | "sysfs"> & { cpuMs?: () => number } = {},
  ) {
    this.#cpuMs = cpuMs;
    this.#procDir = procDir;
    this.#limits = { ...LOOK_LIMITS, ...limits };
    const hanging = new HangingThreads(MOST_HANGING);
    this.#newReader = () => new PatientReader({ ...reading, hanging });
    this.#tables = new PatientReader({ ...reading, hanging: new HangingThreads(1) });
    this.#kernelSockets = new KernelSockets(this.#tables, this.#limits.fileBytes);
  }

  /** Looks once. What cannot be read is left out: processes end at any time. */
  async look(request: LookRequest): Promise<LookAnswer> {
    const before = processorTime();
    this.#fresh = request.fresh ?? false;
    const wanted = new Map<string, Found>();
    for (const { uid, containers } of request.pods) {
      for (const container of containers) {
        const key = containerKey(uid, container);
        wanted.set(key, newFound(uid, container, this.#allowances.get(key) ?? new Allowance(this.#cpuMs)));
      }
    }
    for (const { allowance } of wanted.values()) allowance.add(allowanceOf(wanted.size));
    this.#allowances = new Map([...wanted].map(([key, { allowance }]) => [key, allowance]));
    const uids = new Set(request.pods.map(({ uid }) => plainUid(uid)));
    const unseen = wanted.size > 0 ? await this.#findProcesses(uids, wanted) : 0;
    const programs = new Map<number, KnownProgram>();
    const namespaces = new Map<string, SocketNamespace<Found>>();
    for (const found of wanted.values()) await this.#lookInto(found, wanted.size, programs, namespaces);
    this.#programs = programs;
    await this.#kernelSockets.classify(namespaces, this.#fresh);
    for (const found of wanted.values()) {
      found.facts.sockets = countSockets(found);
      found.facts.cut.processes += unseen;
    }
    return { containers: [...wanted.values()].map(({ facts }) => facts), cpuMs: processorTime() - before };
  }

  /**
   * Sorts the node's processes into the containers that are asked for. Returns how many were not looked at, which may be of
   * any.
   */
  async #findProcesses(uids: ReadonlySet<string>, wanted: ReadonlyMap<string, Found>): Promise<number> {
    const pids = (readNames(this.#procDir) ?? []).map(Number).filter((pid) => pid > 0);
    const byContainer = new Map<string, Omit<Member, "container">[]>();
    for (const pid of pids.slice(0, this.#limits.scanned)) {
      if (this.#isTurnOver()) await this.#nextTurn();
      const { known, place } = this.#place(pid);
      if (place === undefined || (place.podUid !== undefined && !uids.has(place.podUid))) continue;
      const members = byContainer.get(place.containerId) ?? [];
      byContainer.set(place.containerId, members);
      members.push({ pid, known, place });
    }
    const containers = new Map<string, KnownContainer>();
    const patienceMs = Math.min(PATIENCE_MS.one, PATIENCE_MS.all / byContainer.size);
    for (const [id, members] of byContainer) {
      const container = this.#containers.get(id) ?? this.#newContainer();
      container.reader.begin(patienceMs);
      container.folderReader.begin(patienceMs);
      container.key ??= await this.#nameContainer(container.reader, members);
      containers.set(id, container);
      const found = container.key === undefined ? undefined : wanted.get(container.key);
      for (const member of members) found?.members.push({ ...member, container });
    }
    this.#containers = containers;
    return Math.max(0, pids.length - this.#limits.scanned);
  }

  #newContainer(): KnownContainer {
    const [reader, folderReader] = [this.#newReader(), this.#newReader()];
    return { reader, folderReader, key: undefined, interfaces: [], looks: 0 };
  }

  /** The container of a process: that of the look before, if it still runs the same program. */
  #place(pid: number): { known: KnownProgram | undefined; place: Membership | undefined } {
    const known = this.#programs.get(pid);
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
    const started = members.map(({ pid }) => ({ pid, at: this.#stat(pid)?.startTime ?? Infinity }));
    const first = started.reduce((one, other) => (other.at < one.at ? other : one));
    const table = await reader.read(this.#path(first.pid, "mountinfo"), this.#limits.fileBytes);
    const said = kubeletContainer(table?.bytes.toString("latin1") ?? "");
    if (said === undefined || (podUid !== undefined && podUid !== said.podUid)) return undefined;
    return containerKey(said.podUid, said.container);
  }

  async #lookInto(
    found: Found,
    containers: number,
    programs: Map<number, KnownProgram>,
    namespaces: Map<string, SocketNamespace<Found>>,
  ): Promise<void> {
    const { facts } = found;
    const share = (of: keyof typeof SHARE): number =>
      Math.max(1, Math.min(SHARE[of], Math.floor(this.#limits[of] / containers)));
    const members = found.members.slice(0, share("processes"));
    facts.cut.processes = found.members.length - members.length;
    let descriptors = share("descriptors");
    this.#bytesLeft = share("bytes");
    let first: Member | undefined;
    for (const member of members) {
      if (this.#isTurnOver()) await this.#nextTurn();
      const library = this.#knownLibrary(member, programs) ?? (await this.#library(member, programs, found.allowance));
      if (library === "cut") facts.cut.processes++;
      if (library === undefined || library === "cut") continue;
      facts.processes[library] = (facts.processes[library] ?? 0) + 1;
      first ??= member;
      descriptors -= this.#lookAtDescriptors(member, descriptors, found, { programs, namespaces });
    }
    facts.stacks = found.stacks.size;
    facts.stackIds = [...found.stacks].sort((a, b) => a - b).slice(0, MAX_STACK_IDS);
    if (first === undefined) return;
    if (this.#fresh || first.container.looks++ % LOOKS_UNTIL_INTERFACES === 0) {
      first.container.interfaces = await interfacesOf(
        this.#path(first.pid),
        this.#tables,
        first.container.folderReader,
      );
    }
    facts.interfaces = first.container.interfaces;
  }

  /** What is known of a process whose program has been seen often enough. */
  #knownLibrary({ pid, known }: Member, programs: Map<number, KnownProgram>): Library | undefined {
    if (known === undefined || known.looks < LOOKS_UNTIL_KEPT || hasEnded(known.stat)) return undefined;
    // It may be read another time.
    if (known.library === "unreadable") return undefined;
    programs.set(pid, known);
    return known.library;
  }

  /** Undefined if the process has ended; "cut" if nothing more is read of the container in this look. */
  async #library(
    { pid, known, place, container: { reader } }: Member,
    programs: Map<number, KnownProgram>,
    allowance: Allowance,
  ): Promise<Library | "cut" | undefined> {
    const statText = readShort(this.#path(pid, "stat")) ?? "";
    const stat = parseStat(statText);
    if (stat === undefined || hasEnded(stat)) return undefined;
    const same = known?.stat.identity === stat.identity ? known : undefined;
    if (this.#bytesLeft <= 0 || allowance.isSpent) return "cut";
    const isOld = (same?.looks ?? 0) >= LOOKS_UNTIL_KEPT;
    const library = await allowance.pay(() =>
      readLibrary(this.#path(pid), this.#counted(reader), { limit: this.#limits.fileBytes, isOld }),
    );
    const after = this.#stat(pid);
    if (after === undefined) return undefined;
    // It has begun another program meanwhile: the next look tells.
    if (after.identity !== stat.identity) return "unreadable";
    // What is mapped once stays so.
    const looks = library === "mapped" ? LOOKS_UNTIL_KEPT : (same?.looks ?? 0) + 1;
    programs.set(pid, { statText, stat, library, looks, place, descriptors: same?.descriptors });
    return library;
  }

  /** Reads at the cost of the container's bytes. */
  #counted(reader: PatientReader): Pick<PatientReader, "read" | "mountOf"> {
    return {
      read: async (path, limit) => {
        const piece = await reader.read(path, limit);
        this.#bytesLeft -= piece?.bytes.length ?? 0;
        return piece;
      },
      mountOf: (path) => reader.mountOf(path),
    };
  }

  /** Returns how many descriptors of the bound are used up. */
  #lookAtDescriptors(
    { pid }: Member,
    limit: number,
    found: Found,
    to: { programs: ReadonlyMap<number, KnownProgram>; namespaces: Map<string, SocketNamespace<Found>> },
  ): number {
    if (limit <= 0) {
      found.facts.cut.descriptors++;
      return 0;
    }
    const program = to.programs.get(pid);
    const known = program?.descriptors;
    const ticks = program?.stat.ticks;
    const rested =
      !this.#fresh && known !== undefined && known.ticks === ticks && ++known.looks < LOOKS_UNTIL_DESCRIPTORS;
    const read = readDescriptors(this.#path(pid), limit, rested ? known.of : undefined);
    if (read.cut) found.facts.cut.descriptors++;
    if (program !== undefined && read !== known?.of) {
      program.descriptors = read.cut ? undefined : { of: read, ticks: program.stat.ticks, looks: 0 };
    }
    const namespace = read.namespace === undefined ? undefined : this.#namespace(pid, read.namespace, to.namespaces);
    for (const descriptor of read.list) {
      if (descriptor.type === "kernel") {
        const owners = namespace!.owners.get(descriptor.inode) ?? new Set();
        namespace!.owners.set(descriptor.inode, owners.add(found));
        continue;
      }
      found.stacks.add(descriptor.stack);
      if (descriptor.type === "onload" && descriptor.kind !== "pipe") {
        found.accelerated.set(descriptor.id, descriptor.kind);
      }
    }
    return read.count;
  }

  #namespace(pid: number, name: string, namespaces: Map<string, SocketNamespace<Found>>): SocketNamespace<Found> {
    const namespace = namespaces.get(name) ?? { folder: this.#path(pid), owners: new Map() };
    namespaces.set(name, namespace);
    return namespace;
  }

  #stat(pid: number): ReturnType<typeof parseStat> {
    const text = readShort(this.#path(pid, "stat"));
    return text === undefined ? undefined : parseStat(text);
  }

  #path(pid: number, name?: string): string {
    return name === undefined ? `${this.#procDir}/${pid}` : `${this.#procDir}/${pid}/${name}`;
  }

  #isTurnOver(): boolean {
    return performance.now() >= this.#turnEnds;
  }

  /** Lets others go on. */
  async #nextTurn(): Promise<void> {
    await nextTurn();
    this.#turnEnds = performance.now() + TURN_MS;
  }
}

/** Whether a process has ended, and only its parent has not been told yet. */
function hasEnded({ state }: ProcessStat): boolean {
  return state === "Z" || state === "X";
}

function countSockets({ accelerated, kernel }: Found): ContainerFacts["sockets"] {
  const counts = new Map<string, ContainerFacts["sockets"][number]>();
  const count = (kind: SocketKind, accelerates: boolean): void => {
    const key = `${accelerates ? 0 : 1} ${kind}`;
    const entry = counts.get(key) ?? { kind, accelerated: accelerates, count: 0 };
    counts.set(key, entry);
    entry.count++;
  };
  for (const kind of accelerated.values()) count(kind, isAcceleratedKind(kind));
  for (const kind of kernel.values()) count(kind, false);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function newFound(podUid: string, container: string, allowance: Allowance): Found {
  return {
    facts: {
      podUid,
      container,
      processes: {},
      stacks: 0,
      stackIds: [],
      sockets: [],
      interfaces: [],
      cut: { processes: 0, descriptors: 0, tables: 0 },
    },
    members: [],
    stacks: new Set(),
    accelerated: new Map(),
    kernel: new Map(),
    allowance,
  };
}
