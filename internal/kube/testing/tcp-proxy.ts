import net from "node:net";
import type { AddressInfo } from "node:net";
import { URL } from "node:url";

/** A loopback TCP proxy, to break connections as networks do. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #opened = 0;

  private constructor(server: net.Server) {
    this.#server = server;
  }

  /** Forwards to `target`, a URL. */
  static async start(target: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(target);
    const server = net.createServer();
    const proxy = new TcpProxy(server);
    server.on("connection", (near) => {
      proxy.#opened++;
      const far = net.connect({ host: hostname, port: Number(port) });
      // A connection made while silent works: only those that were open before are dead.
      const link = { dead: false };
      proxy.#links.add(link);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        proxy.#sockets.add(from);
        from.on("data", (data) => void (link.dead || to.write(data)));
        from.on("error", () => undefined);
        from.on("close", () => {
          proxy.#sockets.delete(from);
          if (!link.dead) to.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
    return proxy;
  }

  readonly #links = new Set<{ dead: boolean }>();

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections taken so far. */
  get opened(): number {
    return this.#opened;
  }

  /** Whatever is sent over the connections that are open now is lost, in both directions, and nobody is told. */
  silence(): void {
    for (const link of this.#links) link.dead = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
