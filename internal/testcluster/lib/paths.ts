import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** The root of the checkout. */
export const checkout = join(import.meta.dir, "../../..");

/** Where built programs and other things that outlive a run are kept: $ONLOADCTL_CACHE, else ~/.cache/onloadctl. */
export const cacheFolder =
  process.env["ONLOADCTL_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "onloadctl");

/** Parent of the state folders of running clusters. Short, because Unix socket paths are limited to 107 bytes. */
export const runsFolder = join(tmpdir(), `onloadctl-${process.getuid?.() ?? 0}`);

/** The compiled executable that scripts/build makes. */
export const executable = join(checkout, "dist/onloadctl");
