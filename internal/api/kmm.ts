/**
 * KMM's resources, kmm.sigs.x-k8s.io/v1beta1, as far as they are read or written, from 1.1 to 2.6, and what the
 * installed version can do. Read from the API types and CRDs of kubernetes-sigs/kernel-module-management.
 */
import type {
  CustomResourceDefinition,
  DeepReadonly,
  JsonSchema,
  KubeObject,
  LocalObjectReference,
  Toleration,
} from "./core.ts";
import { KMM_GROUP } from "./names.ts";

/** A Module: which kernel module KMM loads where, and from which image. */
export interface Module extends KubeObject {
  kind: "Module";
  spec: ModuleSpec;
}

export interface ModuleSpec {
  /** Labels that a node must have, in addition to the version label. */
  selector: Record<string, string>;
  imageRepoSecret?: LocalObjectReference;
  /** Since 2.3. */
  tolerations?: Toleration[];
  moduleLoader: { serviceAccountName?: string; container: ModuleLoaderContainer };
}

export interface ModuleLoaderContainer {
  modprobe: { moduleName: string; parameters?: string[]; dirName?: string };
  /** Which one counts for a node: see chooseKernelMapping. */
  kernelMappings: KernelMapping[];
  version: string;
  imagePullPolicy?: string;
  /** Up to 2.0 the only form; deprecated since. */
  inTreeModuleToRemove?: string;
  /** Since 2.1. */
  inTreeModulesToRemove?: string[];
}

export interface KernelMapping {
  /** RE2, not anchored. */
  regexp?: string;
  /** The kernel version itself, without a trailing `+`. */
  literal?: string;
  containerImage: string;
  build?: { dockerfileConfigMap: { name: string }; buildArgs?: { name: string; value: string }[] };
}

/** What KMM 2.x wants on a node and has done there; cluster-scoped, named as the node. Read only. */
export interface NodeModulesConfig extends KubeObject {
  kind: "NodeModulesConfig";
  spec?: { modules?: NodeModule[] };
  status?: { modules?: NodeModule[] };
}

/**
 * One module on one node. Loaded means: in spec and in status, with equal `config`, and (since 2.4) the status's
 * `bootId` is the node's.
 */
export interface NodeModule {
  namespace: string;
  name: string;
  /** Since 2.5. */
  version?: string;
  /** Since 2.4, in status: the node's boot in which it was loaded. */
  bootId?: string;
  config?: { kernelVersion?: string; containerImage?: string; [field: string]: unknown };
}

/** Which images of a Module exist (2.4 and later); named as the Module. Read only. */
export interface ModuleImagesConfig extends KubeObject {
  kind: "ModuleImagesConfig";
  spec?: { images?: { image: string; kernelVersion: string }[] };
  status?: {
    imagesStates?: { image: string; status: "Exists" | "DoesNotExist" | "NeedsBuilding" | "NeedsSigning" }[];
  };
}

/** What the installed KMM offers, read from its CRDs. */
export interface KmmCapabilities {
  /** Modules take tolerations (2.3). */
  tolerations: boolean;
  /** Modules take `inTreeModulesToRemove` (2.1). */
  pluralInTree: boolean;
  /** NodeModulesConfig says what is loaded on a node (2.0); without it a module-loader pod runs on each node (1.1). */
  nodeModulesConfig: boolean;
  /** ModuleImagesConfig says which images exist (2.4). */
  moduleImagesConfig: boolean;
}

/**
 * What the installed KMM offers.
 *
 * @param crds any CRDs of the cluster; those of other groups are ignored
 * @returns undefined if KMM is not installed: no Module CRD is served
 */
export function kmmCapabilities(crds: Iterable<DeepReadonly<CustomResourceDefinition>>): KmmCapabilities | undefined {
  const schemas = new Map<string, DeepReadonly<JsonSchema>>();
  for (const crd of crds) {
    if (crd.spec.group !== KMM_GROUP) continue;
    const version = crd.spec.versions.find(({ name, served }) => served && name === "v1beta1");
    if (version) schemas.set(crd.spec.names.kind, version.schema?.openAPIV3Schema ?? {});
  }
  const module = schemas.get("Module");
  if (!module) return undefined;
  return {
    tolerations: at(module, "spec", "tolerations") !== undefined,
    pluralInTree: at(module, "spec", "moduleLoader", "container", "inTreeModulesToRemove") !== undefined,
    nodeModulesConfig: schemas.has("NodeModulesConfig"),
    moduleImagesConfig: schemas.has("ModuleImagesConfig"),
  };
}

/** The schema of a field below `schema`; a list's fields are those of its items. */
function at(schema: DeepReadonly<JsonSchema> | undefined, ...path: string[]): DeepReadonly<JsonSchema> | undefined {
  let here = schema;
  for (const field of path) here = (here?.items ?? here)?.properties?.[field];
  return here;
}
