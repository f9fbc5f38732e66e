import { errorText } from "../cli/errors.ts";
import { printable } from "../cli/printable.ts";
import { LastWords, quotedEnd, runBounded } from "./bounded-run.ts";

/** Most output that is kept, in bytes. crictl says what is wrong in its last lines. */
const MAX_OUTPUT = 16_384;

/** How a program ended. */
export interface Outcome {
  ok: boolean;
  /** On one line: what it said last, or how it ended. */
  text: string;
}

/**
 * Runs a program of the node to its end, with nothing to read and no environment. After the time limit, and when the
 * signal is aborted, it and its children are killed.
 *
 * @param command what runs it: words before the program's own, such as those of `control-plane run-on-node`
 */
export async function runToEnd(command: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<Outcome> {
  const words = new LastWords(MAX_OUTPUT);
  const bounds = { env: {}, timeoutMs, said: (_stream: string, piece: Buffer) => words.add(piece) };
  try {
    const run = runBounded(command, bounds, signal);
    const ending = await run.ended;
    // Whoever goes on finds it gone.
    await run.gone;
    if (ending.how === "timeout") return { ok: false, text: `it does not end within ${timeoutMs / 1000} s` };
    const how = ending.how === "aborted" ? "SIGKILL" : (ending.signal ?? `exit code ${ending.code}`);
    const text = quotedEnd(printable(words.toString(), MAX_OUTPUT)) || `it ends with ${how}`;
    return { ok: ending.how === "ended" && ending.code === 0, text };
  } catch (error) {
    return { ok: false, text: errorText(error) };
  }
}
