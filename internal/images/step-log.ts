import { closeSync, openSync, writeSync } from "node:fs";
import { megabytes } from "./limits.ts";

/** The largest log of a step, in bytes. A build of Onload prints about 1 MB. */
const MAX_LOG = 64 * 1024 * 1024;

/**
 * The log file of a step. It never fills the disk: of a step that prints more, it has the beginning and the end.
 *
 * Each line is written before the next is taken, so that a program does not print faster than the disk takes it.
 */
export class StepLog {
  readonly #file: number;
  readonly #max: number;
  #size = 0;

  constructor(path: string, max = MAX_LOG) {
    this.#file = openSync(path, "w");
    this.#max = max;
  }

  line(text: string): void {
    if (this.#size > this.#max) return;
    this.#size += writeSync(this.#file, `${text}\n`);
    if (this.#size > this.#max)
      writeSync(this.#file, `(more than ${megabytes(this.#max)}: only the end of the rest follows)\n`);
  }

  /** The end of a program's output, which is written if its lines were left out. */
  ends(output: string): void {
    if (this.#size > this.#max) writeSync(this.#file, output);
  }

  close(): void {
    closeSync(this.#file);
  }
}
