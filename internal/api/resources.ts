/** The kinds of object beyond Kubernetes' own that onloadctl reads or writes, and where the API server keeps them. */
import { KMM_GROUP, KMM_VERSION, ONLOAD_GROUP, ONLOAD_KIND, ONLOAD_PLURAL, ONLOAD_VERSION } from "./names.ts";

/** A kind of object and where the API server keeps it. */
export interface Resource {
  /** API group; "" for the core group. */
  readonly group: string;
  readonly version: string;
  /** Name in paths: lower case, plural. */
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export const ONLOADS: Resource = {
  group: ONLOAD_GROUP,
  version: ONLOAD_VERSION,
  plural: ONLOAD_PLURAL,
  kind: ONLOAD_KIND,
  namespaced: true,
};
/** KMM's Module, the same in 1.1 and 2.x. */
export const MODULES: Resource = {
  group: KMM_GROUP,
  version: KMM_VERSION,
  plural: "modules",
  kind: "Module",
  namespaced: true,
};
/** KMM 2's record of what is loaded on a node; its name is the node's. */
export const NODE_MODULES_CONFIGS: Resource = {
  group: KMM_GROUP,
  version: KMM_VERSION,
  plural: "nodemodulesconfigs",
  kind: "NodeModulesConfig",
  namespaced: false,
};
/** KMM 2.4's record of which images of a Module exist; its name is the Module's. */
export const MODULE_IMAGES_CONFIGS: Resource = {
  group: KMM_GROUP,
  version: KMM_VERSION,
  plural: "moduleimagesconfigs",
  kind: "ModuleImagesConfig",
  namespaced: true,
};

/** OpenShift's MachineConfig: files and systemd units of the nodes of a role. */
export const MACHINE_CONFIGS: Resource = {
  group: "machineconfiguration.openshift.io",
  version: "v1",
  plural: "machineconfigs",
  kind: "MachineConfig",
  namespaced: false,
};
/** OpenShift's MachineConfigPool: which nodes get which MachineConfigs. */
export const MACHINE_CONFIG_POOLS: Resource = {
  group: "machineconfiguration.openshift.io",
  version: "v1",
  plural: "machineconfigpools",
  kind: "MachineConfigPool",
  namespaced: false,
};
/** OpenShift's SecurityContextConstraints: what pods may do that somebody makes. */
export const SECURITY_CONTEXT_CONSTRAINTS: Resource = {
  group: "security.openshift.io",
  version: "v1",
  plural: "securitycontextconstraints",
  kind: "SecurityContextConstraints",
  namespaced: false,
};
