/** Reads files of /proc, each only as far as its bound. */
import { closeSync, openSync, readdirSync, readlinkSync, readSync, statSync } from "node:fs";
import { open, readlink, statfs } from "node:fs/promises";
import { basename } from "node:path";

/** What was read of a file. */
export interface Piece {
  bytes: Buffer;
  /** Whether the file goes on. */
  cut: boolean;
}

/** Memory that is taken at once for what is read. */
const STEP = 64 * 1024;
const buffer = Buffer.alloc(STEP);

/**
 * Reads a short file that the kernel makes without regard to the process's memory: stat, status, cgroup. It cannot wait
 * for anything, so it is read at once.
 *
 * @returns undefined if it cannot be read: the process has ended
 */
export function readShort(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    // The kernel gives a file of this kind whole, if it is let.
    return buffer.toString("latin1", 0, readSync(file, buffer, 0, STEP, null));
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The target of a link; undefined if there is none. */
export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** The size that a folder is said to have; undefined if there is none. */
export function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch {
    return undefined;
  }
}

/** Names in a folder; undefined if it cannot be read. */
export function readNames(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}

/** open(2): only the place of a file in the tree is meant, and nothing of it is read. Node.js does not name it. */
const O_PATH = 0o10_000_000;

/** The number of the mount that a file is on, which the kernel says of what is open (proc_pid_fdinfo(5)). */
async function mountOf(path: string): Promise<string | undefined> {
  const file = await open(path, O_PATH);
  try {
    return /^mnt_id:\s*(\d+)$/m.exec(readShort(`/proc/self/fdinfo/${file.fd}`) ?? "")?.[1];
  } finally {
    await file.close();
  }
}

/** The number of sysfs among file systems (linux/magic.h). */
const SYSFS = 0x62656572;

/**
 * Reads the file uevent of a device of sysfs, at a path that leads through folders of a container. There may be anything,
 * and links to anything, be it of this process's own folders: a pipe without an end, or a device that acts when it is opened,
 * as a watchdog does. So it is not opened before it is known what it is. Other files of sysfs may wait, or act when they are read.
 */
async function readUevent(path: string, limit: number, sysfs: number): Promise<Piece | undefined> {
  const place = await open(path, O_PATH);
  try {
    const file = `/proc/self/fd/${place.fd}`;
    const isUevent =
      (await place.stat()).isFile() &&
      (await statfs(file)).type === sysfs &&
      basename(await readlink(file)) === "uevent";
    return isUevent ? await readPiece(file, limit) : undefined;
  } finally {
    await place.close();
  }
}

/**
 * Reads the beginning of a file. Another thread waits for what may be slow. The kernel gives a page of a table at once, so
 * that a long one comes in thousands of pieces, which share their memory.
 */
async function readPiece(path: string, limit: number): Promise<Piece> {
  const file = await open(path, "r");
  try {
    const full: Buffer[] = [];
    let last = Buffer.alloc(Math.min(STEP, limit));
    let [length, used] = [0, 0];
    while (length < limit) {
      if (used === last.length) {
        full.push(last);
        last = Buffer.alloc(STEP);
        used = 0;
      }
      const { bytesRead } = await file.read(last, used, Math.min(last.length - used, limit - length));
      used += bytesRead;
      length += bytesRead;
      if (bytesRead === 0) break;
    }
    return { bytes: Buffer.concat([...full, last.subarray(0, used)]), cut: length >= limit };
  } finally {
    await file.close();
  }
}

/** Counts the threads that hang, whichever reader has them. */
export class HangingThreads {
  count = 0;
  /** As many may hang, so that others are left. */
  readonly most: number;

  constructor(most: number) {
    this.most = most;
  }
}

/** Bounds of a {@link PatientReader}. */
export interface ReaderOptions {
  /** How long one file is waited for, in milliseconds. Default: 1 s. */
  timeoutMs?: number | undefined;
  /** Those of all readers. */
  hanging: HangingThreads;
  /** The number of the file system that is sysfs. */
  sysfs?: number | undefined;
}

/**
 * Reads files that may keep their reader waiting: those that the kernel takes from a process's memory, which the process
 * may lock or have elsewhere, and those in folders of a container. One that does not answer is given up, and while it
 * hangs nothing more is read this way. So each container has a reader of its own: it takes the sight of no other.
 */
export class PatientReader {
  readonly #timeoutMs: number;
  readonly #threads: HangingThreads;
  readonly #sysfs: number;
  #hangs = false;
  #leftMs = Infinity;

  constructor({ timeoutMs = 1000, hanging, sysfs = SYSFS }: ReaderOptions) {
    this.#timeoutMs = timeoutMs;
    this.#threads = hanging;
    this.#sysfs = sysfs;
  }

  /** From now on, all files together are waited for so long, in milliseconds: each may be slow, and none too slow. */
  begin(patienceMs: number): void {
    this.#leftMs = patienceMs;
  }

  /** Whether nothing can be read now, because of what was read before. */
  get isSpent(): boolean {
    return this.#hangs || this.#leftMs <= 0 || this.#threads.count >= this.#threads.most;
  }

  /** The first bytes of a file of the kernel's; undefined if it cannot be read in time. */
  async read(path: string, limit: number): Promise<Piece | undefined> {
    return this.#inTime(() => readPiece(path, limit));
  }

  /** The number of the mount that a file, or what a link leads to, is on; undefined if it cannot be told in time. */
  async mountOf(path: string): Promise<string | undefined> {
    return this.#inTime(() => mountOf(path));
  }

  /** The target of a link; undefined if it is none, or cannot be told in time. */
  async link(path: string): Promise<string | undefined> {
    return this.#inTime(() => readlink(path));
  }

  /** The first bytes of a device's file uevent; undefined if it is anything else, or cannot be read in time. */
  async uevent(path: string, limit: number): Promise<Piece | undefined> {
    return this.#inTime(() => readUevent(path, limit, this.#sysfs));
  }

  async #inTime<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.isSpent) return undefined;
    const begun = performance.now();
    let timer: NodeJS.Timeout | undefined;
    let late = false;
    const reading = work()
      .catch(() => undefined)
      .finally(() => {
        if (!late) return;
        this.#hangs = false;
        this.#threads.count--;
      });
    const timeout = new Promise<undefined>((resolve) => {
      timer = setTimeout(
        () => {
          late = true;
          this.#hangs = true;
          this.#threads.count++;
          resolve(undefined);
        },
        Math.min(this.#timeoutMs, this.#leftMs),
      );
    });
    try {
      return await Promise.race([reading, timeout]);
    } finally {
      clearTimeout(timer);
      this.#leftMs -= performance.now() - begun;
    }
  }
}
