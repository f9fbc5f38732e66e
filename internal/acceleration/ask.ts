import { connect } from "node:net";
import { parseJson } from "../cli/json.ts";
import type { LookAnswer, LookRequest } from "./facts.ts";
import { readLine } from "./line.ts";

/** Several times what the largest look takes. */
const TIMEOUT_MS = 60_000;
const MAX_ANSWER = 16 * 1024 * 1024;

/**
 * Asks the container onload-worker of this pod to look into containers (serve.ts).
 *
 * @throws Error "Cannot look into containers: reason"
 */
export async function askForLook(
  socket: string,
  request: LookRequest,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<LookAnswer> {
  const connection = connect(socket);
  const stop = (): void => void connection.destroy();
  signal.addEventListener("abort", stop);
  try {
    connection.write(`${JSON.stringify(request)}\n`);
    // It is of this program too, and of the same version: both containers run one copy of it.
    const answer = parseJson(await readLine(connection, { limit: MAX_ANSWER, timeoutMs })) as
      | LookAnswer
      | { error: string };
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  } catch (cause) {
    throw new Error(`Cannot look into containers: ${(cause as Error).message}`, { cause });
  } finally {
    signal.removeEventListener("abort", stop);
    connection.on("error", () => undefined);
    connection.destroy();
  }
}
