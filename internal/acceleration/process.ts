/** What /proc says of a process itself: which program it runs, and whether Onload's library is in it. */

/** Why a process does not have Onload's library, or that it has it. */
export type Library =
  /** The library is mapped. */
  | "mapped"
  /** Its C library is musl, which cannot load a library made for the GNU C library. */
  | "musl"
  /** It has no dynamic loader, so that nothing can be preloaded: a statically linked program. */
  | "static"
  /** It is setuid, setgid or has file capabilities: the loader ignores a library in a folder of its own. */
  | "secure"
  /** Its environment had no LD_PRELOAD when it was started. */
  | "preload_missing"
  /** LD_PRELOAD names other libraries only. */
  | "preload_replaced"
  /** LD_PRELOAD names the library, and the loader has not loaded it: wrong architecture, file that is not there. */
  | "not_loaded"
  /** It cannot be told: not allowed, or no answer in time. */
  | "unreadable";

/** State and identity of a process. */
export interface ProcessStat {
  /** A letter, such as R, S or Z. */
  state: string;
  /** In clock ticks after the node's start. */
  startTime: number;
  /** Another program has another one, be it in the same process: where its stack begins is random. */
  identity: string;
  /** Processor time that all its threads have had so far, in clock ticks. */
  ticks: number;
}

/**
 * Parses /proc/PID/stat. A program's name is its own choice, and may hold brackets and spaces.
 *
 * @returns undefined if it is not whole
 */
export function parseStat(text: string): ProcessStat | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  // Numbered from 1 in proc(5), of which the first that is here is the third.
  const field = (number: number): string => fields[number - 3] ?? "";
  const startTime = Number(field(22));
  if (!/^[A-Za-z]$/.test(field(3)) || field(22) === "" || !Number.isSafeInteger(startTime)) return undefined;
  // startcode, start_stack, env_start.
  const identity = [22, 26, 28, 50].map(field).join(" ");
  return { state: field(3), startTime, identity, ticks: Number(field(14)) + Number(field(15)) };
}

/** How many descriptors a process has room for, by /proc/PID/status; undefined if it does not say. */
export function descriptorTableSize(status: string): number | undefined {
  const at = status.indexOf("\nFDSize:");
  return at < 0 ? undefined : Number.parseInt(status.slice(at + 8), 10) || 0;
}

/** What the kernel told a program at its start (linux/auxvec.h). */
export interface Auxiliary {
  /** Address of the dynamic loader; 0 if the kernel loaded none. */
  base: bigint;
  /** Where the program begins to run. */
  entry: bigint;
  secure: boolean;
}

const AT = { base: 7n, entry: 9n, secure: 23n };

/**
 * Parses /proc/PID/auxv: pairs of words, of 64 or, for a 32-bit program, of 32 bits.
 *
 * @returns undefined if it is empty, as that of a process that has ended
 */
export function parseAuxiliary(bytes: Buffer): Auxiliary | undefined {
  for (const size of [8, 4]) {
    const values = new Map<bigint, bigint>();
    const word = (at: number): bigint => (size === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at)));
    let known = true;
    for (let at = 0; at + 2 * size <= bytes.length; at += 2 * size) {
      const type = word(at);
      if (type === 0n) break;
      // No type is so high: the words have another size.
      known &&= type < 4096n;
      values.set(type, word(at + size));
    }
    const entry = values.get(AT.entry);
    if (known && entry !== undefined) {
      return { entry, base: values.get(AT.base) ?? 0n, secure: (values.get(AT.secure) ?? 0n) !== 0n };
    }
  }
  return undefined;
}

/** Whether Onload's library is in /proc/PID/maps. */
export function hasOnload(maps: string): boolean {
  if (!maps.includes("/libonload.so")) return false;
  return maps.split("\n").some((line) => line.includes("/") && /^libonload\.so(?:\.[0-9.]+)?$/.test(fileName(line)));
}

/** The name of the file that is mapped at an address, without its folder; undefined if none is. */
function fileAt(maps: string, address: bigint): string | undefined {
  // START-END PERMISSIONS OFFSET DEVICE INODE PATH
  for (const line of maps.split("\n")) {
    if (!line.includes("/")) continue;
    const [start, end] = line.slice(0, line.indexOf(" ")).split("-");
    if (address >= hex(start) && address < hex(end)) return fileName(line);
  }
  return undefined;
}

function fileName(line: string): string {
  return line.slice(line.lastIndexOf("/") + 1).replace(/ \(deleted\)$/, "");
}

function hex(digits: string | undefined): bigint {
  return digits !== undefined && /^[0-9a-f]{1,16}$/.test(digits) ? BigInt(`0x${digits}`) : 0n;
}

/** The value of LD_PRELOAD in /proc/PID/environ; undefined if there is none. The last one counts. */
export function preloadOf(environment: Buffer): string | undefined {
  const name = "LD_PRELOAD=";
  let at = environment.lastIndexOf(`\0${name}`);
  if (at < 0 && environment.subarray(0, name.length).toString() !== name) return undefined;
  at = at < 0 ? 0 : at + 1;
  const end = environment.indexOf(0, at);
  return environment.subarray(at + name.length, end < 0 ? undefined : end).toString();
}

/** Texts of one process. */
export interface ProgramTexts {
  auxiliary: Buffer;
  maps: string;
  /** Whether the table goes on after what was read. */
  mapsCut: boolean;
  environment: Buffer;
  /** Whether the environment goes on after what was read. */
  environmentCut: boolean;
}

/** Names of dynamic loaders: ld-linux-x86-64.so.2, ld-2.31.so, ld64.so.2, ld.so.1, ld-musl-x86_64.so.1. */
const LOADER = /^ld(?:64)?(?:-[^.]+(?:\.[0-9]+)*)?\.so(?:\.[0-9]+)*$/;

/**
 * Whether a program has Onload's library, and if not, why.
 *
 * @returns undefined if the process has ended, or is about to start its program
 */
export function libraryOf({
  auxiliary,
  maps,
  mapsCut,
  environment,
  environmentCut,
}: ProgramTexts): Library | undefined {
  if (hasOnload(maps)) return "mapped";
  const start = parseAuxiliary(auxiliary);
  if (start === undefined || maps === "") return undefined;
  if (mapsCut) return "unreadable";
  // Without a loader of the kernel's, the program may be a loader itself, which was told another one.
  const loader = fileAt(maps, start.base === 0n ? start.entry : start.base);
  if (start.base === 0n && !LOADER.test(loader ?? "")) return "static";
  if (/^(?:ld-musl|libc\.musl|libc\.so$)/.test(loader ?? "")) return "musl";
  if (start.secure) return "secure";
  const preload = preloadOf(environment);
  if (preload === undefined || preload.trim() === "") return environmentCut ? "unreadable" : "preload_missing";
  const names = preload.split(/[\s:]+/).map((path) => path.slice(path.lastIndexOf("/") + 1));
  return names.some((name) => name.startsWith("libonload.so")) ? "not_loaded" : "preload_replaced";
}
