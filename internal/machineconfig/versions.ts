import { parseOpenShiftVersion } from "../api/openshift-version.ts";
import { UsageError } from "../cli/errors.ts";

/**
 * The version of the Ignition specification that the MachineConfigs of each OpenShift version follow.
 * Source: Butane v0.29.0, docs/specs.md and config/openshift/v4_N (its 4.22 is back at 3.5.0: OCPBUGS-90256).
 */
export const IGNITION_SPECS: Readonly<Record<string, string>> = {
  "4.10": "3.2.0",
  "4.11": "3.2.0",
  "4.12": "3.2.0",
  "4.13": "3.2.0",
  "4.14": "3.4.0",
  "4.15": "3.4.0",
  "4.16": "3.4.0",
  "4.17": "3.4.0",
  "4.18": "3.4.0",
  "4.19": "3.5.0",
  "4.20": "3.5.0",
  "4.21": "3.5.0",
  "4.22": "3.5.0",
};

/** The default of the original. OpenShift 4.10 to 4.13 accept its MachineConfig, and so does every later version. */
export const DEFAULT_OPENSHIFT_VERSION = "4.12.0";

/** The OpenShift version to generate for. */
export interface Target {
  /** Version of Butane's openshift variant, such as 4.14.0. */
  butane: string;
  /** Version of the Ignition specification, such as 3.4.0. */
  ignition: string;
  /** Which version was taken instead, if the requested one is newer than all known ones. */
  note?: string;
}

const KNOWN = Object.keys(IGNITION_SPECS);

/**
 * Finds the target for an OpenShift version such as 4.14, v4.14.3 or 4.16.0-rc.3, or one of OKD; only the minor version matters.
 *
 * @throws UsageError if it is malformed or too old
 */
export function targetOf(openshiftVersion: string): Target {
  const version = parseOpenShiftVersion(openshiftVersion);
  if (!version) {
    throw new UsageError(
      `Flag --openshift-version cannot be "${openshiftVersion}": give a version such as 4.14.0; oc version says it`,
    );
  }
  const [wanted, oldest, newest] = [`${version.major}.${version.minor}`, KNOWN[0]!, KNOWN.at(-1)!];
  if (order(wanted) < order(oldest)) {
    throw new UsageError(
      `Flag --openshift-version cannot be "${openshiftVersion}": the oldest supported version is ${oldest}`,
    );
  }
  if (order(wanted) <= order(newest)) return target(wanted);
  return {
    ...target(newest),
    note: `OpenShift ${wanted} is newer than this program knows; generated what OpenShift ${newest} takes`,
  };
}

function target(version: string): Target {
  return { butane: `${version}.0`, ignition: IGNITION_SPECS[version]! };
}

function order(version: string): number {
  const [major, minor] = version.split(".").map(Number);
  return major! * 10_000 + minor!;
}
