/** Images as skopeo and podman read them (https://github.com/opencontainers/image-spec, image-layout.md), made without an engine. */
import { createHash } from "node:crypto";
import { plainTar, zipped, type ArchiveEntry } from "./archive.ts";
import type { Architecture } from "./c-library.ts";

/** One image: what is in it, and how it runs. */
export interface ImageParts {
  readonly architecture: Architecture;
  /** The lowest first. What a node has of one it need not pull again. */
  readonly layers: readonly (readonly ArchiveEntry[])[];
  /** `config` of the image's configuration, such as User and Entrypoint; its labels are annotations of the manifest too. */
  readonly config: { readonly Labels: Readonly<Record<string, string>>; readonly [field: string]: unknown };
}

/** An image, or several under one index. */
export interface OciArchive {
  /** A tar of the layout, `oci-archive:` for skopeo and podman. */
  readonly content: Buffer;
  /** What a registry knows the index by, or the only image if there is no index: sha256:… */
  readonly digest: string;
  /** The same of each image. */
  readonly digests: ReadonlyMap<Architecture, string>;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";

/** Time of what is in a layer: that of the commit would give the same files another digest at every commit. */
const LAYER_TIME = 0;

/**
 * The archive of images for several platforms, with one index over them; or of one image for whatever pulls it, without an index.
 *
 * @param options.name with a tag, under which the archive has the index or the image
 * @param options.time of the images, in seconds since 1970; no layer depends on it
 * @param options.index its annotations; without it there is one image only
 */
export async function ociArchive(
  images: readonly ImageParts[],
  { name, time, index }: { name: string; time: number; index?: Readonly<Record<string, string>> },
): Promise<OciArchive> {
  const blobs = new Map<string, Uint8Array>();
  const put = (mediaType: string, content: Uint8Array): Descriptor => {
    const digest = digestOf(content);
    blobs.set(digest, content);
    return { mediaType, digest, size: content.length };
  };
  const putJson = (mediaType: string, value: object): Descriptor => put(mediaType, Buffer.from(JSON.stringify(value)));

  const manifests = await Promise.all(
    images.map(async ({ architecture, layers, config }) => {
      const tars = await Promise.all(layers.map((layer) => plainTar(withFolders(layer), LAYER_TIME)));
      const compressed = await Promise.all(tars.map(zipped));
      const platform = { architecture, os: "linux" };
      const manifest = {
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: putJson("application/vnd.oci.image.config.v1+json", {
          created: new Date(time * 1000).toISOString(),
          ...platform,
          config,
          rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
        }),
        layers: compressed.map((layer) => put("application/vnd.oci.image.layer.v1.tar+gzip", layer)),
        annotations: config.Labels,
      };
      return { ...putJson(MANIFEST, manifest), platform };
    }),
  );
  if (index === undefined && manifests.length !== 1)
    throw new Error(`Cannot put ${manifests.length} images into ${name}: no index`);
  const top =
    index === undefined
      ? manifests[0]!
      : putJson(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests, annotations: index });
  const layout = {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [{ ...top, annotations: { "org.opencontainers.image.ref.name": name } }],
  };
  const files = [
    { name: "oci-layout", content: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
    { name: "index.json", content: JSON.stringify(layout) },
    ...[...blobs].map(([digest, content]) => ({ name: `blobs/sha256/${digest.slice(7)}`, content })),
  ];
  const digests = new Map(manifests.map(({ platform, digest }) => [platform.architecture, digest]));
  return { content: await plainTar(files, time), digest: top.digest, digests };
}

function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** The entries and every folder above them: an engine would choose the modes of folders that are not there. */
function withFolders(entries: readonly ArchiveEntry[]): ArchiveEntry[] {
  const named = new Set(entries.map(({ name }) => name));
  const above = new Set(
    entries.flatMap(({ name }) => {
      const parts = name.split("/").slice(0, -1);
      return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
    }),
  );
  return [...entries, ...[...above].filter((name) => !named.has(name)).map((name) => ({ name, mode: 0o755 }))];
}
