/** Limits of a wait. The error names what was waited for. */
export interface PollOptions {
  readonly what: string;
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks again until the answer is neither undefined nor false, and returns it.
 * An attempt that throws counts as "not yet"; its message is in the error when time runs out (60 s by default).
 */
export async function poll<T>(
  attempt: () => Promise<T | undefined | false> | T | undefined | false,
  options: PollOptions,
): Promise<T> {
  const { what, timeoutMs = 60_000, intervalMs = 50, signal } = options;
  const end = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const answer = await attempt();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const reason = last instanceof Error ? `: ${last.message}` : "";
      throw new Error(`${what} did not happen within ${timeoutMs / 1000} s${reason}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
