import type { Socket } from "node:net";

/**
 * The first line that comes, without its end.
 *
 * @throws Error if the connection ends before, the line is longer than `limit` bytes, or time is over
 */
export function readLine(
  connection: Socket,
  { limit, timeoutMs }: { limit: number; timeoutMs: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
    const stop = (): void => {
      clearTimeout(timer);
      connection.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onError);
    };
    const fail = (why: string, cause?: unknown): void => {
      stop();
      reject(new Error(why, { cause }));
    };
    const onData = (piece: Buffer): void => {
      const end = piece.indexOf(10);
      length += piece.length;
      if (length > limit) return fail(`more than ${limit} bytes in a line`);
      pieces.push(end < 0 ? piece : piece.subarray(0, end));
      if (end < 0) return;
      stop();
      resolve(Buffer.concat(pieces).toString());
    };
    const onEnd = (): void => fail("the connection was closed");
    const onError = (error: Error): void => fail(error.message, error);
    connection.on("data", onData).on("end", onEnd).on("close", onEnd).on("error", onError);
  });
}
