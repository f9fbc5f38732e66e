/** A view that is drawn anew on every change: in place on a terminal, else as one block after another. */
import { stripVTControlCharacters } from "node:util";

/** Where a live view is drawn. */
export interface Screen {
  isTTY?: boolean | undefined;
  rows?: number | undefined;
  columns?: number | undefined;
  write(text: string): unknown;
}

const HOME_AND_CLEAR = "\u001b[H\u001b[J";
/** A view is drawn at most this often. */
const FRAME_MS = 200;

/**
 * Draws until the signal aborts.
 *
 * @param draw gives the text to show
 * @param subscribe is given a function to call when the text may have changed
 */
export async function drawLive(
  screen: Screen,
  draw: () => Promise<string>,
  subscribe: (changed: () => void) => void,
  signal: AbortSignal,
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
      if (text !== shown) screen.write(screen.isTTY ? HOME_AND_CLEAR + fit(text, screen) : `${text}\n`);
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
function fit(text: string, { rows = 24, columns = 80 }: Screen): string {
  const lines = text.split("\n");
  const shown =
    lines.length > rows - 1 ? [...lines.slice(0, rows - 2), `... ${lines.length - rows + 2} more lines`] : lines;
  return shown
    .map((line) => (stripVTControlCharacters(line).length > columns ? line.slice(0, columns) : line))
    .join("\n");
}
