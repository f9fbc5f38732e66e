import { firstFew } from "../cli/first-few.ts";
import { join } from "node:path";
import type { ContainerAllocateResponse, Mount } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { printable } from "../cli/printable.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { DEVICE_FILES } from "../api/plugin-pod.ts";
import type { AllocationConfig } from "./config.ts";
import { deviceIndex } from "./devices.ts";
import { MAIN_LIBRARY, type Installation } from "./installation.ts";

/** Name of the only CDI device. An answer names it with its kind: amd.com/onload=all. */
export const CDI_DEVICE = "all";

/**
 * Access by the device cgroup: read and write. The original also lets containers make the device file anew, which no
 * program of Onload does.
 */
const DEVICE_ACCESS = "rw";

/** What a container needs to run Onload, whichever way it is given. */
export interface ContainerEdits {
  env: Record<string, string>;
  mounts: Mount[];
  devices: { path: string; permissions: string }[];
}

/** What a container needs. It is the same for each container, because a device stands for no particular NIC. */
export function containerEdits(config: AllocationConfig, installation: Installation): ContainerEdits {
  const source = (file: string): string => join(config.hostOnloadPath, installation.folder, file);
  const library = (name: string): string => join(config.baseMountPath, config.libMountPath, name);
  const mount = (file: string, containerPath: string): Mount => ({
    hostPath: source(file),
    containerPath,
    readOnly: true,
  });
  const mounts = [...installation.libraries].map(([name, file]) => mount(file, library(name)));
  const env: Record<string, string> = {};
  if (config.setPreload) env["LD_PRELOAD"] = library(MAIN_LIBRARY);
  if (config.mountOnload && installation.script !== undefined) {
    mounts.push(mount(installation.script, join(config.baseMountPath, config.binMountPath, "onload")));
    // The script looks for profiles in these folders only, wherever it is mounted itself.
    for (const [path, folder] of installation.scriptFolders) mounts.push(mount(folder, join("/", path)));
    // It preloads the library by its name only, which is not found under another base path than /.
    env["ONLOAD_PRELOAD"] = library(MAIN_LIBRARY);
  }
  return { env, mounts, devices: DEVICE_FILES.map((path) => ({ path, permissions: DEVICE_ACCESS })) };
}

/** The answer for one container. */
export function allocateResponse(config: AllocationConfig, edits: ContainerEdits): ContainerAllocateResponse {
  if (config.strategy === "cdi") {
    const cdiDevices = [{ name: `${ONLOAD_RESOURCE}=${CDI_DEVICE}` }];
    return { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices };
  }
  return {
    envs: edits.env,
    mounts: edits.mounts,
    devices: edits.devices.map(({ path, permissions }) => ({ hostPath: path, containerPath: path, permissions })),
    annotations: {},
    cdiDevices: [],
  };
}

/** Why the devices cannot be allocated, or undefined if they can. */
export function refusal(ids: readonly string[], count: number, problems: readonly string[]): string | undefined {
  const unknown = ids.filter((id) => deviceIndex(id, count) === undefined);
  if (unknown.length > 0) {
    const range = count > 0 ? `sfc-0 to sfc-${count - 1}` : "no devices";
    return `Cannot allocate ${ONLOAD_RESOURCE}: this node offers ${range}, not ${named(unknown)}`;
  }
  if (problems.length > 0) return `Cannot allocate ${ONLOAD_RESOURCE} on this node: ${problems.join("; ")}`;
  return undefined;
}

/** The first of the ids: the kubelet gets no reason at all if that is too long for a header of HTTP/2. */
function named(ids: readonly string[]): string {
  return firstFew(ids, 3, (id) => printable(id, 80));
}
