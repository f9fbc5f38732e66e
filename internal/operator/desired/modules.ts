/** The Modules that an Onload resource asks KMM for. */
import type { DeepReadonly, LocalObjectReference, Toleration } from "../../api/core.ts";
import type { KernelMapping, KmmCapabilities, Module, ModuleLoaderContainer } from "../../api/kmm.ts";
import { EVERY_NODE } from "./selector.ts";
import { KMM_API_VERSION, objectLabels, onloadModuleName, sfcModuleName } from "../../api/names.ts";
import { managesSfc, type Onload, type OnloadKernelMapping } from "../../api/onload.ts";

/** Modules of one Onload resource, as bodies of a server-side apply. */
export interface DesiredModules {
  onload: Module;
  /** Only where a kernel mapping manages the sfc driver. */
  sfc: Module | undefined;
}

/**
 * KMM 2.3 and later unload a module from a node that gets a taint which the Module does not tolerate, at once and under
 * running pods: a cordon, a late kubelet, an autoscaler's or a network plugin's taint would take the driver away. So a
 * Module tolerates all of them, and only its version label decides; spec.tolerations is for the device plugin.
 */
const EVERY_TAINT: Toleration[] = [{ operator: "Exists" }];

/** What KMM shall load for `onload`, in the form that the installed KMM understands. */
export function desiredModules(onload: DeepReadonly<Onload>, kmm: KmmCapabilities): DesiredModules {
  const mappings = onload.spec.onload.kernelMappings;
  const inTree = kmm.pluralInTree ? { inTreeModulesToRemove: ["sfc"] } : { inTreeModuleToRemove: "sfc" };
  return {
    onload: module(onload, kmm, onloadModuleName(onload.metadata.name), {
      modprobe: { moduleName: "onload", parameters: ["--first-time"] },
      kernelMappings: mappings.map((mapping) => ({ ...imageOf(mapping), ...buildOf(mapping) })),
    }),
    sfc: managesSfc(onload.spec)
      ? module(onload, kmm, sfcModuleName(onload.metadata.name), {
          modprobe: { moduleName: "sfc", parameters: ["--first-time"] },
          ...inTree,
          // The onload Module builds the image that both share.
          kernelMappings: mappings.filter(({ sfc }) => sfc !== undefined).map(imageOf),
        })
      : undefined,
  };
}

function module(
  onload: DeepReadonly<Onload>,
  kmm: KmmCapabilities,
  name: string,
  container: Omit<ModuleLoaderContainer, "version" | "imagePullPolicy">,
): Module {
  const { spec, metadata } = onload;
  const namespace = metadata.namespace ?? "";
  const secret = spec.imagePullSecrets?.[0];
  return {
    apiVersion: KMM_API_VERSION,
    kind: "Module",
    metadata: {
      name,
      namespace,
      labels: objectLabels({ namespace, name: metadata.name }, "module"),
    },
    spec: {
      // What is in use may ask for another; see desired-selector.ts.
      selector: EVERY_NODE,
      ...(secret ? { imageRepoSecret: { name: secret.name } as LocalObjectReference } : {}),
      ...(kmm.tolerations ? { tolerations: EVERY_TAINT } : {}),
      moduleLoader: {
        ...(spec.serviceAccountName ? { serviceAccountName: spec.serviceAccountName } : {}),
        container: {
          ...container,
          version: spec.onload.version,
          ...(spec.onload.imagePullPolicy ? { imagePullPolicy: spec.onload.imagePullPolicy } : {}),
        },
      },
    },
  };
}

function imageOf(mapping: DeepReadonly<OnloadKernelMapping>): KernelMapping {
  return { regexp: mapping.regexp, containerImage: mapping.kernelModuleImage };
}

function buildOf({ build }: DeepReadonly<OnloadKernelMapping>): Pick<KernelMapping, "build"> {
  if (!build) return {};
  const { buildArgs, dockerfileConfigMap } = build;
  return {
    build: {
      dockerfileConfigMap: { name: dockerfileConfigMap.name ?? "" },
      ...(buildArgs ? { buildArgs: buildArgs.map(({ name, value }) => ({ name, value })) } : {}),
    },
  };
}
