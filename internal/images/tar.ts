import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, type Headers } from "tar-stream";
import { LimitError, megabytes } from "./limits.ts";

/** The longest path that Linux takes (PATH_MAX). */
const MAX_NAME = 4096;
/** A large distribution's image has about 200,000 entries. */
const MAX_ENTRIES = 500_000;
/**
 * How many bytes may come between two entries: long names, extended headers, padding. The parser collects an extended
 * header in memory, whatever its size. GNU tar itself takes at most 1 MB for one.
 */
const MAX_BETWEEN = 4 * 1024 * 1024;

/** Options of eachEntry. */
interface EntryOptions {
  /** The stream that `tar` is piped from. Its errors end the reading too. */
  source?: Readable;
  signal?: AbortSignal | undefined;
  /** Whether extended headers that are not written as everybody reads them are refused. Images may have binary ones. */
  strict?: boolean;
}

/**
 * Calls `visit` with each entry of a tar, one after another. Content that `visit` does not read is skipped.
 * `visit` returns false to stop early. Memory does not depend on what the tar has.
 *
 * @throws LimitError if names, headers or the number of entries are beyond all use
 * @throws Error if the tar ends too early or is none
 */
export async function eachEntry(
  tar: Readable,
  visit: (header: Headers, content: Readable) => Promise<boolean | void>,
  options: EntryOptions = {},
): Promise<void> {
  const parser = extract();
  const odd = watchHeaders(parser, options.strict ?? false);
  let stopped = false;
  let entries = 0;
  let last = "";
  // Why we ended it. What the streams say then is only a consequence.
  let refusal: Error | undefined;
  // Bytes that the parser got since the last entry, without the content of that entry.
  let between = 0;
  async function* metered(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      between += chunk.length;
      if (between > MAX_BETWEEN) {
        const where = entries === 0 ? "at its start" : `after "${last}"`;
        refusal ??= new LimitError(`it has more than ${megabytes(MAX_BETWEEN)} of headers or padding ${where}`);
        throw refusal;
      }
      yield chunk;
    }
  }
  options.source?.on("error", (error) => tar.destroy(error));
  const feeding = pipeline(tar, metered, parser, options.signal ? { signal: options.signal } : {});
  const refuseOdd = (): void => {
    for (const what of odd) throw new LimitError(`it has ${what}; pack it again`);
  };
  const reading = (async () => {
    for await (const entry of parser) {
      const { header } = entry;
      try {
        const size = checkedSize(header);
        refuseOdd();
        last = header.name.slice(0, 200);
        between = -size;
        if (++entries > MAX_ENTRIES)
          throw new LimitError(`it has more than ${MAX_ENTRIES.toLocaleString("en")} entries`);
        if ((await visit(header, entry as unknown as Readable)) === false) {
          stopped = true;
          return;
        }
      } catch (error) {
        refusal ??= error as Error;
        throw error;
      }
      entry.resume();
    }
    refuseOdd();
  })();
  const results = await Promise.allSettled([feeding, reading]);
  if (stopped) return;
  options.signal?.throwIfAborted();
  for (const result of results) if (result.status === "rejected") throw refusal ?? result.reason;
}

type Records = Record<string, string>;

/** The type of a header: its place, and GNU's old kind of long names. */
const TYPE_AT = 156;
const OLD_LONG_NAME = "N".charCodeAt(0);

/**
 * What extended headers have that the parser takes otherwise than others do. Those of the whole archive may have a comment,
 * such as git's: their sizes and names would count for every entry that follows. Of others the parser leaves out what it
 * does not understand, so that a size that another reader knows changes where the next entry begins. GNU tar takes a long
 * name of the old kind for a file, and the engines do not know it: the parser alone gives it to the next entry.
 *
 * @returns what is wrong, in words; the set keeps growing
 */
function watchHeaders(parser: object, strict: boolean): ReadonlySet<string> {
  const found = new Set<string>();
  let [all, own]: (Records | null)[] = [null, null];
  const { _buffer: buffer } = parser as { _buffer: { shift: (size: number) => Buffer } };
  const shift = buffer.shift.bind(buffer);
  let last: Buffer | undefined;
  buffer.shift = (size) => (last = shift(size));
  let current: Headers | null = null;
  Object.defineProperty(parser, "_header", {
    get: () => current,
    // Set right after its block was taken.
    set: (value: Headers | null) => {
      current = value;
      if (value !== null && last?.[TYPE_AT] === OLD_LONG_NAME) found.add("a long name of an old kind");
    },
  });
  Object.defineProperty(parser, "_paxGlobal", {
    get: () => all,
    set: (value: Records | null) => {
      all = value;
      const key = Object.keys(value ?? {}).find((each) => each !== "comment");
      if (key !== undefined) found.add(`a global header with "${key.slice(0, 100)}"`);
    },
  });
  Object.defineProperty(parser, "_pax", {
    get: () => own,
    set: (value: Records | null) => {
      own = value;
      if (value === null || !strict) return;
      const { size } = (parser as { _header: Headers })._header;
      const records = Object.entries(value).filter(([key, text]) => all?.[key] !== text);
      const written = records.reduce((sum, record) => sum + recordLength(record), 0);
      if (written !== size) found.add("an extended header that is not written as usual");
    },
  });
  return found;
}

/** The length of "LENGTH KEY=VALUE\n", which counts its own digits. */
function recordLength([key, value]: [string, string]): number {
  const rest = Buffer.byteLength(key) + Buffer.byteLength(value) + 3;
  const digits = String(rest + String(rest).length).length;
  return rest + digits;
}

/** The size of an entry. The parser would wait for ever for the content of one whose size is no number. */
function checkedSize({ name, linkname, size, type, pax }: Headers & { pax?: object }): number {
  const shown = name.length > 100 ? `${name.slice(0, 100)}...` : name;
  if (Buffer.byteLength(name) > MAX_NAME || Buffer.byteLength(linkname ?? "") > MAX_NAME) {
    throw new LimitError(`the name or link of its entry "${shown}" has more than ${MAX_NAME} bytes`);
  }
  if (!Number.isSafeInteger(size) || size! < 0) throw new LimitError(`its entry "${shown}" has an invalid size`);
  // The content of a sparse entry is not what is stored; no engine and no release has any.
  if (Object.keys(pax ?? {}).some((key) => key.startsWith("GNU.sparse."))) {
    throw new LimitError(`its entry "${shown}" is sparse, which is not supported`);
  }
  // Others read on after what the parser takes for its end: of GNU's old sparse files, entries that are never seen here.
  if (type === null) throw new LimitError(`its entry "${shown}" is of a kind that no engine and no release has`);
  return size!;
}

/** All bytes of a stream. @throws LimitError if there are more than `limit` */
export async function bytes(stream: Readable, limit: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += (chunk as Buffer).length;
    if (size > limit) throw new LimitError(`${what} has more than ${megabytes(limit)}`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
