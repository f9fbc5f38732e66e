/** Which change of a Module must wait for a new version, because KMM would reload drivers under running pods for it. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../../api/core.ts";
import type { KernelMapping, Module, ModuleLoaderContainer } from "../../api/kmm.ts";
import { chooseKernelMapping, kernelMappingFor } from "../../api/kernel-mapping.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { isOfVersion } from "../kmm/module-spec.ts";

/** What is known of the Module as nodes have it. */
export interface ModuleInUse {
  /** The Module as it is in the cluster. */
  live: DeepReadonly<Module> | undefined;
  /**
   * The Module as status.lastReady gives it. If the live one has another version by now, this is what nodes that
   * still carry the last version were loaded with.
   */
  lastReady?: DeepReadonly<Module> | undefined;
  /** Kernel versions of the nodes that carry the desired Module's version label with the desired version. */
  kernels: Iterable<string>;
}

/** What to apply now, and what waits. */
export interface HeldBack {
  apply: Module;
  /** One part of a sentence for each change that waits, naming the field; empty if `apply` is the desired Module. */
  heldBack: string[];
}

/**
 * The desired Module, less what would reload modules in place.
 *
 * KMM reloads a module on every labelled node at once when image, modprobe, pull policy or in-tree removal change at
 * an unchanged version; KMM 1.1 also when anything else in its loader pods changes. Such a change is left out here and
 * reported; it goes out node by node once spec.onload.version changes. Fields that a person has put into the live
 * Module's container count as changes too, because leaving them out again would reload as well.
 */
export function holdBack(desired: Module, inUse: ModuleInUse, kmm: Pick<Kmm, "reloadsForPodFields">): HeldBack {
  const kernels = [...new Set(inUse.kernels)];
  const version = desired.spec.moduleLoader.container.version;
  const before = [inUse.live, inUse.lastReady].find((module) => isOfVersion(module, version));
  if (!before || kernels.length === 0) return { apply: desired, heldBack: [] };

  const was = before.spec.moduleLoader.container;
  const want = desired.spec.moduleLoader.container;
  const heldBack = containerChanges(was, want, kernels);
  const podFields = kmm.reloadsForPodFields ? podChanges(before, desired) : [];
  const apply = structuredClone(desired);
  if (heldBack.length > 0) apply.spec.moduleLoader.container = structuredClone(was) as ModuleLoaderContainer;
  else keepInTreeForm(apply.spec.moduleLoader.container, was);
  if (podFields.length > 0) {
    const { serviceAccountName } = before.spec.moduleLoader;
    const { imageRepoSecret } = before.spec;
    delete apply.spec.moduleLoader.serviceAccountName;
    delete apply.spec.imageRepoSecret;
    if (serviceAccountName !== undefined) apply.spec.moduleLoader.serviceAccountName = serviceAccountName;
    if (imageRepoSecret !== undefined) apply.spec.imageRepoSecret = { ...imageRepoSecret };
  }
  return { apply, heldBack: [...heldBack, ...podFields] };
}

/** Keeps the way in which the in-tree module is named: a newer KMM understands both, but not both at once. */
function keepInTreeForm(container: ModuleLoaderContainer, was: DeepReadonly<ModuleLoaderContainer>): void {
  if (!was.inTreeModuleToRemove) return;
  container.inTreeModuleToRemove = was.inTreeModuleToRemove;
  delete container.inTreeModulesToRemove;
}

function containerChanges(
  was: DeepReadonly<ModuleLoaderContainer>,
  want: DeepReadonly<ModuleLoaderContainer>,
  kernels: string[],
): string[] {
  const changes: string[] = [];
  const { kernelMappings: mappingsWere, ...restWas } = plain(was);
  const { kernelMappings: mappingsWanted, ...restWanted } = plain(want);
  for (const field of new Set([...Object.keys(restWas), ...Object.keys(restWanted)])) {
    if (isDeepStrictEqual(restWas[field], restWanted[field])) continue;
    changes.push(
      field === "imagePullPolicy"
        ? `spec.onload.imagePullPolicy (${text(restWas[field])} to ${text(restWanted[field])})`
        : `${field} of the Module (${text(restWas[field])} to ${text(restWanted[field])})`,
    );
  }
  if (!isDeepStrictEqual(mappingsWere, mappingsWanted)) {
    const kernel = kernels.find((kernel) => !sameMapping(was.kernelMappings, want.kernelMappings, kernel));
    if (kernel !== undefined) {
      const image = (mappings: readonly DeepReadonly<KernelMapping>[]): string =>
        kernelMappingFor(mappings, kernel)?.containerImage ?? "none";
      const [before, after] = [image(was.kernelMappings), image(want.kernelMappings)];
      const images = before === after ? "" : `: ${before} to ${after}`;
      changes.push(`spec.onload.kernelMappings (kernel ${kernel}${images})`);
    }
  }
  return changes;
}

/** Whether a kernel gets the same image in the same way from both lists. A node that gains a mapping reloads nothing. */
function sameMapping(
  was: readonly DeepReadonly<KernelMapping>[],
  want: readonly DeepReadonly<KernelMapping>[],
  kernel: string,
): boolean {
  const before = chooseKernelMapping(was, kernel);
  const after = chooseKernelMapping(want, kernel);
  // KMM may be able to evaluate what we cannot, and choose any mapping: every change counts.
  if (before.problem !== undefined || after.problem !== undefined) return false;
  if (!before.mapping) return true;
  return after.mapping !== undefined && isDeepStrictEqual(loads(before.mapping), loads(after.mapping));
}

/** What of a mapping decides how a module is loaded: not which other kernels it is for, nor how its image is built. */
function loads(mapping: DeepReadonly<KernelMapping>): object {
  const rest = plain(mapping);
  delete rest["regexp"];
  delete rest["literal"];
  delete rest["build"];
  return rest;
}

function podChanges(before: DeepReadonly<Module>, desired: Module): string[] {
  const changes: string[] = [];
  const was = before.spec.moduleLoader.serviceAccountName ?? "";
  const want = desired.spec.moduleLoader.serviceAccountName ?? "";
  if (was !== want) changes.push(`spec.serviceAccountName (${text(was)} to ${text(want)})`);
  const secretWas = before.spec.imageRepoSecret?.name;
  const secretWanted = desired.spec.imageRepoSecret?.name;
  if (secretWas !== secretWanted) changes.push(`spec.imagePullSecrets (${text(secretWas)} to ${text(secretWanted)})`);
  return changes;
}

/** An object in one form: without what means nothing, and without the two ways of saying the same. */
function plain<T extends object>(object: DeepReadonly<T>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    const kept = typeof value === "object" && value !== null && !Array.isArray(value) ? plain(value) : value;
    const empty = kept === null || kept === undefined || kept === "" || isDeepStrictEqual(kept, {});
    if (!empty)
      out[key] = Array.isArray(kept) ? kept.map((item) => (typeof item === "object" ? plain(item) : item)) : kept;
  }
  if (out["dirName"] === "/opt") delete out["dirName"];
  if (out["inTreeModuleToRemove"] !== undefined) {
    out["inTreeModulesToRemove"] = [out["inTreeModuleToRemove"]];
    delete out["inTreeModuleToRemove"];
  }
  return out;
}

function text(value: unknown): string {
  if (value === undefined || value === "") return "unset";
  return typeof value === "string" ? value : JSON.stringify(value);
}
