/** A view that is drawn anew on every change: in place on a terminal, else as one block after another. */
import { errorText } from "../../cli/errors.ts";
import type { Line, Terminal } from "../../cli/output.ts";
import { formatAge } from "../../cli/table.ts";
import { isOutage } from "../../kube/errors.ts";

/** A view is drawn at most this often. */
const FRAME_MS = 200;
/** Ages grow even when nothing happens. */
const TICK_MS = 1000;
/** An answer that takes longer makes what is shown old. */
const SLOW_MS = 3000;
/** The API server is asked again after this time when it is away. */
const AGAIN_MS = 2000;

/** What is drawn, and by whom. */
export interface LiveView {
  /** Gives what to show; isOutage errors are waited out once something has been shown. */
  draw: () => Promise<readonly Line[]>;
  /** Is given a function to call when what is shown may have changed. */
  subscribe: (changed: () => void) => void;
  /** Whether the text is JSON or YAML, which programs read from a pipe. */
  isData?: boolean;
  /** Told once for each time that the API server is away, where nothing is drawn in place. */
  onOutage?: (text: string) => void;
}

/**
 * Draws until the signal aborts. While the API server is away, what was seen last stays, marked as old.
 *
 * @throws whatever `draw` throws but for an outage; that too if nothing has been shown yet; OutputError if nothing can
 *   be written
 */
export async function drawLive(screen: Terminal, view: LiveView, signal: AbortSignal): Promise<void> {
  const state = new Shown(screen, view);
  let stale = true;
  let wake: () => void = () => undefined;
  view.subscribe(() => {
    stale = true;
    wake();
  });
  signal.addEventListener("abort", () => wake(), { once: true });
  while (!signal.aborted) {
    if (stale) {
      stale = false;
      if (!(await look(view, state, signal))) stale = true;
      // Nothing else would tell that the output is full, or that its reader is gone, before something changes.
      await screen.drained();
    }
    if (signal.aborted) break;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, state.isOld ? AGAIN_MS : screen.isTTY ? TICK_MS : 2 ** 30);
      wake = () => {
        clearTimeout(timer);
        setTimeout(resolve, signal.aborted ? 0 : FRAME_MS);
      };
      if ((stale && !state.isOld) || signal.aborted) wake();
    });
    if (screen.isTTY) stale = true;
  }
  // The prompt of the shell begins on a line of its own.
  if (screen.isTTY) screen.write("\n");
}

/** @returns false if the API server is away */
async function look({ draw }: LiveView, state: Shown, signal: AbortSignal): Promise<boolean> {
  const began = performance.now();
  const slow = setInterval(() => {
    if (performance.now() - began >= SLOW_MS) state.old("the API server has not answered yet");
  }, TICK_MS);
  try {
    state.show(await draw());
    return true;
  } catch (error) {
    if (signal.aborted) return true;
    if (!isOutage(error) || !state.hasShown) throw error;
    state.old(errorText(error));
    return false;
  } finally {
    clearInterval(slow);
  }
}

/** What is on the screen. */
class Shown {
  readonly #screen: Terminal;
  readonly #view: LiveView;
  #lines: readonly Line[] | undefined;
  #text = "";
  #at = 0;
  #outage = "";

  constructor(screen: Terminal, view: LiveView) {
    this.#screen = screen;
    this.#view = view;
  }

  get hasShown(): boolean {
    return this.#lines !== undefined;
  }

  /** Whether what is shown is old. */
  get isOld(): boolean {
    return this.#outage !== "";
  }

  show(lines: readonly Line[]): void {
    const wasOld = this.isOld;
    this.#lines = lines;
    this.#at = performance.now();
    this.#outage = "";
    const text = lines.map((line) => `${line.text}\n`).join("");
    const isNew = text !== this.#text || wasOld;
    this.#text = text;
    if (!isNew) return;
    if (this.#screen.isTTY) this.#screen.redrawLines(lines);
    else if (this.#view.isData) this.#screen.writeData(`${text}\n`);
    else this.#screen.write(`${text}\n`);
  }

  /** Marks what is shown as old. */
  old(why: string): void {
    const isFirst = !this.isOld;
    this.#outage = why;
    if (!this.#screen.isTTY) {
      if (isFirst) this.#view.onOutage?.(`${why}; trying again`);
      return;
    }
    const age = formatAge(performance.now() - this.#at);
    const mark: Line = { text: `OLD: this was seen ${age} ago, reconnecting: ${why}`, colour: "red" };
    this.#screen.redrawLines([mark, ...(this.#lines ?? []).map(({ text }): Line => ({ text, colour: "dim" }))]);
  }
}
