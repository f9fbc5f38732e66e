import { join } from "node:path";
import { ACCELERATE_VETH_PARAMETER, MODULE_DIR, PARAMETERS_DIR } from "../api/server-parameters.ts";
import { readRegularFile } from "../cli/regular-file.ts";
import { printable } from "../cli/printable.ts";

/** sysfs gives a page at most, in bytes. */
const MAX_ATTRIBUTE = 64 * 1024;
const MAX_VERSION = 64;

/** What the onload module that is loaded says of itself. */
export interface LoadedModule {
  /** Its version, as whoever built it has written it; undefined if it has none. */
  version: string | undefined;
  /** Whether Onload accelerates what goes over a veth whose other end is in the node's own network. Off by default. */
  acceleratesVeth: boolean | undefined;
}

/**
 * Reads it from the node's /sys. Nothing depends on it but what a person is told, so what cannot be read is undefined.
 *
 * @param sysDir the node's /sys
 */
export async function readLoadedModule(sysDir: string): Promise<LoadedModule> {
  const read = async (path: string): Promise<string | undefined> => {
    const bytes = await readRegularFile(join(sysDir, path), MAX_ATTRIBUTE).catch(() => undefined);
    return bytes?.toString().trim() || undefined;
  };
  const [version, veth] = await Promise.all([
    read(join(MODULE_DIR, "version")),
    read(join(PARAMETERS_DIR, ACCELERATE_VETH_PARAMETER)),
  ]);
  return {
    version: version === undefined ? undefined : printable(version, MAX_VERSION),
    // A parameter of type bool (linux/moduleparam.h).
    acceleratesVeth: veth === "Y" ? true : veth === "N" ? false : undefined,
  };
}
