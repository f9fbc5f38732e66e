import { basename, dirname } from "node:path";
import { diagnose, lastLines } from "./diagnose.ts";
import type { RegistryAccess } from "./access.ts";
import { ENGINE_NAMES, engineCommands, type Engine, type EngineName } from "./engine.ts";
import type { Runner } from "./runner.ts";

/** Options of findEngine. */
export interface FindOptions {
  runner: Runner;
  /** Default: the first of podman, docker and buildah that works. */
  wanted?: EngineName | undefined;
  registry: Pick<RegistryAccess, "authfile">;
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
    const engine = await withBuilder(withCredentials(engineCommands(name, options.root), options.registry), options);
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
function withCredentials(engine: Engine, { authfile }: Pick<RegistryAccess, "authfile">): Engine {
  if (engine.name !== "docker" || authfile === undefined) return engine;
  if (basename(authfile) !== "config.json") {
    throw new Error(`Cannot give ${authfile} to docker: it reads credentials only from a file named config.json`);
  }
  return { ...engine, env: { ...engine.env, DOCKER_CONFIG: dirname(authfile) } };
}

/**
 * Has docker build where it keeps its images. `docker buildx use`, `docker buildx install` and $BUILDX_BUILDER can choose a
 * builder in a container of its own (driver docker-container), which neither sees docker's images nor adds to them. The
 * builder that has the name of the current context is that of the docker engine itself.
 */
async function withBuilder(engine: Engine, { runner, signal }: FindOptions): Promise<Engine> {
  if (engine.name !== "docker") return engine;
  const context = await runner.run(["docker", "context", "show"], { env: engine.env, signal }).catch(() => undefined);
  signal?.throwIfAborted();
  const name = context?.code === 0 ? context.stdout.trim() : "";
  return /^[\w.+-]+$/.test(name) ? { ...engine, env: { ...engine.env, BUILDX_BUILDER: name } } : engine;
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
