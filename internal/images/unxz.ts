import { Readable, type PassThrough } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type * as xzDecompress from "xz-decompress";

/** What the decoder's codes mean (xz-embedded, linux/xz.h). */
const CODES: Readonly<Record<string, string>> = {
  3: "its dictionary is larger than that of any module",
  4: "its dictionary is larger than that of any module",
  5: "it is not in the format of xz",
  6: "it is compressed in a way that the kernel does not read either, such as with a filter or a check by SHA-256",
  7: "it is damaged",
  8: "it is cut off",
};

type Package = typeof xzDecompress;

/**
 * Unpacks what is written to a stream with xz, piece by piece. The decoder is the kernel's own, in WebAssembly; only one
 * stream is unpacked at a time, others wait. So `input` must be ended or destroyed in any case.
 *
 * @throws Error in words, if that is no xz or damaged
 */
export async function* unxz(input: PassThrough): AsyncGenerator<Uint8Array> {
  const xz = (await import("xz-decompress")) as Package & { default?: Package };
  // Deno gives a package in CommonJS as the default export, Bun does not.
  const XzReadableStream = xz.default?.XzReadableStream ?? xz.XzReadableStream;
  const packed = Readable.toWeb(input) as unknown as ConstructorParameters<typeof XzReadableStream>[0];
  const unpacked = new XzReadableStream(packed) as unknown as ReadableStream<Uint8Array>;
  try {
    for await (const chunk of unpacked) yield chunk;
  } catch (cause) {
    const code = /error code (\d+)/.exec((cause as Error).message)?.[1];
    // The decoder reads a property of nothing if nothing at all came.
    throw new Error((code === undefined ? undefined : CODES[code]) ?? "it is empty or cut off", { cause });
  }
}
