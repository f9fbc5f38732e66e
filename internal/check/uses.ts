/** What the images are for that an Onload resource needs. Pure. */
import type { DeepReadonly, Node } from "../api/core.ts";
import type { Onload } from "../api/onload.ts";
import { objectKey } from "../kube/object.ts";
import { desiredModules } from "../operator/desired/modules.ts";
import type { Kmm } from "../operator/kmm/kmm.ts";
import { imageFor, mappingFor } from "../operator/kmm/module-config.ts";
import { kernelsOf, selectedOf } from "./resource.ts";

/** One use of an image. */
export interface Use {
  /** undefined: the resource names none, and the operator's own is used, or no image is for the kernel. */
  image: string | undefined;
  use: string;
  /** KMM builds it in the cluster and pushes it there. */
  isBuilt?: boolean;
}

/** The images of an Onload resource: its own, and those of modules for the kernels of its nodes. */
export function usesOf(onload: DeepReadonly<Onload>, nodes: readonly Node[], kmm: Kmm): Use[] {
  const key = objectKey(onload);
  const { onload: module } = desiredModules(onload, kmm);
  return [
    { image: onload.spec.devicePlugin.devicePluginImage, use: `${key}: device plugin` },
    { image: onload.spec.onload.userImage, use: `${key}: user image` },
    ...kernelsOf(selectedOf(onload, nodes)).map((kernel) => ({
      image: imageFor(module, kernel, kmm),
      use: `${key}: module for ${kernel}`,
      isBuilt: mappingFor(module, kernel)?.build !== undefined,
    })),
  ];
}
