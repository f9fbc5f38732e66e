import { useColour } from "../cli/log.ts";

/** Where progress goes: standard error in production. */
export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** Shows the steps of a run. */
export interface Progress {
  /** Begins a step. Its output goes to `line` of the result; `end` says whether it succeeded. */
  begin(name: string): Step;
  /** Shows a step that is not needed. */
  skip(name: string, why: string): void;
  note(text: string): void;
}

export interface Step {
  line(text: string): void;
  end(ok: boolean): void;
}

/**
 * On a terminal each running step is one line with its time and its last line of output; the output disappears when the
 * step ends. Elsewhere every line of output is written with the name of the step in front.
 *
 * @param now clock in milliseconds
 */
export function createProgress(stream: ProgressStream, now: () => number = Date.now): Progress {
  return useColour(stream) ? new TerminalProgress(stream, now) : plainProgress(stream, now);
}

function plainProgress(stream: ProgressStream, now: () => number): Progress {
  const write = (text: string): unknown => stream.write(`${text}\n`);
  return {
    begin(name) {
      const start = now();
      write(`[${name}] started`);
      return {
        line: (text) => void write(`[${name}] ${text}`),
        end: (ok) => void write(`[${name}] ${ok ? "done" : "failed"} in ${seconds(now() - start)}`),
      };
    },
    skip: (name, why) => void write(`[${name}] ${why}`),
    note: (text) => void write(text),
  };
}

class TerminalProgress implements Progress {
  #stream: ProgressStream;
  #now: () => number;
  #running = new Map<string, { start: number; last: string }>();
  #drawn = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(stream: ProgressStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
  }

  begin(name: string): Step {
    const state = { start: this.#now(), last: "" };
    this.#running.set(name, state);
    // This timer only redraws the running times, so it must not keep the process alive.
    this.#timer ??= setInterval(() => this.#draw(), 200);
    this.#draw();
    return {
      line: (text) => {
        state.last = text;
      },
      end: (ok) => {
        this.#running.delete(name);
        const mark = ok ? "\u001b[32m\u2714\u001b[0m" : "\u001b[31m\u2718\u001b[0m";
        this.#print(`${mark} ${name}  ${seconds(this.#now() - state.start)}`);
        if (this.#running.size > 0) return;
        clearInterval(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  skip(name: string, why: string): void {
    this.#print(`\u001b[2m\u2714 ${name}  ${why}\u001b[0m`);
  }

  note(text: string): void {
    this.#print(text);
  }

  #print(text: string): void {
    this.#stream.write(`${this.#erase()}${text}\n`);
    this.#draw();
  }

  #draw(): void {
    const width = (this.#stream.columns ?? 80) - 1;
    const lines = [...this.#running].map(([name, { start, last }]) =>
      // Control characters in the output of the engine must not move our cursor.
      // eslint-disable-next-line no-control-regex
      `  ${name}  ${seconds(this.#now() - start)}  ${last.replace(/\u001b\[[0-9;]*[A-Za-z]|[\u0000-\u001f]/g, " ")}`.slice(
        0,
        width,
      ),
    );
    this.#stream.write(this.#erase() + lines.map((line) => `${line}\n`).join(""));
    this.#drawn = lines.length;
  }

  #erase(): string {
    const text = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\u001b[0J`;
    this.#drawn = 0;
    return text;
  }
}

/** A duration as people read it: 0.4s, 12.3s, 2m05s. */
export function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
}
