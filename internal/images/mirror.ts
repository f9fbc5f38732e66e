/** Copies images from registry to registry, by skopeo: all platforms, with their digests as they are. */
import { DIGEST } from "../api/references.ts";
import { errorText } from "../cli/errors.ts";
import { reach, registryOf, type RegistryAccess } from "./access.ts";
import { diagnose, lastLines } from "./diagnose.ts";
import type { RunDeps } from "./run.ts";
import { shellLine } from "./shell.ts";

/** One image, and its name in the other registry. */
export interface Copy {
  from: string;
  to: string;
  command: string[];
}

/** The registry of names without one, as containerd and CRI-O take them. */
const DEFAULT_REGISTRY = "docker.io";
/** A name as registries take it: path, then tag, digest or both. */
// oxlint-disable-next-line no-restricted-globals -- It is made of a constant.
const NAME = new RegExp(`^([a-z0-9][a-z0-9._/-]{0,254})(:[\\w][\\w.-]{0,127})?(@${DIGEST})?$`);

// oxlint-disable-next-line no-restricted-globals -- The same.
const ONE_DIGEST = new RegExp(`^${DIGEST}$`);

/**
 * How to copy images. Each keeps its path, tag and digest behind the other registry's name.
 *
 * @param to HOST[:PORT][/PATH]
 * @throws Error if a name is none, or two images would get the same
 */
export function mirrorPlan(images: readonly string[], to: string, access: RegistryAccess): Copy[] {
  const sources = new Map<string, string>();
  return images.map((image) => {
    const { registry, rest } = nameOf(image);
    const from = `${registry}/${rest}`;
    const copy = `${to}/${rest}`;
    const other = sources.get(copy);
    if (other !== undefined) {
      throw new Error(`Cannot mirror ${other} and ${image}: both would be ${copy}; mirror one of them elsewhere`);
    }
    sources.set(copy, image);
    return { from: image, to: copy, command: copyCommand(from, copy, access) };
  });
}

/** An image's registry, and what follows it. A digest says more than a tag, and skopeo takes only one of them. */
function nameOf(image: string): { registry: string; rest: string } {
  const registry = registryOf(image);
  const name = registry === undefined ? image : image.slice(registry.length + 1);
  const [, path = "", tag = "", digest] = NAME.exec(name) ?? [];
  if (path === "" || !/^(?:[\w[][\w.[\]:-]*)?$/.test(registry ?? "")) {
    throw new Error(`Cannot mirror ${JSON.stringify(image)}: it is not an image name`);
  }
  const isOfDefault = registry === undefined || registry === DEFAULT_REGISTRY;
  return {
    registry: registry ?? DEFAULT_REGISTRY,
    rest: `${isOfDefault && !path.includes("/") ? "library/" : ""}${path}${digest ?? tag}`,
  };
}

function loginFlags({ authfile }: RegistryAccess): string[] {
  return authfile === undefined ? [] : [`--authfile=${authfile}`];
}

function copyCommand(from: string, to: string, access: RegistryAccess): string[] {
  return [
    "skopeo",
    "copy",
    "--all",
    "--preserve-digests",
    "--retry-times=3",
    ...loginFlags(access),
    ...(reach(access, from).insecure ? ["--src-tls-verify=false"] : []),
    ...(reach(access, to).insecure ? ["--dest-tls-verify=false"] : []),
    `docker://${from}`,
    `docker://${to}`,
  ];
}

/** The commands as lines of a shell. */
export function mirrorScript(copies: readonly Copy[]): string {
  return copies.map(({ command }) => `${shellLine(command)}\n`).join("");
}

type Deps = Pick<RunDeps, "runner" | "progress" | "signal" | "stepMs">;

/** Copies one after another. What a registry has already is not sent again. @throws Error that names the image */
export async function mirror(copies: readonly Copy[], { runner, progress, signal, stepMs }: Deps): Promise<void> {
  for (const { from, to, command } of copies) {
    const step = progress.begin(to);
    let ok = false;
    try {
      const { code, output } = await runner
        .run(command, {
          signal,
          onLine: (line) => step.line(line),
          ...(stepMs === undefined ? {} : { timeoutMs: stepMs }),
        })
        .catch((error: unknown) => {
          signal?.throwIfAborted();
          const reason = errorText(error).replace(/^Cannot run skopeo copy: /, "");
          throw asMissing(error) ?? new Error(`Cannot copy ${from} to ${to}: ${reason}`, { cause: error });
        });
      if (code !== 0) throw new Error(`Cannot copy ${from} to ${to}: ${reasonIn(output)}`);
      ok = true;
    } finally {
      step.end(ok);
    }
  }
}

/** Asks a registry for the digest of an image, all platforms together. */
export async function digestOf(
  image: string,
  access: RegistryAccess,
  { runner, signal }: Pick<Deps, "runner" | "signal">,
): Promise<{ digest: string } | { problem: string }> {
  try {
    const { registry, rest } = nameOf(image);
    const name = `${registry}/${rest}`;
    const flags = [...loginFlags(access), ...(reach(access, name).insecure ? ["--tls-verify=false"] : [])];
    const format = "--format={{.Digest}}";
    const command = ["skopeo", "inspect", "--no-tags", format, ...flags, `docker://${name}`];
    const { code, stdout, output } = await runner.run(command, { signal });
    if (code !== 0) return { problem: reasonIn(output) };
    const digest = ONE_DIGEST.exec(stdout.trim())?.[0];
    return digest === undefined ? { problem: "skopeo prints no digest" } : { digest };
  } catch (error) {
    signal?.throwIfAborted();
    return { problem: errorText(asMissing(error) ?? error) };
  }
}

/** What to do if the tool is not there. */
function asMissing(error: unknown): Error | undefined {
  const { cause } = error as Error & { cause?: NodeJS.ErrnoException };
  if (cause?.code !== "ENOENT") return undefined;
  return new Error("Cannot run skopeo: it is not installed; install it, or run the lines of --dry-run where it is", {
    cause: error,
  });
}

function reasonIn(output: string): string {
  const known = diagnose(output, false);
  return known ? `${known.cause}; ${known.remedy}` : lastLines(output, 1).join(" ").slice(0, 500) || "skopeo fails";
}
