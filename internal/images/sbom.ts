import { access, constants, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writing } from "../cli/writing.ts";
import * as labels from "./labels.ts";
import type { OpenedImage } from "./verify.ts";

/**
 * The bill of materials of an image as CycloneDX 1.6 JSON: the files that we put there, with their digests, and the
 * packages of the base image that dpkg has recorded. An RPM database is not read; the document says so.
 */
export function billOfMaterials({ name, image, contents }: OpenedImage, tool: { version: string }): object {
  const colon = name.lastIndexOf(":");
  const version = image.labels[labels.LABEL_VERSION] ?? name.slice(colon + 1);
  const distribution = contents.osRelease["ID"] ?? "debian";
  const created = image.labels[labels.LABEL_CREATED];
  const properties = [
    { name: "onloadctl:image-id", value: `sha256:${image.id}` },
    ...[labels.LABEL_SOURCE, labels.LABEL_REVISION, labels.LABEL_KERNEL, labels.LABEL_BASE_NAME].flatMap((label) => {
      const value = image.labels[label];
      return value === undefined ? [] : [{ name: `oci:${label}`, value }];
    }),
    ...(contents.rpm
      ? [{ name: "onloadctl:incomplete", value: "The packages of the RPM database are not listed" }]
      : []),
  ];
  const licenses = image.labels[labels.LABEL_LICENSES];
  return cycloneDx({
    metadata: {
      ...(created === undefined ? {} : { timestamp: created }),
      tools: { components: [{ type: "application", name: "onloadctl", version: tool.version }] },
      component: {
        type: "container",
        "bom-ref": "image",
        name: name.slice(0, colon),
        version,
        hashes: [{ alg: "SHA-256", content: image.id }],
        ...(licenses === undefined
          ? {}
          : { licenses: [{ expression: licenses.replace("GPL-2.0 ", "GPL-2.0-only ") }] }),
        properties,
      },
    },
    components: [
      ...contents.packages.map(({ name: pkg, version: release, architecture }) => {
        const purl = `pkg:deb/${distribution}/${encodeURIComponent(pkg)}@${encodeURIComponent(release)}?arch=${architecture}`;
        return { type: "library", "bom-ref": purl, name: pkg, version: release, purl };
      }),
      ...[...contents.files]
        .filter(([, { sha256 }]) => sha256 !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([path, { sha256 }]) => ({
          type: "file",
          "bom-ref": `file:/${path}`,
          name: `/${path}`,
          hashes: [{ alg: "SHA-256", content: sha256 }],
        })),
    ],
  });
}

/** A document of CycloneDX 1.6 with that in it. */
export function cycloneDx(content: object): object {
  const $schema = "http://cyclonedx.org/schema/bom-1.6.schema.json";
  return { $schema, bomFormat: "CycloneDX", specVersion: "1.6", version: 1, ...content };
}

const SET_BY = "--sbom";

/**
 * Makes the folder of bills of materials, so that one in which nothing can be written is told before images are built.
 *
 * @throws Error "Cannot write FOLDER: reason"
 */
export async function prepareFolder(folder: string): Promise<void> {
  await writing(folder, SET_BY, async () => {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  });
}

/** Writes one file per image into `folder`, such as onload-user_9.1.0.cdx.json. */
export async function writeBills(opened: readonly OpenedImage[], folder: string, version: string): Promise<void> {
  await prepareFolder(folder);
  for (const image of opened) {
    const name = `${image.name.slice(image.name.lastIndexOf("/") + 1).replace(":", "_")}.cdx.json`;
    const file = join(folder, name);
    const bill = `${JSON.stringify(billOfMaterials(image, { version }), null, 2)}\n`;
    await writing(file, SET_BY, () => writeFile(file, bill));
  }
}
