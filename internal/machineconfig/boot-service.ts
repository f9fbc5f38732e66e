import commonScript from "./boot/sfc-boot-common.sh" with { type: "text" };
import pullUnit from "./boot/sfc-pull-image.service" with { type: "text" };
import pullScript from "./boot/sfc-pull-kernel-module-image.sh" with { type: "text" };
import replaceUnit from "./boot/sfc-replace-kernel-module.service" with { type: "text" };
import replaceScript from "./boot/sfc-replace-kernel-module.sh" with { type: "text" };
import restoreScript from "./boot/sfc-restore-kernel-module.sh" with { type: "text" };

/** A file that the node gets. */
export interface BootFile {
  path: string;
  /** Permission bits. */
  mode: number;
  contents: string;
}

/** A systemd unit that the node gets, or gets masked. */
export interface BootUnit {
  name: string;
  enabled: boolean;
  contents?: string;
  mask?: boolean;
  /** The reason for the unit, if its own text does not give it; written as a comment. */
  why?: string;
}

const EXECUTABLE = 0o755;
const READABLE = 0o644;
const FOLDER = "/usr/local/bin";

/** The boot service's scripts: everything that the units run. */
export const BOOT_FILES: readonly BootFile[] = [
  { path: `${FOLDER}/sfc-boot-common.sh`, mode: READABLE, contents: commonScript },
  { path: `${FOLDER}/sfc-replace-kernel-module.sh`, mode: EXECUTABLE, contents: replaceScript },
  { path: `${FOLDER}/sfc-restore-kernel-module.sh`, mode: EXECUTABLE, contents: restoreScript },
  { path: `${FOLDER}/sfc-pull-kernel-module-image.sh`, mode: EXECUTABLE, contents: pullScript },
];

/** The boot service's units, under the original's names, for a module image. */
export function bootUnits(moduleImage: string): BootUnit[] {
  // A function, because "$" in a replacement text has a meaning of its own.
  const unit = (text: string): string => text.replaceAll("@MODULE_IMAGE@", () => moduleImage);
  return [
    { name: "sfc-replace-kernel-module.service", enabled: true, contents: unit(replaceUnit) },
    { name: "sfc-pull-image.service", enabled: true, contents: unit(pullUnit) },
    {
      name: "crio-wipe.service",
      enabled: false,
      mask: true,
      why: [
        "After a power cut or crash, crio-wipe deletes all of /var/lib/containers/storage, which CRI-O and podman share,",
        "and with it the module image: the next boot would find no driver. Masked, the image stays; CRI-O itself still",
        "removes its old containers when it starts (internal_wipe).",
      ].join("\n"),
    },
  ];
}
