/** Reads as much of a client's bytes as one request has, and no more. */
import type { Socket } from "node:net";

/** Bytes of a request's line and headers. Prometheus and the kubelet send less than 2 KB, a token included. */
const MAX_HEAD_BYTES = 8192;

export interface Request {
  /** In capitals, as it was sent. */
  method: string;
  /** Without the query. */
  path: string;
  /** What follows the question mark, as it was sent; "" if there is none. */
  query: string;
  /** The token of the header `Authorization: Bearer TOKEN`. */
  token: string | undefined;
}

/** Why a head is no request: the status to answer with. */
export type Refusal = 400 | 431;

/**
 * Passes on the head of a connection's first request: its line and headers, or as much as may come without their end.
 * Nothing is read afterwards. A client that ends its side before is cut off.
 */
export function readHead(socket: Socket, done: (head: string) => void): void {
  let head = "";
  const onData = (chunk: Buffer): void => {
    // Header by header in Latin-1, in which every byte is a character. One byte too many tells that it is too long.
    head += chunk.toString("latin1", 0, MAX_HEAD_BYTES + 1 - head.length);
    if (!isWhole(head) && head.length <= MAX_HEAD_BYTES) return;
    socket.off("data", onData);
    socket.pause();
    done(head);
  };
  socket.on("data", onData);
  socket.on("end", () => {
    if (!isWhole(head)) socket.destroy();
  });
}

/** The request that a head is. */
export function parseHead(head: string): Request | Refusal {
  if (!isWhole(head)) return 431;
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r\n/.exec(head) ?? [];
  if (method === undefined || target === undefined) return 400;
  const headers = head.slice(0, head.indexOf("\r\n\r\n") + 2);
  const [, token] = /\r\nauthorization:[ \t]*bearer +([\w.~+/=-]+)[ \t]*\r\n/i.exec(headers) ?? [];
  const path = target.split("?", 1)[0]!;
  return { method, path, query: target.slice(path.length + 1), token };
}

function isWhole(head: string): boolean {
  return head.includes("\r\n\r\n");
}
