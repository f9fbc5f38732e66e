import type { ClientUnaryCall, ServiceError } from "@grpc/grpc-js";

/** Options of every client of a kubelet's socket: no proxy of the environment is for it. */
export const KUBELET_CLIENT_OPTIONS = { "grpc.enable_http_proxy": 0, "grpc.enable_channelz": 0 } as const;

/**
 * Makes one call and waits for its answer.
 *
 * @param action what is tried, for the error: `Cannot register with the kubelet at PATH`
 * @param start begins the call
 * @throws Error "ACTION: reason" if the kubelet refuses or does not answer in time; that, or the signal's reason, when the
 *   signal is aborted
 */
export async function callKubelet<T>(
  action: string,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  start: (done: (cause: ServiceError | null, answer: T) => void) => ClientUnaryCall,
): Promise<T> {
  let cancel: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  let overdue = false;
  try {
    return await new Promise<T>((resolve, reject) => {
      signal.throwIfAborted();
      const call = start((cause, answer) => {
        if (cause === null) return resolve(answer);
        const reason = overdue ? `no answer within ${timeoutMs / 1000} s` : cause.details;
        reject(new Error(`${action}: ${reason}`, { cause }));
      });
      cancel = () => call.cancel();
      // Not gRPC's own deadline, which is a time of day: a clock that is set would move it.
      timer = setTimeout(() => {
        overdue = true;
        call.cancel();
      }, timeoutMs);
      signal.addEventListener("abort", cancel);
    });
  } finally {
    clearTimeout(timer);
    if (cancel) signal.removeEventListener("abort", cancel);
  }
}
