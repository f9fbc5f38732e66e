import { ORM_JSON, parseOrmJson } from "../acceleration/orm-json.ts";
import type { StackReading } from "../acceleration/stack-counters.ts";
import { printable } from "../cli/printable.ts";
import { LastWords, quotedEnd, runBounded } from "./bounded-run.ts";
import { TOOL_PATH } from "./run-tool.ts";

export interface OrmJsonConfig {
  /** Where the tool is looked for, as in $PATH. */
  path?: string;
  timeoutMs?: number;
  maxBytes?: number;
}

/** It reads memory that it shares with the stacks, and waits for nobody. */
const TIMEOUT_MS = 5000;
/** About twelve thousand bytes a stack. */
const MAX_BYTES = 8 * 1024 * 1024;
/** The reason is in what it says last. */
const MAX_SAID = 4096;

/** Reads the counters of all stacks of the node with Onload's orm_json, one reading at a time. */
export class OrmJson {
  readonly #config: Required<OrmJsonConfig>;
  #running = false;

  constructor({ path = TOOL_PATH, timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES }: OrmJsonConfig = {}) {
    this.#config = { path, timeoutMs, maxBytes };
  }

  /**
   * @param wanted stacks whose counters are taken
   * @throws Error "Cannot read the counters of stacks: reason"
   */
  async read(wanted: ReadonlySet<number>, signal: AbortSignal): Promise<StackReading> {
    try {
      return parseOrmJson(await this.#run(signal), wanted);
    } catch (cause) {
      throw new Error(`Cannot read the counters of stacks: orm_json: ${(cause as Error).message}`, { cause });
    }
  }

  /** What it prints. It has none of our environment: Onload's tools must not have Onload's library preloaded. */
  async #run(signal: AbortSignal): Promise<string> {
    // The kernel keeps a process that was killed while it waits for the driver. There is never more than one.
    if (this.#running) throw new Error("the one before has not ended");
    const { path, timeoutMs, maxBytes } = this.#config;
    const pieces: Buffer[] = [];
    const words = new LastWords(MAX_SAID);
    const tooMuch = new AbortController();
    let left = maxBytes;
    const said = (stream: "stdout" | "stderr", piece: Buffer): void => {
      if (stream === "stderr") return words.add(piece);
      left -= piece.length;
      if (left < 0) return tooMuch.abort();
      pieces.push(piece);
    };
    const bounds = { env: { PATH: path }, timeoutMs, said };
    const { ended, gone } = runBounded(ORM_JSON, bounds, AbortSignal.any([signal, tooMuch.signal]));
    this.#running = true;
    void gone.then(() => (this.#running = false));
    const ending = await ended.catch((error: NodeJS.ErrnoException) => {
      throw error.code === "ENOENT" ? new Error("the user image does not have it", { cause: error }) : error;
    });
    if (tooMuch.signal.aborted) throw new Error(`it prints more than ${maxBytes} bytes`);
    if (ending.how === "timeout") throw new Error(`it does not end within ${timeoutMs / 1000} s`);
    if (ending.how === "aborted") throw new Error("it was stopped");
    if (ending.code === 0) return Buffer.concat(pieces).toString();
    // Of another version than the driver it says that it cannot open it.
    const reason = quotedEnd(printable(words.toString(), MAX_SAID));
    throw new Error(reason || `it ends with ${ending.signal ?? `exit code ${ending.code}`}`);
  }
}
