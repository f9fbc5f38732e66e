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

  /** All bytes, which are then held no more. Of a single piece they are no copy: whoever keeps them keeps all of its memory. */
  take(): Uint8Array {
    const [first] = this.#held;
    // Most lines of a watch come in one piece, and copying them is a third of what it takes to read them.
    const all = first && this.#held.length === 1 ? first : Buffer.concat(this.#held);
    this.#held = [];
    this.#size = 0;
    return all;
  }
}
