import http from "node:http";
import https from "node:https";
import net, { type Socket } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { TlsOptions } from "./credentials.ts";
import type { Proxy } from "./proxy.ts";
import { established, openForwarding, openTunnel, type Target } from "./proxy-tunnel.ts";

/** Told of a new connection, or why there is none. The types of Node demand a stream in both cases. */
type Done = (error: Error | null, stream: Duplex) => void;

/** Makes HTTPS connections through a proxy. */
export class ProxiedHttpsAgent extends https.Agent {
  readonly #connect: () => Promise<Socket>;

  constructor(options: https.AgentOptions, proxy: Proxy, target: Target, trust: TlsOptions) {
    super(options);
    this.#connect = async () => {
      const socket = await openTunnel(proxy, target, trust);
      const servername = trust.servername ?? (net.isIP(target.host) === 0 ? target.host : "");
      const secured = tls.connect({ ...trust, socket, host: target.host, servername });
      return withIdleTimeout(await established(secured, "secureConnect"), options);
    };
  }

  override createConnection(_options: https.RequestOptions, done?: Done): undefined {
    void tell(this.#connect(), done);
  }
}

/**
 * Makes HTTP connections through a proxy. Like Go's client it asks a proxy of HTTP for no tunnel, which many allow to
 * port 443 alone: the requests name the server, see `isForwarded`.
 */
export class ProxiedHttpAgent extends http.Agent {
  readonly #connect: () => Promise<Socket>;

  constructor(options: http.AgentOptions, proxy: Proxy, target: Target, trust: TlsOptions) {
    super(options);
    this.#connect = async () => {
      const socket = isForwarded(proxy, false) ? openForwarding(proxy, trust) : openTunnel(proxy, target, trust);
      return withIdleTimeout(await socket, options);
    };
  }

  override createConnection(_options: http.ClientRequestArgs, done?: Done): undefined {
    void tell(this.#connect(), done);
  }
}

/**
 * Whether a proxy passes on each request by itself, and must be told the whole URL and its login with each.
 *
 * @param secure whether the server is reached by TLS
 */
export function isForwarded(proxy: Proxy, secure: boolean): boolean {
  return !secure && proxy.protocol !== "socks5:";
}

/** The agent itself closes a connection only if that says that it has been idle for too long. */
function withIdleTimeout(socket: Socket, { timeout }: http.AgentOptions): Socket {
  if (timeout !== undefined) socket.setTimeout(timeout);
  return socket;
}

async function tell(connecting: Promise<Socket>, done: Done = () => undefined): Promise<void> {
  let socket: Socket;
  try {
    socket = await connecting;
  } catch (error) {
    done(error as Error, undefined as never);
    return;
  }
  done(null, socket);
}
