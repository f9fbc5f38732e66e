import { MACHINE_CONFIG_ROLE_LABEL, SFC_MACHINE_CONFIG_LABELS } from "../api/boot-status.ts";
import { MACHINE_CONFIGS } from "../api/resources.ts";
import { apiVersionOf } from "../kube/resource.ts";
import { ignitionConfig, type IgnitionConfig } from "./ignition.ts";
import type { Inputs } from "./inputs.ts";

/** OpenShift's MachineConfig: an Ignition config for the nodes of a role. Cluster-scoped. */
export interface MachineConfig {
  apiVersion: string;
  kind: "MachineConfig";
  metadata: { name: string; labels: Record<string, string> };
  spec: { config: IgnitionConfig };
}

/** Labels of our MachineConfig. */
export function machineConfigLabels(role: string): Record<string, string> {
  return { [MACHINE_CONFIG_ROLE_LABEL]: role, ...SFC_MACHINE_CONFIG_LABELS };
}

/** Renders the boot service as a MachineConfig. */
export function machineConfig(inputs: Inputs): MachineConfig {
  return {
    apiVersion: apiVersionOf(MACHINE_CONFIGS),
    kind: "MachineConfig",
    metadata: { name: inputs.name, labels: machineConfigLabels(inputs.role) },
    spec: { config: ignitionConfig(inputs) },
  };
}
