import { stat } from "node:fs/promises";
import { join } from "node:path";
import { SYS_DIR } from "../api/plugin-pod.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { isInconclusive } from "./inconclusive.ts";

/**
 * Why pods cannot use one of Onload's device files, or undefined if they can.
 *
 * The file is looked at and never opened. An open /dev/onload counts as a use of the kernel module, so that nobody could
 * unload it: for good if the file were kept open, and by bad luck if it were opened for each look. To look also takes
 * neither a descriptor nor the right to use the device. Onload's modules make a file of sysfs for each of their devices
 * and take it away when they are unloaded (create_chrdev_and_mknod of src/include/ci/driver/chrdev.h, Onload 9.2): that
 * tells a device with a driver from a file that was left behind.
 *
 * @param name path of the file on the node
 * @throws if this process cannot tell (inconclusive.ts)
 */
export async function deviceProblem(config: Pick<PluginConfig, "hostRoot">, name: string): Promise<string | undefined> {
  const file = await stat(onHost(config, name), { bigint: true }).catch((error: NodeJS.ErrnoException) => error);
  if (file instanceof Error) {
    if (file.code === "ENOENT") return `${name} is missing: the onload kernel module is not loaded on this node`;
    const problem = `${name} cannot be looked at: ${file.message}`;
    if (isInconclusive(file)) throw new Error(problem, { cause: file });
    return problem;
  }
  if (!file.isCharacterDevice()) return `${name} is not a character device`;
  const driver = join(onHost(config, SYS_DIR), "dev/char", deviceNumber(file.rdev));
  const hasDriver = await stat(driver).then(
    () => true,
    (error: unknown) => {
      if (isInconclusive(error)) throw new Error(`${driver} cannot be looked at`, { cause: error });
      return false;
    },
  );
  return hasDriver ? undefined : `${name} has no driver behind it: the kernel module was unloaded`;
}

/** A device's number as sysfs writes it, MAJOR:MINOR, from the C library's form (makedev of glibc and musl). */
function deviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
