import { drained } from "../cli/output.ts";
import type { Client } from "../kube/client.ts";
import { Lines, runOnNode, type PodStacks } from "./stacks.ts";
import { isLineOf, stackdumpCommand } from "./views.ts";

/** Of a thousand sockets, lots has some megabytes. */
const MAX_BYTES = 256 * 1024 * 1024;

export interface ShowDeps {
  client: Client;
  stacks: PodStacks;
  /** One of VIEWS. */
  view: string;
  /** Take lines of the tool's output, and what it says besides. */
  show: (line: string) => void;
  say: (line: string) => void;
}

/**
 * Shows a view of a pod's stacks.
 *
 * @param signal when it is aborted, the tool is ended, and what it has said until then is shown
 * @returns the tool's exit code
 * @throws Error if it says more than anybody reads
 */
export async function showStacks(
  { client, stacks: { plugin, ids }, view, show, say }: ShowDeps,
  signal: AbortSignal,
): Promise<number> {
  const tooMuch = new AbortController();
  const lines = new Lines((line) => {
    if (isLineOf(view, ids, line)) show(line);
  });
  const errors = new Lines(say);
  let left = MAX_BYTES;
  const code = await runOnNode(
    client,
    plugin,
    stackdumpCommand(view, ids),
    async (stream, bytes) => {
      left -= bytes.length;
      if (left < 0) return tooMuch.abort();
      (stream === "stdout" ? lines : errors).add(bytes);
      // The next piece is asked for when this one is out.
      await drained();
    },
    AbortSignal.any([signal, tooMuch.signal]),
  );
  lines.end();
  errors.end();
  if (tooMuch.signal.aborted && !signal.aborted) {
    throw new Error(`Cannot show all of it: it has more than ${MAX_BYTES} bytes`);
  }
  return code;
}
