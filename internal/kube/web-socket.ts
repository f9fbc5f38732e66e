/** Frames of WebSocket (RFC 6455), as a client sends and gets them over a connection that has changed to it. */
import { createHash, randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { Buffer } from "node:buffer";

/** A message of bytes or text; the others are answered here. */
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
/** The API server sends what a program prints in pieces of some ten thousand bytes. */
const MAX_FRAME = 4 * 1024 * 1024;
/** RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A key for the header sec-websocket-key, and what the server answers to it in sec-websocket-accept. */
export function webSocketKey(): { key: string; accept: string } {
  const key = randomBytes(16).toString("base64");
  return { key, accept: createHash("sha1").update(`${key}${GUID}`).digest("base64") };
}

/** A frame from a client, whose contents are always masked. */
export function clientFrame(opcode: number, payload: Uint8Array): Buffer {
  const mask = randomBytes(4);
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i % 4]!)]);
}

interface Frame {
  opcode: number;
  payload: Buffer;
}

/** Takes whole frames off the beginning of what has come. @throws Error if that is no WebSocket */
function takeFrame(bytes: Buffer): { frame: Frame; rest: Buffer } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < head) return undefined;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if ((bytes[1]! & 0x80) !== 0 || length > MAX_FRAME) throw new Error("the server does not answer as a WebSocket");
  if (bytes.length < head + length) return undefined;
  const payload = bytes.subarray(head, head + length);
  return { frame: { opcode: bytes[0]! & 0x0f, payload }, rest: bytes.subarray(head + length) };
}

/** A WebSocket to a server. */
export class WebSocketConnection {
  readonly #socket: Duplex;
  readonly #head: Buffer;
  /** When something came last, on a clock that does not go back. */
  #heardAt = performance.now();

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#head = head;
    // Told by the reader.
    socket.on("error", () => undefined);
  }

  /** Milliseconds since something came. */
  get silentMs(): number {
    return performance.now() - this.#heardAt;
  }

  send(payload: Uint8Array): void {
    this.#write(OPCODE.binary, payload);
  }

  /** Asks the server for a sign of life. */
  ping(): void {
    this.#write(OPCODE.ping, new Uint8Array());
  }

  close(): void {
    this.#socket.destroy();
  }

  /** What comes, piece by piece; a message may be in several. It ends with the server's close. @throws Error when the connection breaks */
  async *pieces(): AsyncGenerator<Buffer> {
    let bytes = this.#head;
    for (;;) {
      for (let taken = takeFrame(bytes); taken; taken = takeFrame(bytes)) {
        bytes = taken.rest;
        const { opcode, payload } = taken.frame;
        if (opcode === OPCODE.close) return;
        if (opcode === OPCODE.ping) this.#write(OPCODE.pong, payload);
        else if (opcode !== OPCODE.pong && payload.length > 0) yield payload;
      }
      const chunk = await this.#next();
      if (chunk === undefined) throw new Error("the connection was closed");
      this.#heardAt = performance.now();
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    }
  }

  /** The next bytes; undefined at the end. Nothing more is read until it is called again. */
  #next(): Promise<Buffer | undefined> {
    const socket = this.#socket;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
    const onData = (chunk: Buffer): void => {
      socket.pause();
      resolve(chunk);
    };
    const onEnd = (): void => resolve(undefined);
    socket.on("data", onData).on("end", onEnd).on("close", onEnd).on("error", reject);
    if (socket.destroyed) resolve(undefined);
    socket.resume();
    return promise.finally(() => socket.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", reject));
  }

  #write(opcode: number, payload: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(clientFrame(opcode, payload));
  }
}
