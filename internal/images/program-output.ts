import { megabytes } from "./limits.ts";

/** Longest line of a program that is passed on or kept, in characters. What is longer ends in "...". */
export const MAX_LINE = 2000;
/** How much of the end of an output is kept, in bytes. A build of Onload prints about 1 MB. */
export const MAX_KEPT = 2 * 1024 * 1024;

/** Chunks of a byte each take far more memory than a byte. */
const MAX_CHUNKS = 1024;

/** The end of an output of any length. */
export class Tail {
  #chunks: Buffer[] = [];
  #size = 0;
  #dropped = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size > 2 * MAX_KEPT || this.#chunks.length > MAX_CHUNKS) this.#compact();
  }

  #compact(): void {
    const all = Buffer.concat(this.#chunks);
    // A copy, because a part would keep the whole in memory.
    const kept = all.length > MAX_KEPT ? Buffer.from(all.subarray(-MAX_KEPT)) : all;
    this.#dropped += all.length - kept.length;
    this.#chunks = [kept];
    this.#size = kept.length;
  }

  /** All that came, if nothing was dropped. */
  get exact(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  /** What is kept, in whole lines without their ends beyond {@link MAX_LINE}. A first line says what is left out. */
  get text(): string {
    this.#compact();
    let text = this.exact;
    if (this.#dropped > 0) {
      text = `(${megabytes(this.#dropped)} are left out)\n${text.slice(text.indexOf("\n") + 1)}`;
    }
    return text.replace(TOO_LONG, "$1...");
  }
}

/** Lines of more than MAX_LINE. */
const TOO_LONG = /([^\n]{2000})[^\n]+/g;

/** Makes lines of the chunks of a stream. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #cut = false;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = this.#decoder.decode(chunk, { stream: true }).split(/\r?\n|\r/);
    const last = lines.pop() ?? "";
    for (const line of lines) {
      this.#add(line);
      this.#end();
    }
    this.#add(last);
  }

  flush(): void {
    if (this.#rest !== "") this.#end();
  }

  #add(text: string): void {
    const room = MAX_LINE - this.#rest.length;
    this.#cut ||= text.length > room;
    this.#rest += text.slice(0, room);
  }

  #end(): void {
    const line = this.#cut ? `${this.#rest}...` : this.#rest;
    this.#rest = "";
    this.#cut = false;
    this.#onLine(line);
  }
}
