/**
 * CRDs of a model of KMM 2, with the fields of KMM 2.5 and later that matter here, all of them open: KMM's own cannot
 * be had, because no version of its Go module after 1.1 resolves.
 */
import type { CustomResourceDefinition, JsonSchema } from "../../../api/core.ts";
import { KMM_GROUP } from "../../../api/names.ts";

const open: JsonSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const text: JsonSchema = { type: "string" };
const list = (items: JsonSchema): JsonSchema => ({ type: "array", items });
const object = (properties: Record<string, JsonSchema>, required: string[] = []): JsonSchema => ({
  type: "object",
  properties,
  ...(required.length > 0 ? { required } : {}),
});

const moduleItem = { namespace: text, name: text, serviceAccountName: text, version: text, tolerations: list(open) };
const moduleConfig = object(
  {
    kernelVersion: text,
    containerImage: text,
    imagePullPolicy: text,
    insecurePull: { type: "boolean" },
    inTreeModulesToRemove: list(text),
    modprobe: open,
  },
  ["kernelVersion", "containerImage", "modprobe"],
);

const container = object(
  {
    modprobe: open,
    kernelMappings: list(open),
    version: text,
    imagePullPolicy: text,
    inTreeModuleToRemove: text,
    inTreeModulesToRemove: list(text),
  },
  ["modprobe", "kernelMappings"],
);

/** The CRDs to create. */
export const KMM2_CRDS: CustomResourceDefinition[] = [
  crd("Module", "modules", "Namespaced", {
    spec: object(
      {
        selector: { type: "object", additionalProperties: text },
        tolerations: list(open),
        imageRepoSecret: open,
        moduleLoader: object({ serviceAccountName: text, container }, ["container"]),
      },
      ["selector"],
    ),
    status: open,
  }),
  crd("NodeModulesConfig", "nodemodulesconfigs", "Cluster", {
    spec: object({ modules: list(object({ ...moduleItem, config: moduleConfig })) }),
    status: object({ modules: list(object({ ...moduleItem, config: moduleConfig, bootId: text })) }),
  }),
  crd("ModuleImagesConfig", "moduleimagesconfigs", "Namespaced", {
    spec: object({ images: list(object({ image: text, kernelVersion: text })), tolerations: list(open) }),
    status: object({ imagesStates: list(object({ image: text, status: text })) }),
  }),
];

function crd(
  kind: string,
  plural: string,
  scope: "Namespaced" | "Cluster",
  properties: Record<string, JsonSchema>,
): CustomResourceDefinition {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${KMM_GROUP}` },
    spec: {
      group: KMM_GROUP,
      scope,
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: "v1beta1",
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: object(properties) },
        },
      ],
    },
  };
}
