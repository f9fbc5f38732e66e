import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { readRegularFileSync } from "../cli/regular-file.ts";
import { CDI_DEVICE, type ContainerEdits } from "./allocation.ts";
import { unlessInconclusive } from "./inconclusive.ts";

/** The file for the whole node. Runtimes read files that end in .json, whatever their name. */
const FILE = "amd.com-onload.json";
/** What is larger is not what was written here. */
const MAX_BYTES = 1024 * 1024;

/** The Container Device Interface file (version 0.5.0 of its specification) that gives a container `edits`. */
export function cdiSpec(edits: ContainerEdits): object {
  return {
    cdiVersion: "0.5.0",
    kind: ONLOAD_RESOURCE,
    devices: [
      {
        name: CDI_DEVICE,
        containerEdits: {
          env: Object.entries(edits.env).map(([name, value]) => `${name}=${value}`),
          deviceNodes: edits.devices.map(({ path, permissions }) => ({ path, permissions })),
          mounts: edits.mounts.map(({ hostPath, containerPath }) => ({
            hostPath,
            containerPath,
            options: ["ro", "nosuid", "nodev", "rbind"],
          })),
        },
      },
    ],
  };
}

/** Puts the file in place for the container runtime, in one step, if it differs from the one that is there. */
export function writeCdiSpec(cdiDir: string, edits: ContainerEdits): void {
  const path = join(cdiDir, FILE);
  const text = `${JSON.stringify(cdiSpec(edits), null, 2)}\n`;
  if (readOrEmpty(path) === text) return;
  mkdirSync(cdiDir, { recursive: true });
  // The unfinished file must not end in .json, or runtimes would read it.
  const partial = join(cdiDir, `.${FILE}.partial`);
  try {
    // Whatever is there is not written through: it may be a link, or a pipe.
    rmSync(partial, { force: true, recursive: true });
    writeFileSync(partial, text, { mode: 0o644, flag: "wx" });
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

/** Removes the file, so that no container is started with devices that nobody offers. */
export function removeCdiSpec(cdiDir: string): void {
  rmSync(join(cdiDir, FILE), { force: true });
}

function readOrEmpty(path: string): string {
  try {
    return readRegularFileSync(path, MAX_BYTES).toString();
  } catch (error) {
    return unlessInconclusive("")(error);
  }
}
