/**
 * What the sfc boot service of a node leaves behind. It is set up by a MachineConfig (`onloadctl gen-machineconfig`),
 * replaces the kernel's own sfc driver before the network comes up, and writes its last outcome into one file.
 */
import { parseJson } from "../cli/json.ts";
import type { DeepReadonly } from "./core.ts";
import { hasLabels } from "./label-selector.ts";
import { PART_OF_LABEL } from "./names.ts";
import { machineConfigsOf, type MachineConfigPool, type PooledNode } from "./machine-config-pool.ts";

/** The status file on the node: one JSON object, see {@link BootStatus}. Absent if no boot service has ever run. */
export const BOOT_STATUS_FILE = "/var/lib/onload/sfc-boot-status.json";

/** What the boot service came to. */
const BOOT_REASON = {
  /** The module image's sfc driver is in use. */
  Replaced: "Replaced",
  /** The image was not on the node at boot. */
  ImageAbsent: "ImageAbsent",
  /** The image is being pulled. */
  Pulling: "Pulling",
  /** The last pull failed; the next is scheduled. */
  PullFailed: "PullFailed",
  /** The image has arrived, and the node reboots to load its driver. */
  RebootPending: "RebootPending",
  /** The image has arrived, but the one reboot for it is used up. */
  RebootBudgetSpent: "RebootBudgetSpent",
  /** The reboot could not be written down, so there is none. */
  RebootNotCounted: "RebootNotCounted",
  /** The image has no digest to count reboots by, so there is none. */
  NoDigest: "NoDigest",
  /** The image has arrived; the replacement at this boot failed for another reason than its absence. */
  NotReplaced: "NotReplaced",
  /** The image has no modules for the running kernel. */
  KernelNotInImage: "KernelNotInImage",
  /** The image's modules were built for another kernel. */
  VermagicMismatch: "VermagicMismatch",
  /** The image's sfc driver is incomplete. */
  ModuleUnusable: "ModuleUnusable",
  /** The image's modules could not be copied out of it. */
  StageFailed: "StageFailed",
  /** The kernel's own driver could not be removed. */
  RemoveFailed: "RemoveFailed",
  /** The image's driver did not load. */
  LoadFailed: "LoadFailed",
  /** The image's driver loaded but serves fewer NICs than the kernel's own. */
  NicsLost: "NicsLost",
  /** The service was stopped in the middle. */
  Interrupted: "Interrupted",
  /** No sfc driver loads at all. */
  NoDriver: "NoDriver",
} as const;

export type BootReason = (typeof BOOT_REASON)[keyof typeof BOOT_REASON];

/** Content of the status file, schema 1. */
export interface BootStatus {
  schema: 1;
  reason: BootReason;
  /** One sentence for people. */
  message: string;
  /** The sfc driver that was loaded when the file was written. */
  driver: "out-of-tree" | "in-tree" | "none";
  /** The image with the kernel version filled in. */
  image: string;
  /** Digest of that image; "" while it is not known. */
  digest: string;
  /** `uname -r`. */
  kernel: string;
  /** /proc/sys/kernel/random/boot_id of the boot that wrote this: of any other boot, the file says nothing about now. */
  bootId: string;
  /** RFC 3339, UTC. */
  time: string;
}

const FIELDS = ["reason", "message", "driver", "image", "digest", "kernel", "bootId", "time"] as const;

/** Reads the status file's text; undefined if it is not of schema 1. */
export function parseBootStatus(text: string): BootStatus | undefined {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const status = value as Record<string, unknown>;
  if (status["schema"] !== 1 || !FIELDS.every((field) => typeof status[field] === "string")) return undefined;
  return status as unknown as BootStatus;
}

/** OpenShift's MachineConfig, as far as we read it. */
export interface BootMachineConfig {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
}

/** Label of a MachineConfig: the role of the nodes that it is for. */
export const MACHINE_CONFIG_ROLE_LABEL = "machineconfiguration.openshift.io/role";
/** Selects the MachineConfigs of the sfc boot service, ours and the original's. */
export const SFC_MACHINE_CONFIG_LABELS = { [PART_OF_LABEL]: "onload" } as const;

/**
 * The MachineConfig by which the boot service owns sfc on a node, if there is one: no Module of KMM may then manage
 * sfc there. The pools tell which MachineConfigs a node gets. Where none can be read, a MachineConfig counts for every
 * node with its role.
 *
 * @param machineConfigs those that carry {@link SFC_MACHINE_CONFIG_LABELS}
 * @param pools all of them
 */
export function sfcMachineConfigOf<T extends BootMachineConfig>(
  node: PooledNode,
  machineConfigs: readonly T[],
  pools: readonly DeepReadonly<MachineConfigPool>[],
): T | undefined {
  const ours = machineConfigs.filter(({ metadata: { labels = {} } }) => hasLabels(SFC_MACHINE_CONFIG_LABELS, labels));
  if (ours.length === 0) return undefined;
  if (pools.length > 0) {
    const names = machineConfigsOf(node, pools);
    return ours.find(({ metadata }) => names.has(metadata.name));
  }
  return ours.find(({ metadata: { labels = {} } }) => {
    const role = labels[MACHINE_CONFIG_ROLE_LABEL];
    return role !== undefined && `node-role.kubernetes.io/${role}` in (node.labels ?? {});
  });
}
