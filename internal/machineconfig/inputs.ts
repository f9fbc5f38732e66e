import { UsageError } from "../cli/errors.ts";
import { checkModuleImage } from "./module-image.ts";
import { targetOf, type Target } from "./versions.ts";

/** The names of the original. A MachineConfig that the original made is therefore replaced. */
export const DEFAULT_NAME = "99-sfc-machineconfig";
export const DEFAULT_ROLE = "worker";

/** The checked inputs from which a MachineConfig is generated. */
export interface Inputs {
  /** Module image; `${KERNEL_FULL_VERSION}` in it is filled in on the node. */
  moduleImage: string;
  target: Target;
  /** Role of the nodes, and so the MachineConfigPool. */
  role: string;
  name: string;
}

/** Checks the command line's values. Throws UsageError naming the flag and what would be right. */
export function checkInputs(flags: {
  moduleImage: string | undefined;
  openshiftVersion: string;
  role: string;
  name: string;
}): Inputs {
  if (!flags.moduleImage) {
    throw new UsageError("Flag --module-image is missing: give --module-image=IMAGE:TAG");
  }
  checkModuleImage(flags.moduleImage);
  const target = targetOf(flags.openshiftVersion);
  checkRole(flags.role);
  checkName(flags.name);
  return { moduleImage: flags.moduleImage, target, role: flags.role, name: flags.name };
}

/** A role is the value of a label and the name of a node-role label. */
function checkRole(role: string): void {
  if (role.length > 63 || !/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(role)) {
    throw new UsageError(
      `Flag --role cannot be "${role}": give a role such as worker (letters, digits, "-", "_" and ".", at most 63)`,
    );
  }
}

/** The name of a cluster-scoped resource: a DNS subdomain (RFC 1123). */
export function checkName(name: string): void {
  const isName = name.split(".").every((part) => /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(part));
  if (name.length > 253 || !isName) {
    throw new UsageError(
      `Flag --name cannot be "${name}": give a resource name such as ${DEFAULT_NAME} (lower case letters, digits, "-" and ".")`,
    );
  }
}
