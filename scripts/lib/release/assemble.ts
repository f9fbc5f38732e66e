/**
 * Makes the files of a release in a tree whose executables are built: `assemble.ts FOLDER KEY URL IMAGE PLATFORM...`. URL and IMAGE may
 * be empty. The environment has the commit (ONLOADCTL_RELEASE_COMMIT) and its time (SOURCE_DATE_EPOCH, in seconds), from which alone all
 * dates come.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "../../../cmd/root.ts";
import { onloadCrd } from "../../../internal/api/crd.ts";
import { completionScript, SHELLS } from "../../../internal/cli/completion/scripts.ts";
import { VERSION } from "../../../internal/cli/version.ts";
import { NOTICES } from "../../../internal/licenses/notices.ts";
import { chart, CHART_NAME } from "../../../internal/manifests/helm/chart.ts";
import { render } from "../../../internal/manifests/render.ts";
import { checkout } from "../../../internal/testcluster/lib/paths.ts";
import { bundledPackages } from "../third-party.ts";
import { tarball, type ArchiveFile } from "./archive.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { krewManifest } from "./krew.ts";
import { manPages } from "./man-page.ts";
import { publicKeyFile, signatureFile, signingKey } from "./minisign.ts";
import { builtFile, isPlatform, type Platform } from "./platforms.ts";
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
const key = signingKey(await readFile(keyFile, "utf8"));
const written = new Map<string, string>();

/** Writes a file of the release, and keeps its digest. */
async function write(name: string, content: Uint8Array | string): Promise<void> {
  await writeFile(join(folder, name), content);
  written.set(name, sha256Of(content));
}

function sha256Of(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

const common: ArchiveFile[] = [
  { name: "LICENSE", content: await readFile(join(checkout, "LICENSE")) },
  { name: "THIRD-PARTY", content: NOTICES },
  { name: "README.md", content: await readFile(join(checkout, "README.md")) },
  ...SHELLS.map((shell) => ({ name: `completions/onloadctl.${shell}`, content: completionScript(shell) })),
  ...[...(await manPages(root, ["onloadctl"], { version: VERSION, date: date.slice(0, 10) }))].map(
    ([name, content]) => ({ name: `man/man1/${name}`, content }),
  ),
];
const packages = await bundledPackages(checkout);
const bun = process.versions.bun!;
const archives = new Map<Platform, string>();
for (const platform of platforms.filter(isPlatform)) {
  const executable = await readFile(join(checkout, builtFile(platform)));
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

await write("onload_v1alpha1.schema.json", `${JSON.stringify(resourceSchema(onloadCrd()), null, 2)}\n`);
await write("crd.yaml", render("crd"));
if (image !== "") {
  await write("install.yaml", render("default", { image }));
  await write("install-before-1.30.yaml", render("before-1.30", { image }));
}
const chartFiles = Object.entries(chart({ image, version: VERSION, appVersion: VERSION }));
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
  const downloads = [...archives].map(([platform, archive]) => ({
    platform,
    uri: `${url.replace(/\/+$/, "")}/${archive}`,
    sha256: written.get(archive)!,
  }));
  await write("onload.yaml", krewManifest({ version: VERSION, downloads }));
}

const statement = provenance({
  version: VERSION,
  files: written,
  commit,
  lock: sha256Of(await readFile(join(checkout, "bun.lock"))),
  bun,
  date,
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
