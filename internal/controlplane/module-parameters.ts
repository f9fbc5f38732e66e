import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { joinParameters, splitParameters } from "../api/plugin-pod.ts";

/** The two parameters of the onload module that say how the kernel starts the control plane server. */
export interface ServerParameters {
  /** cplane_server_path: the program. */
  path: string;
  /** cplane_server_params: its first arguments, separated by spaces. */
  params: string;
}

/** Reads what is set, or undefined while the module is not loaded. */
export async function readParameters(sysDir: string): Promise<ServerParameters | undefined> {
  try {
    const [path, params] = await Promise.all([
      readFile(file(sysDir, "cplane_server_path"), "utf8"),
      readFile(file(sysDir, "cplane_server_params"), "utf8"),
    ]);
    return { path: path.trim(), params: params.trim() };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENODEV: the module is on its way out while its files are still listed.
    if (code === "ENOENT" || code === "ENODEV") return undefined;
    throw error;
  }
}

/**
 * Sets both. The kernel starts a server anew on each write, so the arguments go first: the former program fails on
 * them at once, whereas crictl with a server's arguments would print its usage into nothing.
 */
export async function writeParameters(sysDir: string, { path, params }: ServerParameters): Promise<void> {
  // With a line end, which the kernel drops: nothing at all would be written for an empty value.
  await writeFile(file(sysDir, "cplane_server_params"), `${params}\n`);
  await writeFile(file(sysDir, "cplane_server_path"), `${path}\n`);
}

/** Whether both mean the same to the kernel, which splits the arguments at spaces. */
export function sameParameters(a: ServerParameters, b: ServerParameters): boolean {
  return a.path === b.path && joinParameters(splitParameters(a.params)) === joinParameters(splitParameters(b.params));
}

/** What makes the kernel start a program inside a container. */
export function serverInContainer(
  crictl: string,
  containerId: string,
  serverPath: string,
  parameters: string,
): ServerParameters {
  return { path: crictl, params: joinParameters(["exec", containerId, serverPath, ...splitParameters(parameters)]) };
}

/** Whether the settings are those of this program in some container, this one or one that is gone. */
export function isInContainer({ path, params }: ServerParameters): boolean {
  return path.endsWith("/crictl") && /^exec [0-9a-f]{64} /.test(params);
}

function file(sysDir: string, name: string): string {
  return join(sysDir, "module/onload/parameters", name);
}
