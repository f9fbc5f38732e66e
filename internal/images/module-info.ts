import { once } from "node:events";
import { PassThrough, type Duplex } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { elfMachine, ELF_HEAD } from "./elf.ts";
import { LimitError, megabytes } from "./limits.ts";
import { unxz } from "./unxz.ts";

/** What a kernel module says about itself (modinfo). */
export interface ModuleInfo {
  /** Such as "6.1.0-42-amd64 SMP preempt mod_unload modversions"; undefined if it cannot be read. */
  vermagic?: string;
  /** Whether it has debug sections. */
  debug: boolean;
  /** The machine that it is for; see elfMachine. */
  machine?: string;
  /** Why nothing can be read; undefined if it can. */
  problem?: string;
}

/** A module with debug information has about 50 MB. */
const MAX_UNPACKED = 512 * 1024 * 1024;
/** A vermagic has about 60 characters. */
const MAX_VALUE = 1024;
const VERMAGIC = "\0vermagic=";
/** Windows of up to 2^25 bytes (32 MB); the kernel's own modules are compressed with 8 MB at most. */
const MAX_WINDOW_LOG = 25;

/** Whether a path is that of a kernel module. */
export function isModule(path: string): boolean {
  return /\.ko(\.(gz|zst|xz))?$/.test(path);
}

/**
 * Reads a module piece by piece, unpacking it if its name says so. Keeps nothing but what it looks for. It must be ended
 * or closed.
 */
export class ModuleReader {
  readonly #path: string;
  readonly #scanner = new Scanner();
  readonly #unpack: Duplex | undefined;
  readonly #unpacked: Promise<void> | undefined;
  #size = 0;
  #failure: Error | undefined;

  constructor(path: string) {
    this.#path = path;
    if (path.endsWith(".gz")) this.#unpack = createGunzip({ chunkSize: 256 * 1024 });
    if (path.endsWith(".zst")) {
      this.#unpack = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } });
    }
    this.#unpacked = this.#unpack && this.#drain(this.#unpack);
    if (!path.endsWith(".xz")) return;
    const packed = new PassThrough();
    this.#unpack = packed;
    this.#unpacked = this.#drain(unxz(packed));
  }

  /** @throws LimitError if the module unpacks to more than a module can have */
  async write(chunk: Buffer): Promise<void> {
    if (this.#failure !== undefined) return;
    if (!this.#unpack) this.#take(chunk);
    else if (!this.#unpack.write(chunk))
      await Promise.race([once(this.#unpack, "drain").catch(() => 0), this.#unpacked]);
    this.#checkLimit();
  }

  async end(): Promise<ModuleInfo> {
    this.#unpack?.end();
    await this.#unpacked;
    this.#checkLimit();
    if (this.#failure !== undefined) return { debug: false, problem: this.#failure.message };
    return this.#scanner.result();
  }

  /** Lets go of a module that is not read to its end. */
  close(): void {
    this.#unpack?.destroy();
  }

  /** Never rejects: the failure is kept. */
  async #drain(unpacked: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of unpacked) this.#take(chunk);
    } catch (error) {
      this.#failure = error as Error;
    }
  }

  #take(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > MAX_UNPACKED)
      throw new LimitError(`/${this.#path} has more than ${megabytes(MAX_UNPACKED)} unpacked`);
    this.#scanner.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  }

  #checkLimit(): void {
    if (this.#failure instanceof LimitError) throw this.#failure;
  }
}

/** Looks for one of modinfo's strings in a stream: NAME=VALUE, after the end of the string before and up to a NUL. */
class Scanner {
  #vermagic: string | undefined;
  #debug = false;
  #head = Buffer.alloc(0);
  /** The end of what was looked at, because a string may begin there. */
  #rest = Buffer.alloc(0);

  push(chunk: Buffer): void {
    if (this.#head.length < ELF_HEAD) this.#head = Buffer.concat([this.#head, chunk.subarray(0, ELF_HEAD)]);
    const data = Buffer.concat([this.#rest, chunk]);
    // A string that begins in the last MAX_VALUE bytes is looked for again, with what follows.
    this.#look(data, false);
    this.#rest = Buffer.from(data.subarray(Math.max(0, data.length - MAX_VALUE)));
  }

  result(): ModuleInfo {
    this.#look(this.#rest, true);
    const vermagic = this.#vermagic;
    const machine = elfMachine(this.#head);
    return {
      ...(vermagic === undefined ? {} : { vermagic }),
      debug: this.#debug,
      ...(machine === undefined ? {} : { machine }),
    };
  }

  #look(data: Buffer, last: boolean): void {
    this.#debug ||= data.includes("\0.debug_info\0");
    if (this.#vermagic !== undefined) return;
    const at = data.indexOf(VERMAGIC);
    if (at < 0) return;
    const start = at + VERMAGIC.length;
    const end = data.indexOf(0, start);
    // Cut off by the end of the data, not by a NUL: the next piece has the rest.
    if (end < 0 && !last && data.length - at < MAX_VALUE) return;
    const stop = end < 0 ? data.length : end;
    this.#vermagic = data.subarray(start, Math.min(stop, start + MAX_VALUE)).toString();
  }
}
