import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why no file system can be mounted here, to be told in the name of a test that is left out; undefined if one can. */
export function whyNoMount(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can mount a file system";
  try {
    new SmallDisk("size=64k").remove();
    return undefined;
  } catch (error) {
    return `nothing can be mounted here: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`;
  }
}

/** A file system of its own in memory (tmpfs), which is really full when it is full. */
export class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), "onload-disk-"));

  /** @param options of tmpfs, such as size=8m,nr_inodes=20 */
  constructor(options: string) {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", options, "onload-test", this.path], { stdio: "pipe" });
    } catch (error) {
      rmSync(this.path, { recursive: true });
      throw error;
    }
  }

  /** Bytes and inodes in use. */
  used(): { bytes: number; inodes: number } {
    const { blocks, bfree, bsize, files, ffree } = statfsSync(this.path);
    return { bytes: (blocks - bfree) * bsize, inodes: files - ffree };
  }

  remount(options: string): void {
    execFileSync("mount", ["-o", `remount,${options}`, this.path], { stdio: "pipe" });
  }

  remove(): void {
    execFileSync("umount", ["--lazy", this.path], { stdio: "pipe" });
    rmSync(this.path, { recursive: true });
  }
}
