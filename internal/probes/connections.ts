import type { Socket } from "node:net";

/**
 * The open connections of a server, at most so many. One more costs the oldest connection of the address that has the
 * most: a client that opens connections without end loses its own, and the kubelet's and Prometheus' stay.
 */
export class Connections {
  readonly #most: number;
  /** With the address of the client; the oldest first. */
  readonly #open = new Map<Socket, string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes a new connection; it is forgotten when it closes. */
  add(socket: Socket): void {
    this.#open.set(socket, socket.remoteAddress ?? "");
    socket.on("close", () => this.#open.delete(socket));
    if (this.#open.size > this.#most) this.#end(this.#leastFair());
  }

  endAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #leastFair(): Socket {
    const counts = new Map<string, number>();
    for (const address of this.#open.values()) counts.set(address, (counts.get(address) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const [socket, address] of this.#open) if (counts.get(address) === most) return socket;
    throw new Error("Cannot choose a connection to end: none is open");
  }

  /** A connection that is being ended counts no more. */
  #end(socket: Socket): void {
    this.#open.delete(socket);
    socket.destroy();
  }
}
