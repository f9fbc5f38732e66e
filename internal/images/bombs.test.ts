import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE_BOMBS, readRelease, TARBALL_BOMBS, verifyTar, writeBomb } from "./testdata/bombs.ts";

/** The memory that opening any image may take, in MB; an empty program takes about 80. */
const PEAK_MB = 300;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bombs-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("verify looks into an image with", () => {
  for (const [name, bomb] of Object.entries(IMAGE_BOMBS)) {
    test(
      name,
      async () => {
        const file = join(folder, "image.tar");
        await writeBomb(file, bomb);
        const { stdout, stderr, peakMb } = await verifyTar(folder, file);
        if (bomb.says === undefined) expect(stdout).toContain("r.example/bomb:1\n");
        else {
          expect(stderr).toStartWith("Cannot read r.example/bomb:1: ");
          expect(stderr).toContain(bomb.says);
        }
        expect(peakMb).toBeLessThan(PEAK_MB);
      },
      120_000,
    );
  }
});

describe("build-images reads a release with", () => {
  for (const [name, bomb] of Object.entries(TARBALL_BOMBS)) {
    test(
      name,
      async () => {
        const file = join(folder, "onload.tgz");
        await writeBomb(file, bomb);
        const { code, stderr, peakMb } = await readRelease(folder, file);
        expect(stderr).toContain(`Cannot use ${file}: `);
        expect(stderr).toContain(bomb.says!);
        expect(code).toBe(1);
        expect(peakMb).toBeLessThan(PEAK_MB);
      },
      120_000,
    );
  }
});
