import { counted } from "../cli/counted.ts";
import { open } from "node:fs/promises";
import { drained, printData } from "../cli/output.ts";
import { writing } from "../cli/writing.ts";
import type { Client } from "../kube/client.ts";
import type { PluginPod } from "../doctor/plugin-pods.ts";
import { Lines, runOnNode } from "./stacks.ts";
import { captureCommand } from "./views.ts";

/** Where a capture goes. */
export interface CaptureOutput {
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** A capture that somebody forgets must not fill a disk. */
const MAX_BYTES = 1024 * 1024 * 1024;
/** The flag that names the file. */
const SET_BY = "--write";

/** Standard output, for a pipe. */
export const standardOutputBytes: CaptureOutput = {
  async write(bytes) {
    printData(Uint8Array.from(bytes));
    await drained();
  },
  close: async () => undefined,
};

/** A file, which is made anew. @throws Error "Cannot write FILE: reason" */
export async function fileOutput(path: string): Promise<CaptureOutput> {
  const file = await writing(path, SET_BY, () => open(path, "w", 0o600));
  return { write: (bytes) => writing(path, SET_BY, () => file.appendFile(bytes)), close: () => file.close() };
}

export interface CaptureDeps {
  client: Client;
  plugin: PluginPod;
  /** Stacks to capture. */
  ids: readonly number[];
  /** Takes lines for people. */
  say: (line: string) => void;
}

/**
 * Captures until the signal is aborted, which is its usual end, or the tool ends.
 *
 * @returns the exit code for the caller
 */
export async function captureTo(
  output: CaptureOutput,
  { client, plugin, ids, say }: CaptureDeps,
  signal: AbortSignal,
): Promise<number> {
  const full = new AbortController();
  const errors = new Lines(say);
  let written = 0;
  try {
    const code = await runOnNode(
      client,
      plugin,
      captureCommand(ids),
      async (stream, bytes) => {
        if (stream === "stderr") return errors.add(bytes);
        if (written + bytes.length > MAX_BYTES) return full.abort();
        written += bytes.length;
        await output.write(bytes);
      },
      AbortSignal.any([signal, full.signal]),
    );
    errors.end();
    say(`Captured ${counted(written, "byte")}${full.signal.aborted ? `, the most that one capture has` : ""}`);
    return signal.aborted || full.signal.aborted || code === 0 ? 0 : 1;
  } finally {
    await output.close();
  }
}
