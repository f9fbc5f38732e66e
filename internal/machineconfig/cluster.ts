import { SFC_MACHINE_CONFIG_LABELS } from "../api/boot-status.ts";
import type { Client } from "../kube/client.ts";
import { serves } from "../kube/server-version.ts";
import type { KubeObject } from "../api/core.ts";
import { MACHINE_CONFIGS } from "../api/resources.ts";
import type { MachineConfig } from "./machine-config.ts";

export interface ChangeOptions {
  /** Let the API server check the change without making it. */
  dryRun: boolean;
  signal: AbortSignal;
}

/**
 * Applies a MachineConfig (server-side). OpenShift then drains and reboots the nodes of its role, one after the other.
 *
 * @throws Error if the cluster has no MachineConfigs, or one of that name that is not the sfc boot service's
 */
export async function applyMachineConfig(client: Client, config: MachineConfig, options: ChangeOptions): Promise<void> {
  const { name } = config.metadata;
  const found = await readOwn(client, "apply", name, options.signal);
  if (!found && !(await serves(client, MACHINE_CONFIGS, { signal: options.signal }))) {
    throw new Error(
      `Cannot apply MachineConfig "${name}": this cluster has no MachineConfigs; they are OpenShift's. If its control plane is hosted (HyperShift), put the output of this command without --apply into a ConfigMap under the key config, in the management cluster, and name that in spec.config of the NodePool`,
    );
  }
  await client.apply(MACHINE_CONFIGS, { ...config }, options);
}

/**
 * Deletes the sfc boot service's MachineConfig of that name; false if there is none.
 *
 * @throws Error if that MachineConfig is another one
 */
export async function deleteMachineConfig(client: Client, name: string, options: ChangeOptions): Promise<boolean> {
  const found = await readOwn(client, "delete", name, options.signal);
  return found !== undefined && (await client.delete(MACHINE_CONFIGS, { name }, options));
}

/** Reads a MachineConfig and makes sure that it is ours, so that a wrong name never changes one of the cluster's own. */
async function readOwn(
  client: Client,
  verb: string,
  name: string,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  const found = await client.get<KubeObject>(MACHINE_CONFIGS, { name }, { signal });
  const labels = found?.metadata.labels ?? {};
  for (const [label, value] of Object.entries(SFC_MACHINE_CONFIG_LABELS)) {
    if (found && labels[label] !== value) {
      throw new Error(
        `Cannot ${verb} MachineConfig "${name}": the one of that name is not the sfc boot service's (label ${label}=${value} is missing); give another --name`,
      );
    }
  }
  return found;
}
