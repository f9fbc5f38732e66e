import net, { type Socket } from "node:net";
import tls from "node:tls";
import type { TlsOptions } from "./credentials.ts";
import { proxyAuthorization, type Proxy } from "./proxy.ts";

/** Longest time until a proxy has made a connection. */
const TIMEOUT_MS = 30_000;
/** Longest head of a proxy's answer. */
const MAX_HEAD_BYTES = 16_384;

/** Where a tunnel leads. */
export interface Target {
  host: string;
  port: number;
}

/**
 * A connection to `target` through a proxy.
 *
 * @param trust for a proxy that is reached by TLS: like kubectl, the same as for the server
 * @throws Error "proxy ADDRESS: reason", with the system's code if there is one
 */
export async function openTunnel(proxy: Proxy, target: Target, trust: TlsOptions): Promise<Socket> {
  return naming(proxy, async () => {
    if (proxy.protocol === "socks5:") return bySocks(proxy, target);
    const socket = await connected(proxy, trust);
    return byConnect(socket, proxy, target);
  });
}

/**
 * A connection to a proxy that passes each request on by itself (RFC 9112, 3.2.2).
 *
 * @throws Error "proxy ADDRESS: reason", with the system's code if there is one
 */
export async function openForwarding(proxy: Proxy, trust: TlsOptions): Promise<Socket> {
  return naming(proxy, () => connected(proxy, trust));
}

/** Lets an error name the proxy. */
async function naming<T>(proxy: Proxy, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    throw Object.assign(new Error(`proxy ${proxy.address}: ${message}`, { cause: error }), { code });
  }
}

/** A connection to the proxy itself. */
function connected({ protocol, host, port }: Proxy, trust: TlsOptions): Promise<Socket> {
  if (protocol !== "https:") return established(net.connect({ host, port }), "connect");
  const servername = net.isIP(host) === 0 ? { servername: host } : { servername: "" };
  return established(tls.connect({ host, port, ...trust, ...servername }), "secureConnect");
}

/** Waits for an event of a socket that says that it can be used. The socket is destroyed if it does not come. */
export function established<S extends Socket>(socket: S, event: "connect" | "secureConnect"): Promise<S> {
  return settled(socket, (resolve) => {
    const done = (): void => resolve(socket);
    socket.once(event, done);
    return () => socket.off(event, done);
  });
}

/** HTTP's CONNECT (RFC 9110, 9.3.6). */
function byConnect(socket: Socket, proxy: Proxy, { host, port }: Target): Promise<Socket> {
  const authority = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  const authorization = proxyAuthorization(proxy);
  const lines = [`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`];
  if (authorization !== undefined) lines.push(`Proxy-Authorization: ${authorization}`);
  return settled(socket, (resolve, reject) => {
    let head = "";
    const onData = (piece: Buffer): void => {
      head += piece.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0 && head.length <= MAX_HEAD_BYTES) return;
      const [, status] = /^HTTP\/1\.\d (\d{3})\b/.exec(head) ?? [];
      if (end < 0 || status === undefined) reject(new Error("it does not answer as an HTTP proxy does"));
      // Of what may follow, TLS makes nothing useful: the server speaks only after the client.
      else if (status.startsWith("2")) resolve(socket);
      else reject(new Error(refusal(status, `CONNECT ${authority}`, proxy)));
    };
    socket.on("data", onData);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    return () => socket.off("data", onData);
  });
}

/** What a proxy's answer means that does not let a request through, and what to do. */
export function refusal(status: string, request: string, { username }: Proxy): string {
  const answer = `it answers ${status} to ${request}`;
  if (status !== "407") return `${answer}: check what it allows, or except the server with NO_PROXY`;
  return username === undefined
    ? `${answer}: put its login into its URL, http://USER:PASSWORD@HOST:PORT`
    : `${answer}: its login is wrong`;
}

/** SOCKS 5; names are resolved by the proxy. */
async function bySocks({ host, port, username, password }: Proxy, target: Target): Promise<Socket> {
  const { SocksClient } = await import("socks");
  const login = username === undefined ? {} : { userId: username, password };
  const { socket } = await SocksClient.createConnection({
    proxy: { host, port, type: 5, ...login },
    command: "connect",
    destination: target,
    timeout: TIMEOUT_MS,
  });
  return socket.resume();
}

/** Ends with what `listen` says, with the socket's error or end, or after a time; it is destroyed then. */
function settled<T>(
  socket: Socket,
  listen: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      stop();
      socket.off("error", fail);
      socket.off("close", onClose);
      act();
    };
    const fail = (error: Error): void =>
      finish(() => {
        socket.on("error", () => undefined);
        socket.destroy();
        reject(error);
      });
    const onClose = (): void => fail(new Error("it closes the connection"));
    const timer = setTimeout(() => {
      fail(Object.assign(new Error(`no answer within ${TIMEOUT_MS / 1000} s`), { code: "ETIMEDOUT" }));
    }, TIMEOUT_MS);
    socket.on("error", fail);
    socket.on("close", onClose);
    const stop = listen((value) => finish(() => resolve(value)), fail);
  });
}
