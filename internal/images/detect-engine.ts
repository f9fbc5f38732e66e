import { basename, dirname } from "node:path";
import { diagnose, lastLines } from "./diagnose.ts";
import { ENGINE_NAMES, engineCommands, type Engine, type EngineName, type RegistryOptions } from "./engine.ts";
import type { Runner } from "./runner.ts";

/** Options of findEngine. */
export interface FindOptions {
  runner: Runner;
  /** Default: the first of podman, docker and buildah that works. */
  wanted?: EngineName | undefined;
  registry: RegistryOptions;
  /** Whether this process runs as root. */
  root: boolean;
  /** Whether only the commands are shown. An engine that is asked for by name then need not work. */
  dryRun?: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Finds an engine that can work.
 *
 * @throws Error naming what each engine lacks
 */
export async function findEngine(options: FindOptions): Promise<Engine> {
  const reasons: string[] = [];
  for (const name of options.wanted ? [options.wanted] : ENGINE_NAMES) {
    const engine = withCredentials(engineCommands(name, options.root), options.registry);
    if (options.dryRun && options.wanted) return engine;
    const reason = await problem(engine, options);
    if (reason === undefined) return engine;
    reasons.push(`${name}: ${reason}`);
  }
  const remedy = options.wanted
    ? "choose another with --engine"
    : "install podman, docker or buildah, or start the one there is";
  throw new Error(`Cannot use a container engine (${reasons.join("; ")}): ${remedy}`);
}

/** Docker reads credentials only from a file config.json, and only by a variable that names the folder of that file. */
function withCredentials(engine: Engine, { authfile }: RegistryOptions): Engine {
  if (engine.name !== "docker" || authfile === undefined) return engine;
  if (basename(authfile) !== "config.json") {
    throw new Error(`Cannot give ${authfile} to docker: it reads credentials only from a file named config.json`);
  }
  return { ...engine, env: { ...engine.env, DOCKER_CONFIG: dirname(authfile) } };
}

async function problem(engine: Engine, { runner, signal }: FindOptions): Promise<string | undefined> {
  try {
    const { code, output } = await runner.run(engine.probe(), { env: engine.env, signal });
    if (code === 0) return undefined;
    return diagnose(output)?.cause ?? lastLines(output, 1)[0] ?? `exits with ${code}`;
  } catch (error) {
    signal?.throwIfAborted();
    const { cause } = error as Error & { cause?: NodeJS.ErrnoException };
    return cause?.code === "ENOENT" ? "not installed" : (error as Error).message;
  }
}
