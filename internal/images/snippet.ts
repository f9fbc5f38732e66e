import { Document, isMap } from "yaml";
import { documentText } from "../cli/yaml.ts";
import { kernelName } from "../api/kernel-tag.ts";
import type { Part } from "./dockerfile.ts";

/** An image as an Onload resource refers to it. */
export interface BuiltImage {
  part: Part;
  kernel?: string | undefined;
  /** Name and tag. */
  tag: string;
  /** Digest in the registry; undefined if it was not pushed. */
  digest?: string | undefined;
  /** Whether a module image also has the sfc driver. */
  sfc?: boolean;
}

/**
 * The part of an Onload resource that names the images, as YAML. Parts that were not built are left out. What was pushed
 * has its digest beside the tag: whatever the tag names later, nodes run what was checked.
 *
 * @param version of Onload, which becomes spec.onload.version
 */
export function onloadSnippet(images: readonly BuiltImage[], version: string | undefined): string {
  const mappings = images
    .filter(({ part }) => part === "module")
    .map(({ kernel = "", sfc, ...image }) => ({
      // A trailing "+" would match nothing: KMM cuts it first.
      regexp: `^${kernelName(kernel).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`,
      kernelModuleImage: reference(image),
      ...(sfc ? { sfc: {} } : {}),
    }));
  const [userImage, plugin] = (["user", "onloadctl"] as const).map((wanted) => {
    const image = images.find(({ part }) => part === wanted);
    return image && reference(image);
  });
  const onload = {
    ...(mappings.length > 0 ? { kernelMappings: mappings } : {}),
    ...(userImage === undefined ? {} : { userImage }),
    ...(version === undefined ? {} : { version }),
  };
  const document = new Document({
    spec: {
      ...(Object.keys(onload).length > 0 ? { onload } : {}),
      ...(plugin === undefined ? {} : { devicePlugin: { devicePluginImage: plugin } }),
    },
  });
  mappings.forEach(({ sfc }, index) => {
    const node = sfc && document.getIn(["spec", "onload", "kernelMappings", index, "sfc"]);
    if (!isMap(node)) return;
    node.flow = true;
    node.comment = " Leave out if a MachineConfig loads the sfc driver at boot";
  });
  return documentText(document, { lineWidth: 0 });
}

function reference({ tag, digest }: Pick<BuiltImage, "tag" | "digest">): string {
  return digest === undefined ? tag : `${tag}@${digest}`;
}

/** A ConfigMap with the Dockerfile, for module builds inside the cluster (spec.onload.kernelMappings[].build). */
export function dockerfileConfigMap(dockerfile: string, name: string, namespace: string | undefined): string {
  return documentText(
    new Document({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
      // The key that Kernel Module Management reads.
      data: { dockerfile },
    }),
    { lineWidth: 0 },
  );
}
