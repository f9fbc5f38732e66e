/**
 * Memory and time of build-images on images and tarballs that are far larger inside than outside.
 * Target: 300 MB at most, whatever the input (internal/images/bombs.test.ts holds it).
 *
 *   bun scripts/bench/bombs.ts
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE_BOMBS, readRelease, TARBALL_BOMBS, verifyTar, writeBomb } from "../../internal/images/testdata/bombs.ts";

const TARGET_MB = 300;
const folder = await mkdtemp(join(tmpdir(), "bombs-bench-"));
try {
  for (const [bombs, open] of [
    [IMAGE_BOMBS, verifyTar],
    [TARBALL_BOMBS, readRelease],
  ] as const) {
    for (const [name, bomb] of Object.entries(bombs)) {
      const file = join(folder, "bomb");
      await writeBomb(file, bomb);
      const start = performance.now();
      const { peakMb } = await open(folder, file);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      if (peakMb > TARGET_MB) process.exitCode = 1;
      console.log(`${peakMb > TARGET_MB ? "TOO MUCH" : "ok"}\t${peakMb.toFixed(0)} MB\t${seconds} s\t${name}`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
