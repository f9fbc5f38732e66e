/**
 * Looks into the processes of containers: which have Onload's library, which stacks and sockets there are. Nothing is
 * written, no system call of a process is stopped, and the bounds hold whatever the processes do.
 *
 * All containers of a look share its bounds equally, so that one with very many processes or descriptors takes nothing
 * from the others. What is dear to read of one is bounded over many looks, too (allowance.ts).
 */
import { Allowance, NodeAllowance, processorTime } from "./allowance.ts";
import { plainUid } from "./cgroup.ts";
import { readDescriptors } from "./descriptors.ts";
import { containerKey, MAX_STACK_IDS, type LookAnswer, type LookRequest } from "./facts.ts";
import { countSockets, newFound, type Found } from "./found.ts";
import { interfacesOf } from "./interfaces.ts";
import { KernelSockets, type SocketNamespace } from "./kernel-sockets.ts";
import { readLibrary, readSettings } from "./library.ts";
import { Members, type KnownProgram, type Member } from "./members.ts";
import { parseStat, type Library, type ProcessStat } from "./process.ts";
import { HangingThreads, PatientReader, readShort, type ReaderOptions } from "./read.ts";
import type { ProcessSettings } from "./settings.ts";
import { Turn } from "./turn.ts";

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
/** Threads that may hang, of one container two at most: fewer than there are, by WORKER_RUNTIME. */
const MAX_HANGING = 12;
/** A process is read again until it has been seen this often as the same program: its loader may still be at work. */
const LOOKS_UNTIL_KEPT = 3;
/**
 * After so many looks, descriptors are read again of a process that has had no processor time since, not even a clock tick
 * of it, and has as many descriptors as before: it may have closed one and opened another.
 */
const LOOKS_UNTIL_DESCRIPTORS = 5;
/** After so many looks interfaces are asked for again. */
const LOOKS_UNTIL_INTERFACES = 10;

/** Looks, and remembers what need not be read again. One look at a time. */
export class Looker {
  readonly #procDir: string;
  readonly #limits: LookLimits;
  /** Of tables that the kernel makes of itself, which no process can make slow. */
  readonly #tables: PatientReader;
  readonly #kernelSockets: KernelSockets;
  readonly #members: Members;
  #programs = new Map<number, KnownProgram>();
  /** By the name of a container, which it keeps when it is started again. */
  #allowances = new Map<string, Allowance>();
  readonly #cpuMs: () => number;
  readonly #node = new NodeAllowance();
  /** Of the container that is looked into. */
  #bytesLeft = 0;
  /** Whether nothing is good enough because it was read a few looks ago. */
  #fresh = false;
  readonly #turn = new Turn();

  /** @param procDir the node's /proc, with all of its processes */
  constructor(
    procDir: string,
    limits: Partial<LookLimits> = {},
    { cpuMs = processorTime, ...reading }: Pick<ReaderOptions, "timeoutMs" | "sysfs"> & { cpuMs?: () => number } = {},
  ) {
    this.#cpuMs = cpuMs;
    this.#procDir = procDir;
    this.#limits = { ...LOOK_LIMITS, ...limits };
    const hanging = new HangingThreads(MAX_HANGING);
    const newReader = (): PatientReader => new PatientReader({ ...reading, hanging });
    const newAllowance = (): Allowance => new Allowance(this.#node, cpuMs);
    this.#members = new Members(procDir, this.#limits, { newReader, newAllowance }, this.#turn);
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
        wanted.set(key, newFound(uid, container, this.#allowances.get(key) ?? new Allowance(this.#node, this.#cpuMs)));
      }
    }
    const part = this.#node.begin(wanted.size);
    for (const { allowance } of wanted.values()) allowance.begin(part);
    this.#allowances = new Map([...wanted].map(([key, { allowance }]) => [key, allowance]));
    const uids = new Set(request.pods.map(({ uid }) => plainUid(uid)));
    const { members, unseen } = await this.#members.find(uids, this.#programs, part);
    for (const [key, found] of wanted) found.members = members.get(key) ?? [];
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
      if (this.#turn.isOver) await this.#turn.next();
      const library = this.#knownLibrary(member, programs) ?? (await this.#library(member, programs, found.allowance));
      if (library === "cut") facts.cut.processes++;
      if (library === undefined || library === "cut") continue;
      facts.processes[library] = (facts.processes[library] ?? 0) + 1;
      const { settings = null } = programs.get(member.pid) ?? {};
      if (settings !== null && countOf(settings) > countOf(facts.settings)) facts.settings = settings;
      first ??= member;
      descriptors -= this.#lookAtDescriptors(member, descriptors, found, { programs, namespaces });
    }
    facts.stacks = found.stacks.size;
    facts.stackIds = [...found.stacks].sort((a, b) => a - b).slice(0, MAX_STACK_IDS);
    if (first === undefined) return;
    const { container } = first;
    const isDue = this.#fresh || container.looksUntilInterfaces <= 0;
    // A container may have a network of its own with any number of them.
    if (isDue && !found.allowance.isSpent) {
      container.interfaces = await found.allowance.pay(() =>
        interfacesOf(this.#path(first.pid), this.#tables, container.folderReader),
      );
      container.looksUntilInterfaces = LOOKS_UNTIL_INTERFACES;
    }
    container.looksUntilInterfaces--;
    facts.interfaces = container.interfaces.list;
    facts.interfacesCut = container.interfaces.cut;
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
    const [library, settings] = await allowance.pay(async () => {
      const counted = this.#counted(reader);
      const read = await readLibrary(this.#path(pid), counted, { limit: this.#limits.fileBytes, isOld });
      return [read, read === "mapped" ? await readSettings(this.#path(pid), counted) : undefined] as const;
    });
    const after = this.#stat(pid);
    if (after === undefined) return undefined;
    // It has begun another program meanwhile: the next look tells.
    if (after.identity !== stat.identity) return "unreadable";
    // What is mapped once stays so.
    const looks = library === "mapped" ? LOOKS_UNTIL_KEPT : (same?.looks ?? 0) + 1;
    programs.set(pid, { statText, stat, library, looks, settings, place, descriptors: same?.descriptors });
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
}

/** Without a process there are fewer than with one that has none. */
function countOf(settings: ProcessSettings | null): number {
  return settings === null ? -1 : Object.keys(settings).length;
}

/** Whether a process has ended, and only its parent has not been told yet. */
function hasEnded({ state }: ProcessStat): boolean {
  return state === "Z" || state === "X";
}
