/** A view that is drawn anew on every change: in place on a terminal, else as one block after another. */
import type { Terminal } from "../../cli/output.ts";
import { printableLines } from "../../cli/printable.ts";

/** A view is drawn at most this often. */
const FRAME_MS = 200;

/**
 * Draws until the signal aborts.
 *
 * @param draw gives the text to show
 * @param subscribe is given a function to call when the text may have changed
 * @param isData whether the text is JSON or YAML, which programs read from a pipe
 */
export async function drawLive(
  screen: Terminal,
  draw: () => Promise<string>,
  subscribe: (changed: () => void) => void,
  signal: AbortSignal,
  isData = false,
): Promise<void> {
  let wake: () => void = () => undefined;
  let stale = true;
  let shown = "";
  subscribe(() => {
    stale = true;
    wake();
  });
  signal.addEventListener("abort", () => wake(), { once: true });
  while (!signal.aborted) {
    if (stale) {
      stale = false;
      const text = await draw();
      if (text !== shown) {
        if (screen.isTTY) screen.redraw(fit(text, screen));
        else if (isData) screen.writeData(`${text}\n`);
        else screen.write(`${text}\n`);
      }
      shown = text;
    }
    await new Promise<void>((resolve) => {
      // Ages grow even when nothing happens.
      const timer = setTimeout(resolve, screen.isTTY ? 1000 : 2 ** 30);
      wake = () => {
        clearTimeout(timer);
        setTimeout(resolve, signal.aborted ? 0 : FRAME_MS);
      };
      if (stale || signal.aborted) wake();
    });
    if (screen.isTTY) stale = true;
  }
}

/** What fits on the screen, so that the top stays in place. */
function fit(text: string, { rows, columns }: Terminal): string {
  const lines = printableLines(text).split("\n");
  const shown =
    lines.length > rows - 1 ? [...lines.slice(0, rows - 2), `... ${lines.length - rows + 2} more lines`] : lines;
  return shown.map((line) => line.slice(0, columns)).join("\n");
}
