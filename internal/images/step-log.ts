import { constants, closeSync, openSync, writeSync } from "node:fs";
import { errorText } from "../cli/errors.ts";
import { writeError } from "../cli/writing.ts";
import { CACHE_VARIABLE, megabytes } from "./limits.ts";

/** The largest log of a step, in bytes. A build of Onload prints about 1 MB. */
const MAX_LOG = 64 * 1024 * 1024;
/** As "w", but the open of a pipe that nobody reads fails instead of waiting. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NONBLOCK;

/**
 * The log file of a step. It never fills the disk: of a step that prints more, it has the beginning and the end.
 *
 * Each line is written before the next is taken, so that a program does not print faster than the disk takes it. A disk
 * that takes no more ends the log, and not the step.
 */
export class StepLog {
  readonly #file: number;
  readonly #max: number;
  #size = 0;
  #problem: string | undefined;

  /** @throws Error "Cannot write FILE: reason" */
  constructor(path: string, max = MAX_LOG) {
    try {
      this.#file = openSync(path, FLAGS);
    } catch (error) {
      throw writeError(path, CACHE_VARIABLE, error);
    }
    this.#max = max;
  }

  /** Why the log is not whole; undefined if it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  line(text: string): void {
    if (this.#size > this.#max) return;
    this.#size += this.#write(`${text}\n`);
    if (this.#size > this.#max) this.#write(`(more than ${megabytes(this.#max)}: only the end of the rest follows)\n`);
  }

  /** The end of a program's output, which is written if its lines were left out. */
  ends(output: string): void {
    if (this.#size > this.#max) this.#write(output);
  }

  /** Gives how many bytes were written. */
  #write(text: string): number {
    if (this.#problem !== undefined) return 0;
    try {
      return writeSync(this.#file, text);
    } catch (error) {
      this.#problem = errorText(error);
      return 0;
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
