/**
 * Makes the files of a release in a tree whose executables are built: `assemble.ts FOLDER KEY URL IMAGE PLATFORM...`. URL and IMAGE may
 * be empty; see scripts/release.ts. The environment has the commit (ONLOADCTL_RELEASE_COMMIT) and its time (SOURCE_DATE_EPOCH, in seconds), from which alone all
 * dates come.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../../../cmd/root.ts";
import { onloadCrd } from "../../../internal/api/crd.ts";
import { completionScript, EXTENSIONS, SHELLS } from "../../../internal/cli/completion/scripts.ts";
import { VERSION } from "../../../internal/cli/version.ts";
import { NOTICES } from "../../../internal/licenses/notices.ts";
import { bundle } from "../../../internal/manifests/bundle.ts";
import { chart, CHART_NAME } from "../../../internal/manifests/helm/chart.ts";
import { render } from "../../../internal/manifests/render.ts";
import { checkout } from "../../../internal/testcluster/lib/paths.ts";
import { bundledPackages } from "../third-party.ts";
import { tarball, type ArchiveFile } from "./archive.ts";
import { baseExecutable, downloadFolder } from "./base-executables.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { C_LIBRARY, type Architecture } from "./c-library.ts";
import { bundleImage, onloadctlImage } from "./images.ts";
import { krewManifest } from "./krew.ts";
import { manPages } from "./man-page.ts";
import { publicKeyFile, readSigningKey, signatureFile } from "./minisign.ts";
import type { OciArchive } from "./oci-image.ts";
import { ARCHITECTURES, builtFile, isPlatform, type Platform } from "./platforms.ts";
import { envelope, provenance } from "./provenance.ts";
import { resourceSchema } from "./resource-schema.ts";

/** The outer script puts them into the tree, because only it has the history. */
const NOTES = ["RELEASE-NOTES.md", "CHANGELOG.md"];
const [folder, keyFile, url, image, ...platforms] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  ...string[],
];
const commit = process.env["ONLOADCTL_RELEASE_COMMIT"]!;
const time = Number(process.env["SOURCE_DATE_EPOCH"]);
const date = new Date(time * 1000).toISOString();
const key = await readSigningKey(keyFile);
const written = new Map<string, string>();

/** Writes a file of the release, and keeps its digest. */
async function write(name: string, content: Uint8Array | string): Promise<void> {
  await writeFile(join(folder, name), content);
  written.set(name, sha256Of(content));
}

function sha256Of(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

const licenses: ArchiveFile[] = [
  { name: "LICENSE", content: await readFile(join(checkout, "LICENSE")) },
  { name: "THIRD-PARTY", content: NOTICES },
];
const common: ArchiveFile[] = [
  ...licenses,
  { name: "README.md", content: await readFile(join(checkout, "README.md")) },
  ...SHELLS.map((shell) => ({ name: `completions/onloadctl.${EXTENSIONS[shell]}`, content: completionScript(shell) })),
  ...[...(await manPages(root, ["onloadctl"], { version: VERSION, date: date.slice(0, 10) }))].map(
    ([name, content]) => ({ name: `man/man1/${name}`, content }),
  ),
];
const packages = await bundledPackages(checkout);
const bun = process.versions.bun!;
const archives = new Map<Platform, string>();
const executables = new Map<Architecture, Uint8Array>();
/** Digests of the images, of what was put into them, and of what the executables were made of. */
const images = new Map<string, string>();
const debian = new Map<string, string>();
const baseExecutables = new Map<string, string>();
const downloads = await downloadFolder();
for (const platform of platforms.filter(isPlatform)) {
  const executable = await readFile(join(checkout, builtFile(platform)));
  const base = await baseExecutable(platform, downloads);
  baseExecutables.set(base.uri, base.sha256);
  const architecture = ARCHITECTURES[platform];
  if (architecture !== undefined) executables.set(architecture, executable);
  const archive = `onloadctl-${VERSION}-${platform}.tar.gz`;
  await write(
    archive,
    await tarball([...common, { name: "onloadctl", content: executable, isExecutable: true }], time),
  );
  archives.set(platform, archive);
  const sha256 = sha256Of(executable);
  const bill = billOfMaterials({ version: VERSION, platform, sha256, packages, bun, date });
  await write(`onloadctl-${VERSION}-${platform}.cdx.json`, `${JSON.stringify(bill, null, 2)}\n`);
}

async function writeImage(name: string, { content, digest }: OciArchive): Promise<void> {
  await write(`${name}-${VERSION}.oci.tar`, content);
  images.set(name, digest.slice("sha256:".length));
}

const facts = { version: VERSION, commit, time };
/** The image as the cluster will pull it; empty if nobody knows where it will be. */
let pulled = image;
if (executables.size > 0) {
  const made = await onloadctlImage(executables, licenses, facts);
  await writeImage("onloadctl-image", made);
  if (image !== "" && !image.includes("@")) pulled = `${image}:${VERSION}@${made.digest}`;
  for (const [architecture, digest] of made.digests) {
    const { name, version, suite, sha256 } = C_LIBRARY;
    debian.set(`pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`, sha256[architecture]);
    const platform = `linux-${architecture}`;
    const cLibrary = { name, version, suite };
    const manifest = digest.slice("sha256:".length);
    const bill = billOfMaterials({ version: VERSION, platform, sha256: manifest, packages, bun, date, cLibrary });
    await write(`onloadctl-image-${VERSION}-${platform}.cdx.json`, `${JSON.stringify(bill, null, 2)}\n`);
  }
}

await write("onload_v1alpha1.schema.json", `${JSON.stringify(resourceSchema(onloadCrd()), null, 2)}\n`);
await write("crd.yaml", render("crd"));
if (pulled !== "") {
  await write("install.yaml", render("default", { image: pulled }));
  await write("install-before-1.30.yaml", render("before-1.30", { image: pulled }));
  await writeImage("onload-operator-bundle", await bundleImage(bundle({ image: pulled, version: VERSION }), facts));
}
const chartFiles = Object.entries(chart({ image: pulled, version: VERSION, appVersion: VERSION }));
// The name by which helm push and helm install know an archive.
await write(
  `${CHART_NAME}-${VERSION}.tgz`,
  await tarball(
    chartFiles.map(([name, content]) => ({ name: `${CHART_NAME}/${name}`, content })),
    time,
  ),
);
for (const name of NOTES) await write(name, await readFile(join(checkout, name)));
if (url !== "") {
  const uris = [...archives].map(([platform, archive]) => ({
    platform,
    uri: `${url.replace(/\/+$/, "")}/${archive}`,
    sha256: written.get(archive)!,
  }));
  await write("onload.yaml", krewManifest({ version: VERSION, downloads: uris }));
}

const statement = provenance({
  version: VERSION,
  files: written,
  commit,
  lock: sha256Of(await readFile(join(checkout, "bun.lock"))),
  bun: { version: bun, sha256: sha256Of(await readFile(process.execPath)) },
  baseExecutables,
  parameters: { platforms, ...(image !== "" && { image }), ...(url !== "" && { url }) },
  date,
  images,
  packages: debian,
});
await write("provenance.intoto.json", `${JSON.stringify(envelope(statement, key))}\n`);
const names = [...written.keys()].toSorted();
const sums = names.map((name) => `${written.get(name)}  ${name}\n`).join("");
await write("SHA256SUMS", sums);
await writeFile(
  join(folder, "SHA256SUMS.minisig"),
  signatureFile(Buffer.from(sums), `onloadctl ${VERSION} commit:${commit}`, key),
);
await writeFile(join(folder, "onloadctl.pub"), publicKeyFile(key));
