import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { joinParameters, splitParameters } from "../api/plugin-pod.ts";
import { errorText } from "../cli/errors.ts";

/** The two parameters of the onload module that say how the kernel starts the control plane server. */
export interface ServerParameters {
  /** cplane_server_path: the program. */
  path: string;
  /** cplane_server_params: its first arguments, separated by spaces. */
  params: string;
}

/** Names of the two. */
const PATH = "cplane_server_path";
const PARAMS = "cplane_server_params";

/**
 * Reads what is set, or undefined while the module is not loaded.
 *
 * @throws Error "Cannot read the onload module's parameter NAME: reason"
 */
export async function readParameters(sysDir: string): Promise<ServerParameters | undefined> {
  const [path, params] = await Promise.all([read(sysDir, PATH), read(sysDir, PARAMS)]);
  return path === undefined || params === undefined ? undefined : { path, params };
}

/**
 * Sets both. The kernel starts a server anew on each write, so the arguments go first: the former program fails on
 * them at once, whereas crictl with a server's arguments would print its usage into nothing.
 *
 * @throws Error "Cannot set the onload module's parameter NAME: reason"; then one may be set and the other not
 */
export async function writeParameters(sysDir: string, { path, params }: ServerParameters): Promise<void> {
  await write(sysDir, PARAMS, params);
  await write(sysDir, PATH, path);
}

async function read(sysDir: string, name: string): Promise<string | undefined> {
  try {
    return (await readFile(file(sysDir, name), "utf8")).trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // ENODEV: the module is on its way out while its files are still listed.
    if (code === "ENOENT" || code === "ENODEV") return undefined;
    throw new Error(`Cannot read the onload module's parameter ${name}: ${errorText(cause)}`, { cause });
  }
}

async function write(sysDir: string, name: string, value: string): Promise<void> {
  try {
    // With a line end, which the kernel drops: nothing at all would be written for an empty value.
    await writeFile(file(sysDir, name), `${value}\n`);
  } catch (cause) {
    throw new Error(`Cannot set the onload module's parameter ${name}: ${errorText(cause)}`, { cause });
  }
}

/** Whether both mean the same to the kernel. */
export function sameParameters(a: ServerParameters, b: ServerParameters): boolean {
  return a.path === b.path && sameArguments(a, b);
}

/** Whether the arguments are the same to the kernel, which splits them at spaces. */
export function sameArguments(a: ServerParameters, b: ServerParameters): boolean {
  return joinParameters(splitParameters(a.params)) === joinParameters(splitParameters(b.params));
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
