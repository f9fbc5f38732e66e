import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { joinParameters, splitParameters } from "../api/plugin-pod.ts";
import { ARGUMENTS_PARAMETER, PARAMETERS_DIR, PATH_PARAMETER, startsInContainer } from "../api/server-parameters.ts";
import { errorText } from "../cli/errors.ts";
import { readRegularFile } from "../cli/regular-file.ts";

/** The two parameters of the onload module that say how the kernel starts the control plane server. */
export interface ServerParameters {
  /** cplane_server_path: the program. */
  path: string;
  /** cplane_server_params: its first arguments, separated by spaces. */
  params: string;
}

/**
 * The longest value that the kernel takes, in bytes: a write to sysfs is cut at a page, line end included, and the
 * module's own reading of its arguments ends there too (Onload, src/driver/linux_onload/cplane.c).
 */
const MAX_BYTES = 4095;

/**
 * Reads what is set, or undefined while the module is not loaded.
 *
 * @throws Error "Cannot read the onload module's parameter NAME: reason"
 */
export async function readParameters(sysDir: string): Promise<ServerParameters | undefined> {
  const [path, params] = await Promise.all([read(sysDir, PATH_PARAMETER), read(sysDir, ARGUMENTS_PARAMETER)]);
  return path === undefined || params === undefined ? undefined : { path, params };
}

/**
 * Sets both. The kernel starts a server anew at each write, so the arguments are written first: the former program ends
 * at once with an error about them. crictl with the former arguments would only print its usage, which nobody sees.
 *
 * @throws Error "Cannot set the onload module's parameter NAME: reason"; then one may be set and the other not
 */
export async function writeParameters(sysDir: string, { path, params }: ServerParameters): Promise<void> {
  await write(sysDir, ARGUMENTS_PARAMETER, params);
  await write(sysDir, PATH_PARAMETER, path);
}

async function read(sysDir: string, name: string): Promise<string | undefined> {
  try {
    return (await readRegularFile(file(sysDir, name), 64 * 1024)).toString().trim();
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

/** How a program on the node starts another inside a container. */
export interface Crictl {
  /** Path on the node. */
  path: string;
  /** The container runtime's endpoint; undefined: what crictl takes by itself. */
  endpoint: string | undefined;
}

/**
 * The parameters with which the kernel starts a program inside a container.
 *
 * @throws if the module cannot take them
 */
export function serverInContainer(
  { path, endpoint }: Crictl,
  containerId: string,
  command: readonly string[],
): ServerParameters {
  // With both, nothing that /etc/crictl.yaml may say counts: exec connects to the image service too.
  const flags = endpoint === undefined ? [] : [`--runtime-endpoint=${endpoint}`, `--image-endpoint=${endpoint}`];
  const params = joinParameters([...flags, "exec", containerId, ...command]);
  const bytes = Buffer.byteLength(params);
  if (bytes > MAX_BYTES - 1) {
    throw new Error(
      `Cannot let the kernel start onload_cp_server: its arguments have ${bytes} bytes, and the onload module takes ` +
        `${MAX_BYTES - 1}: shorten spec.onload.controlPlane.parameters`,
    );
  }
  return { path, params };
}

/** Whether parameters were made by {@link serverInContainer}, for this container or another. */
export function isInContainer({ params }: ServerParameters): boolean {
  return startsInContainer(params);
}

function file(sysDir: string, name: string): string {
  return join(sysDir, PARAMETERS_DIR, name);
}
