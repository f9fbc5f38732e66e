import { lstat, readlink, rename, rm, symlink } from "node:fs/promises";
import { join, relative } from "node:path";
import { DEV_DIR, DEVICE_FILES } from "../api/plugin-pod.ts";

/**
 * Makes the node's Onload devices appear in this container's /dev, as links to the live ones.
 *
 * A privileged container gets copies of the node's devices when it starts. Devices of a module that is loaded later are
 * missing there, and after a reload of the module the copies have the former numbers.
 *
 * @returns names of the devices that were linked by this call
 */
export async function linkDevices(hostDevDir: string, devDir: string): Promise<string[]> {
  const linked: string[] = [];
  for (const file of DEVICE_FILES) {
    const name = relative(DEV_DIR, file);
    const target = join(hostDevDir, name);
    if (!(await lstat(target).catch(() => undefined))) continue;
    const path = join(devDir, name);
    if ((await readlink(path).catch(() => undefined)) === target) continue;
    const partial = join(devDir, `.${name}.partial`);
    await rm(partial, { force: true });
    await symlink(target, partial);
    await rename(partial, path);
    linked.push(name);
  }
  return linked;
}
