/**
 * Which images of a Module KMM (2.4 and later) has found. It loads nothing before its ModuleImagesConfig says that the
 * image exists. An image that it does not build has no state at all until a pod of its own has pulled it, however long
 * that takes: only that pod says why it does not come.
 */
import type { DeepReadonly, Pod } from "../../api/core.ts";
import type { Module, ModuleImagesConfig } from "../../api/kmm.ts";
import type { Kmm } from "./kmm.ts";
import { imageFor } from "./module-config.ts";
import { failureText, podFailure } from "../cache/pods.ts";

/** An image of a kernel module that KMM has not found. */
export interface MissingImage {
  image: string;
  /** Why it will not come by itself; undefined while KMM still pulls or builds it. */
  why: string | undefined;
  /** Why the last pull failed, while the kubelet is about to try again. */
  lastPull?: string;
}

/** What is known of a Module's images. */
export interface ModuleImages {
  found: readonly string[];
  /** By image: why it will not come by itself. */
  problems: Readonly<Record<string, string>>;
  /** By image: why the last pull failed. The kubelet tries again at once, so that it may come by itself. */
  lastPulls: Readonly<Record<string, string>>;
}

/**
 * @param pullPods the pods by which KMM looks for this Module's images
 * @param texts what events tell of them, by the pods' uid
 */
export function moduleImages(
  config: DeepReadonly<ModuleImagesConfig> | undefined,
  pullPods: Iterable<DeepReadonly<Pod>>,
  texts: ReadonlyMap<string, string> = new Map(),
): ModuleImages {
  const states = config?.status?.imagesStates ?? [];
  const problems: Record<string, string> = {};
  const lastPulls: Record<string, string> = {};
  for (const { image, status } of states) {
    if (status === "DoesNotExist") problems[image] = "KMM could not build or sign it; see the pods of its build";
  }
  for (const pod of pullPods) {
    const failure = podFailure(pod);
    const image = pod.spec?.containers?.[0]?.image;
    if (image === undefined) continue;
    if (failure) problems[image] = failureText(pod, failure, texts);
    const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
    if (waiting?.reason === "ErrImagePull") lastPulls[image] = `Pod ${pod.metadata.name}: ErrImagePull`;
  }
  return { found: states.filter(({ status }) => status === "Exists").map(({ image }) => image), problems, lastPulls };
}

/** The images that some Modules need for a kernel and that KMM has not found; each once. */
export function missingImages(
  modules: readonly { module: DeepReadonly<Module> | undefined; images: ModuleImages | undefined }[],
  kernel: string,
  kmm: Pick<Kmm, "kernelInImageNames">,
): MissingImage[] {
  const missing = new Map<string, MissingImage>();
  for (const { module, images } of modules) {
    const image = module && imageFor(module, kernel, kmm);
    if (image === undefined || !images || images.found.includes(image)) continue;
    const lastPull = images.lastPulls[image];
    const why = missing.get(image)?.why ?? images.problems[image];
    missing.set(image, { image, why, ...(lastPull === undefined ? {} : { lastPull }) });
  }
  return [...missing.values()];
}
