import { Terminal, type Painted, type Stream } from "../cli/output.ts";
import { printable } from "../cli/printable.ts";

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
export function createProgress(stream: Stream | Terminal, now: () => number = Date.now): Progress {
  const terminal = stream instanceof Terminal ? stream : new Terminal(stream);
  return terminal.useColour ? new TerminalProgress(terminal, now) : plainProgress(terminal, now);
}

function plainProgress(terminal: Terminal, now: () => number): Progress {
  const write = (text: string): void => terminal.write(`${text}\n`);
  return {
    begin(name) {
      const start = now();
      write(`[${name}] started`);
      return {
        line: (text) => write(`[${name}] ${text}`),
        end: (ok) => write(`[${name}] ${ok ? "done" : "failed"} in ${seconds(now() - start)}`),
      };
    },
    skip: (name, why) => write(`[${name}] ${why}`),
    note: (text) => write(text),
  };
}

class TerminalProgress implements Progress {
  #terminal: Terminal;
  #now: () => number;
  #running = new Map<string, { start: number; last: string }>();
  #drawn = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(terminal: Terminal, now: () => number) {
    this.#terminal = terminal;
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
        const mark: Painted = ok ? { text: "\u2714", colour: "green" } : { text: "\u2718", colour: "red" };
        this.#print(mark, ` ${name}  ${seconds(this.#now() - state.start)}`);
        if (this.#running.size > 0) return;
        clearInterval(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  skip(name: string, why: string): void {
    this.#print({ text: `\u2714 ${name}  ${why}`, colour: "dim" });
  }

  note(text: string): void {
    this.#print(text);
  }

  #print(...pieces: (string | Painted)[]): void {
    this.#replace(0, ...pieces, "\n");
    this.#draw();
  }

  #draw(): void {
    const width = this.#terminal.columns - 1;
    const lines = [...this.#running].map(([name, { start, last }]) =>
      // One line each, or the next drawing would not find its place.
      `  ${name}  ${seconds(this.#now() - start)}  ${printable(last)}`.slice(0, width),
    );
    this.#replace(lines.length, lines.map((line) => `${line}\n`).join(""));
  }

  /** @param drawn number of lines that the next drawing replaces */
  #replace(drawn: number, ...pieces: (string | Painted)[]): void {
    this.#terminal.replaceLines(this.#drawn, ...pieces);
    this.#drawn = drawn;
  }
}

/** A duration as people read it: 0.4s, 12.3s, 2m05s. */
export function seconds(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
}
