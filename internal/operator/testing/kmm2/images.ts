/** ModuleImagesConfig -> pods that pull its images -> its status. Images that KMM builds are left out. */
import type { DeepReadonly, KubeObject, Pod } from "../../../api/core.ts";
import type { ModuleImagesConfig } from "../../../api/kmm.ts";
import { KMM_API_VERSION, KMM_IMAGE_OWNER_LABEL } from "../../../api/names.ts";
import { MODULE_IMAGES_CONFIGS } from "../../../api/resources.ts";
import { PODS } from "../../../kube/resource.ts";
import { refOf, type View, type Write } from "./view.ts";

export function decideImages(view: View): Write[] {
  return view.images.flatMap((config) => {
    const { namespace, name } = config.metadata;
    const pods = view.pods.filter(
      ({ metadata }) => metadata.namespace === namespace && metadata.labels?.[KMM_IMAGE_OWNER_LABEL] === name,
    );
    return config.metadata.deletionTimestamp === undefined ? decide(config, pods) : [];
  });
}

function decide(config: DeepReadonly<ModuleImagesConfig>, pods: DeepReadonly<Pod>[]): Write[] {
  const wanted = (config.spec?.images ?? []).map(({ image }) => image);
  const states = [...(config.status?.imagesStates ?? [])];
  const done = pods.filter((pod) => pod.status?.phase === "Succeeded" || !wanted.includes(imageOf(pod)));
  const found = done.map(imageOf).filter((image) => wanted.includes(image));
  const fresh = found.filter((image) => !states.some((state) => state.image === image));
  const removals = done.map((pod): Write => ({ verb: "delete", resource: PODS, ref: refOf(pod) }));
  if (fresh.length > 0) {
    const imagesStates = [...states, ...fresh.map((image) => ({ image, status: "Exists" }))];
    const patch = { status: { imagesStates } };
    const version = config.metadata.resourceVersion;
    const ref = refOf(config);
    return [{ verb: "patch", resource: MODULE_IMAGES_CONFIGS, ref, patch, status: true, version }];
  }
  // An image without a state is pulled, however long that takes.
  const missing = wanted.filter(
    (image) => !states.some((state) => state.image === image) && !pods.some((pod) => imageOf(pod) === image),
  );
  return [...removals, ...missing.map((image) => puller(image, config))];
}

function puller(image: string, config: DeepReadonly<ModuleImagesConfig>): Write {
  const { namespace = "", name, uid } = config.metadata;
  const { tolerations = [] } = config.spec as { tolerations?: unknown[] };
  const owner = { apiVersion: KMM_API_VERSION, kind: "ModuleImagesConfig", name, uid: uid!, controller: true };
  const metadata = {
    namespace,
    // As KMM's generateName; by the image, so that a look at stale knowledge makes no second one.
    name: `${name}-pull-pod-${Bun.hash(image).toString(36).slice(0, 5)}`,
    labels: { [KMM_IMAGE_OWNER_LABEL]: name, "kmm.node.kubernetes.io/pull-pod-type": "until-success" },
    ownerReferences: [owner],
  };
  const spec = { containers: [{ name: "puller", image }], restartPolicy: "Never", tolerations };
  return { verb: "create", resource: PODS, object: { apiVersion: "v1", kind: "Pod", metadata, spec } as KubeObject };
}

function imageOf(pod: DeepReadonly<Pod>): string {
  return pod.spec?.containers?.[0]?.image ?? "";
}
