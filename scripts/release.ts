/**
 * Makes the files of a release from the commit that is checked out: see the usage below. What lies in the working folder but
 * is not committed is no part of it.
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { IMAGE } from "../internal/api/references.ts";
import { isSemanticVersion } from "../internal/cli/version.ts";
import { output, run } from "../internal/testcluster/lib/command.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";
import { progress } from "../internal/testcluster/lib/progress.ts";
import { interruption } from "./lib/interruption.ts";
import { isPlatform, PLATFORMS } from "./lib/release/platforms.ts";
import { readSigningKey } from "./lib/release/minisign.ts";
import { releaseNotes } from "./lib/release/notes.ts";

const usage = `Make the files of a release

USAGE ./scripts/release VERSION --key=FILE [--url=URL] [--image=IMAGE] [--platform=PLATFORM]... [--output=FOLDER]

  VERSION       semantic version, such as 1.2.3 or 1.3.0-rc.1
  --key         Ed25519 key in PEM that signs: openssl genpkey -algorithm ed25519 -out FILE
  --url         where the files will lie, for the manifest of krew; without it there is none
  --image       repository into which the image will be put, such as registry.example.com/trading/onloadctl: install.yaml,
                the Helm chart and the OLM bundle name it there by its digest. Or another image by digest. Without
                it there is no install.yaml and no bundle, and whoever installs the chart has to name an image
  --platform    one of ${PLATFORMS.join(", ")} (default: all)
  --output      folder that does not exist yet, or is empty (default: dist/release-VERSION)
`;

const stop = interruption();
try {
  await release(process.argv.slice(2));
} catch (error) {
  console.error(stop.signal.aborted ? "Interrupted" : (error as Error).message);
  process.exit(stop.signal.aborted ? 130 : 1);
}

async function release(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      key: { type: "string" },
      url: { type: "string" },
      image: { type: "string" },
      platform: { type: "string", multiple: true, default: [...PLATFORMS] },
      output: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return;
  }
  const [version] = positionals;
  if (version === undefined || positionals.length > 1) throw new Error(usage);
  if (!isSemanticVersion(version)) {
    throw new Error(`Cannot release version "${version}": use a semantic version such as 1.2.3 or 1.3.0-rc.1`);
  }
  const wrong = values.platform.find((platform) => !isPlatform(platform));
  if (wrong !== undefined) throw new Error(`Cannot build for "${wrong}": use ${PLATFORMS.join(", ")}`);
  if (values.url !== undefined && !/^https:\/\/\S+$/.test(values.url)) {
    throw new Error(`Cannot use --url ${values.url}: krew downloads over https:// only`);
  }
  const { image: named } = values;
  // A repository, or another image by its digest.
  const isByDigest = named?.includes("@") === true;
  if (named !== undefined && !(IMAGE.test(named) && named.includes("/") && (isByDigest || !/:[^/]*$/.test(named)))) {
    throw new Error(
      `Cannot use --image ${named}: give a repository such as registry.example.com/trading/onloadctl, or an image by digest`,
    );
  }
  if (named !== undefined && !isByDigest && !values.platform.some((each) => each.startsWith("linux-"))) {
    throw new Error(`Cannot name the image in ${named} by its digest: none is made without a --platform of linux`);
  }
  if (values.key === undefined) throw new Error("Cannot sign without a key: give --key=FILE");
  const keyFile = resolve(values.key);
  await readSigningKey(keyFile);
  const folder = resolve(values.output ?? join(checkout, "dist", `release-${version}`));
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) throw new Error(`Cannot write to ${folder}: it is not empty`);
  const { url = "", image = "", platform: platforms } = values;
  await assemble({ version, folder, keyFile, url, image, platforms });
}

interface Request {
  version: string;
  folder: string;
  keyFile: string;
  /** Empty if there is none; so is the image. */
  url: string;
  image: string;
  platforms: readonly string[];
}

/** Exports the commit, gives it the version, and lets the exported tree make its own release. */
async function assemble({ version, folder, keyFile, url, image, platforms }: Request): Promise<void> {
  const { signal } = stop;
  const commit = await output(["git", "-C", checkout, "rev-parse", "HEAD"]);
  const time = await output(["git", "-C", checkout, "log", "-1", "--format=%ct", commit]);
  const tree = await mkdtemp(join(tmpdir(), "onloadctl-release-"));
  try {
    progress(`Exporting commit ${commit}`);
    await run(["git", "-C", checkout, "archive", "--output", join(tree, "tree.tar"), commit], { signal });
    await run(["tar", "-C", tree, "-xf", join(tree, "tree.tar")], { signal });
    await rm(join(tree, "tree.tar"));
    const packageFile = join(tree, "package.json");
    const text = await readFile(packageFile, "utf8");
    await writeFile(packageFile, text.replace(/^( {2}"version": )"[^"]*"/m, `$1"${version}"`));
    const { notes, changelog } = await releaseNotes({ checkout, version, commit });
    await writeFile(join(tree, "RELEASE-NOTES.md"), notes);
    await writeFile(join(tree, "CHANGELOG.md"), changelog);
    const env = { ONLOADCTL_RELEASE_COMMIT: commit, SOURCE_DATE_EPOCH: time };
    for (const platform of platforms) {
      progress(`Building for ${platform}`);
      await run([join(tree, "scripts/build"), platform.replace(/^linux-/, "")], { cwd: tree, signal });
    }
    await chmod(folder, 0o755);
    progress("Making the files");
    await run(
      [process.execPath, join(tree, "scripts/lib/release/assemble.ts"), folder, keyFile, url, image, ...platforms],
      { cwd: tree, env, signal },
    );
    progress(`${folder}: ${(await readdir(folder)).join(", ")}`);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}
