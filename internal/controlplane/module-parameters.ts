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
 * Sets both. The kernel starts a server anew at each write, so the arguments are written first: the former program ends
 * at once with an error about them. crictl with the former arguments would only print its usage, which nobody sees.
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
    // ENODEV: the module is being unloaded and its files are still listed.
    if (code === "ENOENT" || code === "ENODEV") return undefined;
    throw new Error(`Cannot read the onload module's parameter ${name}: ${errorText(cause)}`, { cause });
  }
}

async function write(sysDir: string, name: string, value: string): Promise<void> {
  try {
    // The kernel drops the line end. Without it there would be no write at all for an empty value.
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

/** The parameters with which the kernel starts a program inside a container. */
export function serverInContainer(
  crictl: string,
  containerId: string,
  serverPath: string,
  parameters: string,
): ServerParameters {
  return { path: crictl, params: joinParameters(["exec", containerId, serverPath, ...splitParameters(parameters)]) };
}

/** Whether parameters were made by {@link serverInContainer}, for this container or another. */
export function isInContainer({ path, params }: ServerParameters): boolean {
  return path.endsWith("/crictl") && /^exec [0-9a-f]{64} /.test(params);
}

function file(sysDir: string, name: string): string {
  return join(sysDir, "module/onload/parameters", name);
}
