import { connect } from "node:net";
import { parseJson } from "../cli/json.ts";
import type { LookAnswer, LookRequest, StackRequest } from "./facts.ts";
import { readLine } from "./line.ts";
import type { StackReading } from "./stack-counters.ts";

/** Several times what the largest look takes. */
const TIMEOUT_MS = 60_000;
/** Longer than the tool that is run for it may take. */
const STACKS_TIMEOUT_MS = 15_000;
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
  try {
    return await ask<LookAnswer>(socket, request, signal, timeoutMs);
  } catch (cause) {
    throw new Error(`Cannot look into containers: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Asks it for counters of stacks.
 *
 * @throws Error
 */
export async function askForStacks(
  socket: string,
  request: StackRequest,
  signal: AbortSignal,
  timeoutMs = STACKS_TIMEOUT_MS,
): Promise<StackReading> {
  return await ask<StackReading>(socket, request, signal, timeoutMs);
}

async function ask<Answer extends object>(
  socket: string,
  request: LookRequest | StackRequest,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Answer> {
  const connection = connect(socket);
  const stop = (): void => void connection.destroy();
  signal.addEventListener("abort", stop);
  try {
    connection.write(`${JSON.stringify(request)}\n`);
    // It is of this program too, and of the same version: both containers run one copy of it.
    const answer = parseJson(await readLine(connection, { limit: MAX_ANSWER, timeoutMs })) as
      | Answer
      | { error: string };
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  } finally {
    signal.removeEventListener("abort", stop);
    connection.on("error", () => undefined);
    connection.destroy();
  }
}
