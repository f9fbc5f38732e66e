/** What the commands that run a container engine share. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { Args } from "../../internal/cli/command.ts";
import { standardError } from "../../internal/cli/output.ts";
import { VERSION } from "../../internal/cli/version.ts";
import { ENGINE_NAMES } from "../../internal/images/engine.ts";
import { createProgress } from "../../internal/images/progress.ts";
import type { RunDeps } from "../../internal/images/run.ts";
import { processRunner } from "../../internal/images/runner.ts";

/** Flags of every command that runs a container engine. */
export const engineArgs = {
  engine: {
    type: "enum",
    options: [...ENGINE_NAMES],
    description: "Container engine (default: the first of podman, docker and buildah that works)",
  },
  authfile: { type: "string", valueHint: "FILE", description: "Registry logins to use instead of those of the engine" },
  "insecure-registry": {
    type: "string",
    repeatable: true,
    valueHint: "HOST[:PORT]",
    description: "Registry that may lack TLS or have an unknown certificate; those on loopback always may",
  },
  sbom: {
    type: "string",
    valueHint: "FOLDER",
    description: "Write each image's bill of materials (CycloneDX) into this folder",
  },
} as const satisfies Args;

/** The dependencies of functions in internal/images: this process, its terminal and its cache folder. */
export function runDeps(signal: AbortSignal): RunDeps {
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "onloadctl");
  const progress = createProgress(standardError);
  return {
    runner: processRunner,
    progress,
    signal,
    version: VERSION,
    cache,
    root: process.getuid?.() === 0,
    now: Date.now,
  };
}
