/** The wall clock of operators that a test starts, to be set as people and NTP set it. */
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../../..");

export class WrongClock {
  /** An onloadctl that goes by this clock: the same sources, of which no line is another. */
  readonly executable: string;
  readonly #file: string;
  #errorMs = 0;

  /** @param folder where its files go */
  constructor(folder: string) {
    this.#file = join(folder, "clock-error");
    this.executable = join(folder, "onloadctl-with-wrong-clock");
    const [preload, main] = ["internal/operator/testing/set-clock.ts", "cmd/onloadctl.ts"].map((file) =>
      join(ROOT, file),
    );
    const env = `CLOCK_ERROR_FILE='${this.#file}'`;
    writeFileSync(
      this.executable,
      `#!/bin/sh\n${env} exec '${process.execPath}' --preload='${preload}' '${main}' "$@"\n`,
    );
    chmodSync(this.executable, 0o755);
    this.step(0);
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return Date.now() + this.#errorMs;
  }

  /** Sets it by so many milliseconds, forward or back. */
  step(ms: number): void {
    this.#errorMs += ms;
    writeFileSync(`${this.#file}.new`, String(this.#errorMs));
    renameSync(`${this.#file}.new`, this.#file);
  }
}
