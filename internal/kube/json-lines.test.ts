import { expect, test } from "bun:test";
import fc from "fast-check";
import { jsonLines } from "./json-lines.ts";

async function* inChunks(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0;
  for (const size of [...sizes, bytes.length]) {
    if (start < bytes.length) yield bytes.subarray(start, start + size);
    start += size;
  }
}

test("lines are the same however the bytes are cut, and an unfinished one is dropped", async () => {
  const line = fc.string({ unit: "grapheme", minLength: 1 }).map((text) => JSON.stringify(text));
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.array(fc.integer({ min: 1, max: 9 })),
      line,
      async (lines, sizes, unfinished) => {
        const text = lines.map((item) => `${item}\n`).join("") + unfinished;
        const seen: string[] = [];
        for await (const item of jsonLines(inChunks(new TextEncoder().encode(text), sizes)))
          seen.push(new TextDecoder().decode(item));
        expect(seen).toEqual(lines);
      },
    ),
  );
});

test("a line that never ends is given up, whatever the size of its pieces", async () => {
  for (const size of [1, 7, 4096]) {
    let sent = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; sent < 1_000_000; sent += size) yield new Uint8Array(size).fill(120);
    }
    const read = async (): Promise<void> => {
      for await (const line of jsonLines(endless(), 100_000)) throw new Error(String(line));
    };
    await expect(read()).rejects.toThrow("a line of the stream has more than 100000 bytes");
    expect(sent).toBeLessThan(110_000);
  }
});
