/** Reads files that this program finds by itself, or that stand in a folder of others: anything can be in their place. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync, type ReadStream, type Stats } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";

/** An open without a writer waits for ever, but not with this flag. Regular files do not care. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
const STEP = 64 * 1024;

/**
 * Reads a regular file: one of a disk, or of /proc and /sys. Links are followed.
 *
 * @throws what node:fs throws, Error "it is a pipe, no regular file" or the like, or "it has more than N bytes"
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<Buffer> {
  const file = await openRegularFile(path);
  try {
    return await readHandle(file, maxBytes);
  } finally {
    await file.close();
  }
}

/** Reads an open file to its end, from where it is. @throws what node:fs throws, or Error "it has more than N bytes" */
export async function readHandle(file: FileHandle, maxBytes: number): Promise<Buffer> {
  const pieces = new Pieces(maxBytes);
  for (;;) {
    const piece = pieces.next();
    const { bytesRead } = await file.read(piece, 0, piece.length, null);
    if (bytesRead === 0) return pieces.all;
    pieces.add(piece, bytesRead);
  }
}

/** The same, at once. */
export function readRegularFileSync(path: string, maxBytes: number): Buffer {
  // A device may do something when it is opened, so it is looked at before; a pipe may come in between.
  checkKind(statSync(path));
  const file = openSync(path, FLAGS);
  try {
    checkKind(fstatSync(file));
    const pieces = new Pieces(maxBytes);
    for (;;) {
      const piece = pieces.next();
      const bytesRead = readSync(file, piece, 0, piece.length, null);
      if (bytesRead === 0) return pieces.all;
      pieces.add(piece, bytesRead);
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Opens a regular file, whose content may have any size, as a stream.
 *
 * @throws what node:fs throws, or Error "it is a pipe, no regular file" or the like
 */
export async function streamRegularFile(path: string): Promise<ReadStream> {
  return (await openRegularFile(path)).createReadStream();
}

async function openRegularFile(path: string): Promise<FileHandle> {
  checkKind(await stat(path));
  const file = await open(path, FLAGS);
  try {
    checkKind(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** @throws Error if it is no regular file */
function checkKind(stats: Stats): void {
  if (!stats.isFile()) throw new Error(`it is a ${kindOf(stats)}, no regular file`);
}

/** What something that is no regular file is, in words. */
export function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return "symbolic link";
  return stats.isDirectory() ? "folder" : stats.isFIFO() ? "pipe" : stats.isSocket() ? "socket" : "device";
}

/** What was read of a file so far. */
class Pieces {
  readonly #max: number;
  readonly #pieces: Buffer[] = [];
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Room for what is read next: one byte more than may come. */
  next(): Buffer {
    return Buffer.alloc(Math.min(STEP, this.#max + 1 - this.#size));
  }

  add(piece: Buffer, length: number): void {
    this.#size += length;
    if (this.#size > this.#max) throw new Error(`it has more than ${this.#max} bytes`);
    this.#pieces.push(piece.subarray(0, length));
  }

  get all(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
