/** What the commands that run a container engine share. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { Args } from "../../internal/cli/command.ts";
import { standardError } from "../../internal/cli/output.ts";
import { VERSION } from "../../internal/cli/version.ts";
import { UsageError } from "../../internal/cli/errors.ts";
import { durationFlag } from "../../internal/cli/values.ts";
import { ENGINE_NAMES } from "../../internal/images/engine.ts";
import { createProgress } from "../../internal/images/progress.ts";
import type { RunDeps } from "../../internal/images/run.ts";
import { processRunner } from "../../internal/images/runner.ts";

const MAX_STEP_MS = 24 * 3_600_000;

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
  timeout: {
    type: "string",
    valueHint: "TIME",
    default: "2h",
    description: "Time limit for building, pulling, reading or pushing one image",
  },
  sbom: {
    type: "string",
    valueHint: "FOLDER",
    description: "Write each image's bill of materials (CycloneDX) into this folder",
  },
} as const satisfies Args;

/**
 * The dependencies of functions in internal/images: this process, its terminal and its cache folder.
 *
 * @param timeout the flag --timeout
 * @throws UsageError if that is no time
 */
export function runDeps(signal: AbortSignal, timeout?: string): RunDeps {
  const stepMs = timeout === undefined ? undefined : durationFlag("timeout", timeout);
  if (stepMs === 0 || (stepMs ?? 0) > MAX_STEP_MS)
    throw new UsageError(`Flag --timeout cannot be "${timeout}": give a time from 1s to 24h`);
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
    stepMs,
  };
}
