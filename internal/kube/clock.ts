/** Time as it passes, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch, for times that others read. People and NTP set it: never subtract two of them. */
  now(): number;
  /** Milliseconds since some moment; they only grow. For intervals. */
  monotonic(): number;
  /** Calls `fn` once after `ms` milliseconds, unless the returned function is called before. */
  after(ms: number, fn: () => void): () => void;
}

// setTimeout fires at once for anything longer.
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), MAX_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/**
 * Waits.
 *
 * @throws the signal's reason, at once, when it aborts
 */
export function sleep(ms: number, signal?: AbortSignal, clock: Clock = systemClock): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** What `promise` gives; rejects with the signal's reason, at once, when the signal aborts. What goes on is left alone. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", stop));
}

/** Calls `start` when the signal aborts, or at once if it has. The returned function undoes what `start` did. */
export function onAbort(signal: AbortSignal, start: () => () => void): () => void {
  let undo: (() => void) | undefined;
  const listener = (): void => {
    undo = start();
  };
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
  return () => {
    signal.removeEventListener("abort", listener);
    undo?.();
  };
}
