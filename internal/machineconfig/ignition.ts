import { Buffer } from "node:buffer";
import { BOOT_FILES, bootUnits } from "./boot-service.ts";
import type { Inputs } from "./inputs.ts";

/** The part of an Ignition config (specs 3.2 to 3.5) that we write. */
export interface IgnitionConfig {
  ignition: { version: string };
  storage: { files: IgnitionFile[] };
  systemd: { units: IgnitionUnit[] };
}

export interface IgnitionFile {
  path: string;
  /** Permission bits as a decimal number: 493 is 0755. */
  mode: number;
  overwrite: boolean;
  user: { name: string };
  contents: { source: string };
}

export interface IgnitionUnit {
  name: string;
  enabled: boolean;
  mask?: boolean;
  contents?: string;
}

/** Renders the boot service as an Ignition config. */
export function ignitionConfig({ moduleImage, target }: Inputs): IgnitionConfig {
  return {
    ignition: { version: target.ignition },
    storage: {
      files: BOOT_FILES.map(({ path, mode, contents }) => ({
        path,
        mode,
        overwrite: true,
        user: { name: "root" },
        contents: { source: `data:;base64,${Buffer.from(contents).toString("base64")}` },
      })),
    },
    systemd: { units: bootUnits(moduleImage).map(({ why: _, ...unit }) => unit) },
  };
}
