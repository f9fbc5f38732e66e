/** The Modules that an Onload resource asks KMM for. */
import type { DeepReadonly, LocalObjectReference } from "../../api/core.ts";
import type { KernelMapping, Module, ModuleLoaderContainer } from "../../api/kmm.ts";
import { KMM_API_VERSION, objectLabels, onloadModuleName, sfcModuleName } from "../../api/names.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { EVERY_LINUX_NODE } from "../kmm/module-spec.ts";
import { managesSfc, type Onload, type OnloadKernelMapping } from "../../api/onload.ts";

/** Modules of one Onload resource, as bodies of a server-side apply. */
export interface DesiredModules {
  onload: Module;
  /** Only if a kernel mapping manages the sfc driver. */
  sfc: Module | undefined;
}

/** What KMM is to load for `onload`, in the form that the installed KMM understands. */
export function desiredModules(onload: DeepReadonly<Onload>, kmm: Kmm): DesiredModules {
  const mappings = onload.spec.onload.kernelMappings;
  return {
    onload: module(onload, kmm, onloadModuleName(onload.metadata.name), {
      modprobe: { moduleName: "onload", parameters: ["--first-time"] },
      kernelMappings: mappings.map((mapping) => ({ ...imageOf(mapping), ...buildOf(mapping) })),
    }),
    sfc: managesSfc(onload.spec)
      ? module(onload, kmm, sfcModuleName(onload.metadata.name), {
          modprobe: { moduleName: "sfc", parameters: ["--first-time"] },
          ...kmm.inTreeRemoval("sfc"),
          // The onload Module builds the image that both share.
          kernelMappings: mappings.filter(({ sfc }) => sfc !== undefined).map(imageOf),
        })
      : undefined,
  };
}

function module(
  onload: DeepReadonly<Onload>,
  kmm: Kmm,
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
      // What is in use may ask for another; see Kmm.selectorFor.
      selector: EVERY_LINUX_NODE,
      ...(secret ? { imageRepoSecret: { name: secret.name } as LocalObjectReference } : {}),
      ...kmm.moduleOptions(),
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
