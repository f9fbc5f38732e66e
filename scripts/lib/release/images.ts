/** The images of a release: onloadctl's own, and that of the bundle. */
import type { ArchiveEntry } from "./archive.ts";
import { cLibrary, type Architecture } from "./c-library.ts";
import { ociArchive, type OciArchive } from "./oci-image.ts";

/** What is the same for all images. */
interface ImageFacts {
  version: string;
  /** Of git. */
  commit: string;
  /** In seconds since 1970. */
  time: number;
}

/** Nobody in particular, as in other images without a shell. */
const USER = 65_532;

/** Folders and files that programs expect, beside the C library. */
const SYSTEM: readonly ArchiveEntry[] = [
  { name: "etc/passwd", content: `root:x:0:0:root:/:/none\nonloadctl:x:${USER}:${USER}:onloadctl:/:/none\n` },
  { name: "etc/group", content: `root:x:0:\nonloadctl:x:${USER}:\n` },
  // Names in /etc/hosts go before those of DNS, which is not so without this file.
  { name: "etc/nsswitch.conf", content: "hosts: files dns\n" },
  { name: "tmp", mode: 0o1777 },
];

/**
 * onloadctl's image, the same as build-images makes it on another base: the C library, and above it the executable, so that
 * of a new version nodes pull only that.
 *
 * @param executables by architecture
 * @param licenses files that belong into /licenses
 */
export async function onloadctlImage(
  executables: ReadonlyMap<Architecture, Uint8Array>,
  licenses: readonly ArchiveEntry[],
  facts: ImageFacts,
): Promise<OciArchive> {
  const Labels = labels("onloadctl", "Operator, device plugin and tools of Onload", facts);
  const images = [...executables].map(async ([architecture, content]) => ({
    architecture,
    layers: [
      [...(await cLibrary(architecture)), ...SYSTEM],
      [
        { name: "usr/bin/onloadctl", content, isExecutable: true },
        ...licenses.map((file) => ({ ...file, name: `licenses/${file.name}` })),
      ],
    ],
    config: { User: `${USER}:${USER}`, Entrypoint: ["/usr/bin/onloadctl"], Env: ["PATH=/usr/bin"], Labels },
  }));
  return await ociArchive(await Promise.all(images), {
    name: `onloadctl:${facts.version}`,
    time: facts.time,
    index: Labels,
  });
}

/**
 * The bundle's image, which its Dockerfile would make. It has no programs, so that one for amd64 serves all. It has no
 * index: OLM runs the image on any node, and the runtime of a node for arm64 refuses an index that does not name arm64.
 *
 * @param files of the bundle, by their paths
 */
export async function bundleImage(files: Readonly<Record<string, string>>, facts: ImageFacts): Promise<OciArchive> {
  const { "bundle.Dockerfile": dockerfile = "", ...content } = files;
  const said = [...dockerfile.matchAll(/^LABEL (\S+?)=(.*)$/gm)].map(([, key, value]) => [key!, value!]);
  const Labels = { ...labels("onload-operator-bundle", "OLM bundle of onloadctl", facts), ...Object.fromEntries(said) };
  const layer = Object.entries(content).map(([name, text]) => ({ name, content: text }));
  return await ociArchive([{ architecture: "amd64", layers: [layer], config: { Labels } }], {
    name: `onload-operator-bundle:${facts.version}`,
    time: facts.time,
  });
}

function labels(title: string, description: string, { version, commit }: ImageFacts): Record<string, string> {
  const about = { title, description, version, revision: commit, licenses: "MIT" };
  return Object.fromEntries(Object.entries(about).map(([key, value]) => [`org.opencontainers.image.${key}`, value]));
}
