/** How many pieces are held before they are joined: a piece of one byte takes a hundred. */
const MAX_PIECES = 65_536;

/** Bytes that come in pieces of any size, joined once. Holds little more than the bytes themselves. */
export class Pieces {
  #held: Uint8Array[] = [];
  #size = 0;

  /** How many bytes there are. */
  get size(): number {
    return this.#size;
  }

  push(piece: Uint8Array): void {
    this.#held.push(piece);
    this.#size += piece.length;
    if (this.#held.length > MAX_PIECES) this.#held = [Buffer.concat(this.#held)];
  }

  /** All bytes, which are then held no more. */
  take(): Buffer {
    const all = Buffer.concat(this.#held);
    this.#held = [];
    this.#size = 0;
    return all;
  }
}
