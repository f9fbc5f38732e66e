/** Which change of a Module must wait for a new version, because KMM would reload drivers under running pods for it. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../../api/core.ts";
import type { KernelMapping, Module, ModuleLoaderContainer } from "../../api/kmm.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { chooseMapping, imageFor, literalMapping, mappingFor, mayMap } from "../kmm/module-config.ts";
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
  /** Kernel versions of all other nodes that the resource wants. */
  idleKernels?: Iterable<string>;
}

/** What makes KMM reload modules. */
type KmmReloads = Pick<Kmm, "reloadsForPodFields" | "kernelInImageNames">;

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
 *
 * Nodes of other kernels get what is desired all the same. Only a Module that is in use is held back, so such a node could
 * otherwise get one new module and not the other. If there are no such nodes, the Module stays as it is: KMM 1.1 takes every
 * change of a Module as an occasion to unload what belongs to nodes that are not Ready.
 */
export function holdBack(desired: Module, inUse: ModuleInUse, kmm: KmmReloads): HeldBack {
  const kernels = [...new Set(inUse.kernels)].toSorted();
  const version = desired.spec.moduleLoader.container.version;
  const before = [inUse.live, inUse.lastReady].find((module) => isOfVersion(module, version));
  if (!before || kernels.length === 0) return { apply: desired, heldBack: [] };

  const was = before.spec.moduleLoader.container;
  const want = desired.spec.moduleLoader.container;
  const fields = fieldChanges(was, want);
  const isSame = isDeepStrictEqual(plain(was)["kernelMappings"], plain(want)["kernelMappings"]);
  const changed = isSame ? [] : kernels.filter((kernel) => !sameMapping(before, desired, kernel, kmm));
  const podFields = kmm.reloadsForPodFields ? podChanges(before, desired) : [];
  const apply = structuredClone(desired);
  // From a Module without a mapping for its kernel a node has nothing, whatever its labels ask for.
  const unmapped = kernels.filter((kernel) => !mayMap(before, kernel));
  const isAwaited = [...(inUse.idleKernels ?? []), ...unmapped].some(
    (kernel) => mappingFor(desired, kernel) && !isServedAlike(before, desired, kernel, kmm),
  );
  const { kernelMappings } = isAwaited || changed.length === 0 ? apply.spec.moduleLoader.container : was;
  if (fields.length > 0) apply.spec.moduleLoader.container = structuredClone(was) as ModuleLoaderContainer;
  else keepInTreeForm(apply.spec.moduleLoader.container, was);
  apply.spec.moduleLoader.container.kernelMappings = keptFor(isAwaited ? changed : [], before, desired, kernelMappings);
  if (podFields.length > 0) {
    const { serviceAccountName } = before.spec.moduleLoader;
    const { imageRepoSecret } = before.spec;
    delete apply.spec.moduleLoader.serviceAccountName;
    delete apply.spec.imageRepoSecret;
    if (serviceAccountName !== undefined) apply.spec.moduleLoader.serviceAccountName = serviceAccountName;
    if (imageRepoSecret !== undefined) apply.spec.imageRepoSecret = { ...imageRepoSecret };
  }
  return { apply, heldBack: [...fields, ...mappingChanges(changed, before, desired, kmm), ...podFields] };
}

/** Keeps the way in which the in-tree module is named: a newer KMM understands both, but not both at once. */
function keepInTreeForm(container: ModuleLoaderContainer, was: DeepReadonly<ModuleLoaderContainer>): void {
  if (!was.inTreeModuleToRemove) return;
  container.inTreeModuleToRemove = was.inTreeModuleToRemove;
  delete container.inTreeModulesToRemove;
}

/** Mappings by which some kernels get what they had, and all others what is desired. */
function keptFor(
  changed: readonly string[],
  before: DeepReadonly<Module>,
  desired: DeepReadonly<Module>,
  mappings: DeepReadonly<KernelMapping[]>,
): KernelMapping[] {
  const first: KernelMapping[] = [];
  const last: KernelMapping[] = [];
  for (const kernel of changed) {
    const { mapping } = chooseMapping(before, kernel);
    // KMM may have evaluated what we cannot: then nothing is to change.
    if (!mapping) return structuredClone(before.spec.moduleLoader.container.kernelMappings) as KernelMapping[];
    // A mapping that no other shadows stands at the end, where keepMappings would put it too. So the Module stays the same
    // when a node fails, and its kernel is kept by the one instead of by the other.
    (mayMap(desired, kernel) ? first : last).push(literalMapping(mapping, kernel));
  }
  return [...first, ...(structuredClone(mappings) as KernelMapping[]), ...last];
}

function fieldChanges(was: DeepReadonly<ModuleLoaderContainer>, want: DeepReadonly<ModuleLoaderContainer>): string[] {
  const changes: string[] = [];
  const { kernelMappings: _, ...restWas } = plain(was);
  const { kernelMappings: __, ...restWanted } = plain(want);
  for (const field of new Set([...Object.keys(restWas), ...Object.keys(restWanted)])) {
    if (isDeepStrictEqual(restWas[field], restWanted[field])) continue;
    changes.push(
      field === "imagePullPolicy"
        ? `spec.onload.imagePullPolicy (${text(restWas[field])} to ${text(restWanted[field])})`
        : `${field} of the Module (${text(restWas[field])} to ${text(restWanted[field])})`,
    );
  }
  return changes;
}

function mappingChanges(
  [kernel]: readonly string[],
  before: DeepReadonly<Module>,
  desired: DeepReadonly<Module>,
  kmm: KmmReloads,
): string[] {
  if (kernel === undefined) return [];
  const [was, want] = [before, desired].map((module) => imageFor(module, kernel, kmm) ?? "none");
  const images = was === want ? "" : `: ${was} to ${want}`;
  return [`spec.onload.kernelMappings (kernel ${kernel}${images})`];
}

/** Whether a kernel gets the same image in the same way from both lists. A node that gains a mapping reloads nothing. */
function sameMapping(
  before: DeepReadonly<Module>,
  desired: DeepReadonly<Module>,
  kernel: string,
  kmm: KmmReloads,
): boolean {
  const was = chooseMapping(before, kernel);
  const want = chooseMapping(desired, kernel);
  // KMM may be able to evaluate what we cannot, and choose any mapping: every change counts.
  if (was.problem !== undefined || want.problem !== undefined) return false;
  return !was.mapping || isServedAlike(before, desired, kernel, kmm);
}

/** Whether nodes of a kernel get the same from both Modules, or nothing. */
function isServedAlike(
  before: DeepReadonly<Module>,
  desired: DeepReadonly<Module>,
  kernel: string,
  kmm: KmmReloads,
): boolean {
  const [was, want] = [before, desired].map((module) => mappingFor(module, kernel));
  if (!was || !want) return was === want;
  // An image may be named in two ways: with KMM's variables, and as a node was loaded from it.
  const [imageWas, imageWanted] = [before, desired].map((module) => imageFor(module, kernel, kmm));
  return imageWas === imageWanted && isDeepStrictEqual(loads(was), loads(want));
}

/** What else of a mapping decides how a module is loaded: not which other kernels it is for, nor how its image is built. */
function loads(mapping: DeepReadonly<KernelMapping>): object {
  const rest = plain(mapping);
  delete rest["regexp"];
  delete rest["literal"];
  delete rest["build"];
  delete rest["containerImage"];
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
