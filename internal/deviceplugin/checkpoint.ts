/** The file in which the kubelet keeps which devices it gave to which container (pkg/kubelet/cm/devicemanager). */
import { join } from "node:path";
import { fieldsOf, parseJson } from "../cli/json.ts";
import { readRegularFile } from "../cli/regular-file.ts";

/** One container's devices of one resource. Those of pods that have ended stay for a while. */
export interface CheckpointEntry {
  podUid: string;
  container: string;
  resource: string;
  devices: string[];
  /** The answer of the device plugin, as the bytes that were sent. */
  answer: Buffer;
}

const CHECKPOINT = "kubelet_internal_checkpoint";
/** It has every device of every plugin twice. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Reads it; empty if there is none.
 *
 * @throws Error "Cannot read the kubelet's record of devices PATH: reason"
 */
export async function readCheckpoint(kubeletDir: string): Promise<CheckpointEntry[]> {
  const path = join(kubeletDir, CHECKPOINT);
  try {
    return parseCheckpoint((await readRegularFile(path, MAX_BYTES)).toString());
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new Error(`Cannot read the kubelet's record of devices ${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Takes of each entry what is as it should be.
 *
 * @throws Error if it is no JSON, or has no list of entries
 */
export function parseCheckpoint(text: string): CheckpointEntry[] {
  const entries = fieldsOf(fieldsOf(parseJson(text))?.["Data"])?.["PodDeviceEntries"] ?? [];
  if (!Array.isArray(entries)) throw new Error("its PodDeviceEntries are not a list");
  return entries.map((entry) => {
    const fields = fieldsOf(entry);
    const field = (name: string): string => {
      const value = fields?.[name];
      return typeof value === "string" ? value : "";
    };
    return {
      podUid: field("PodUID"),
      container: field("ContainerName"),
      resource: field("ResourceName"),
      devices: devicesOf(fields?.["DeviceIDs"]),
      answer: Buffer.from(field("AllocResp"), "base64"),
    };
  });
}

/** Lists by NUMA node; before Kubernetes 1.20 one list. */
function devicesOf(value: unknown): string[] {
  const lists: unknown[] = Array.isArray(value) ? value : Object.values(fieldsOf(value) ?? {});
  return lists.flat().filter((id) => typeof id === "string");
}
