/** The C library of the images, which the executable needs and has not in it: Debian's, of a version that stands here. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import tar from "tar-stream";
import { run } from "../../../internal/testcluster/lib/command.ts";
import { withLock } from "../../../internal/testcluster/lib/lock.ts";
import { cacheFolder } from "../../../internal/testcluster/lib/paths.ts";
import type { ArchiveEntry } from "./archive.ts";

/** What the images are for, by the names of OCI and of Debian. */
export type Architecture = "amd64" | "arm64";

/** Debian's package in the images. Its digests make sure that every release with this commit has the same. */
export const C_LIBRARY = {
  name: "libc6",
  suite: "bookworm",
  version: "2.36-9+deb12u14",
  sha256: {
    amd64: "ba4f88f73dbc3ae9055f3c20f4523bfdbaf1ad13ff95e258924f77d20b4fbedf",
    arm64: "01f4330719fd4f65580e16ea5a0527f372fca750e8f588d26deaf09f2d3b1cf4",
  },
} as const;

/** Where the executable finds its loader, and the folder of the libraries. */
const PLACES: Record<Architecture, { loader: string; folder: string }> = {
  amd64: { loader: "lib64/ld-linux-x86-64.so.2", folder: "lib/x86_64-linux-gnu" },
  arm64: { loader: "lib/ld-linux-aarch64.so.1", folder: "lib/aarch64-linux-gnu" },
};

/** What the executable is linked with. */
const LIBRARIES = ["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"];
const LICENSE = "usr/share/doc/libc6/copyright";

/**
 * Files of the C library for a root file system: what the executable needs of it, and its licence.
 *
 * @throws Error if Debian's package cannot be had
 */
export async function cLibrary(architecture: Architecture): Promise<ArchiveEntry[]> {
  const { loader, folder } = PLACES[architecture];
  const file = loader.slice(loader.lastIndexOf("/") + 1);
  const wanted = new Map([
    ...[...LIBRARIES, file].map((name): [string, string] => [`${folder}/${name}`, `${folder}/${name}`]),
    [LICENSE, "licenses/libc6"],
  ]);
  const found = new Map<string, Buffer>();
  const extract = tar.extract();
  Readable.from([await fileSystem(await packageFile(architecture))]).pipe(extract);
  for await (const entry of extract) {
    const name = wanted.get(entry.header.name.replace(/^\.\//, ""));
    const content = await buffer(entry);
    if (name !== undefined && entry.header.type === "file") found.set(name, content);
  }
  const missing = [...wanted.values()].filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`Cannot use ${C_LIBRARY.name} for ${architecture}: no ${missing.join(", ")}`);
  return [
    ...[...found].map(([name, content]) => ({ name, content, isExecutable: name.startsWith("lib/") })),
    { name: loader, target: posix.relative(posix.dirname(loader), `${folder}/${file}`) },
  ];
}

/** The tar in a package. */
async function fileSystem(file: string): Promise<Buffer> {
  const child = Bun.spawn(["dpkg-deb", "--fsys-tarfile", file], { stdout: "pipe", stderr: "inherit" });
  const content = Buffer.from(await new Response(child.stdout).arrayBuffer());
  if ((await child.exited) !== 0) throw new Error(`Cannot open ${file}: dpkg-deb failed`);
  return content;
}

/** The package, by apt-get the first time, then from the cache. */
async function packageFile(architecture: Architecture): Promise<string> {
  const { name, version, sha256 } = C_LIBRARY;
  const folder = join(cacheFolder, "debian");
  const file = join(folder, `${name}_${version}_${architecture}.deb`);
  await mkdir(folder, { recursive: true });
  await withLock(`${file}.lock`, async () => {
    if (existsSync(file)) return;
    const work = await mkdtemp(join(folder, "download-"));
    try {
      const made = await download(architecture, work).catch((cause: unknown) => {
        throw new Error(
          `Cannot get ${name} ${version} for ${architecture} from Debian: ${(cause as Error).message}. If Debian has a newer one, put ` +
            `its version and digests into scripts/lib/release/c-library.ts; without Debian's apt-get put the package into ${folder}`,
          { cause },
        );
      });
      await rename(made, file);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  const digest = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  if (digest !== sha256[architecture]) {
    throw new Error(`Cannot use ${file}: its SHA-256 is ${digest}, and should be ${sha256[architecture]}`);
  }
  return file;
}

/** Asks the machine's own sources of Debian packages, with lists of our own for the architecture; returns the file. */
async function download(architecture: Architecture, folder: string): Promise<string> {
  const { name, version } = C_LIBRARY;
  await mkdir(join(folder, "lists/partial"), { recursive: true });
  await mkdir(join(folder, "cache/archives/partial"), { recursive: true });
  await writeFile(join(folder, "status"), "");
  await writeFile(
    join(folder, "apt.conf"),
    [
      `Dir::State "${folder}";`,
      `Dir::State::Lists "${folder}/lists";`,
      `Dir::State::status "${folder}/status";`,
      `Dir::Cache "${folder}/cache";`,
      'Dir::Etc::Preferences "/dev/null";',
      'Dir::Etc::PreferencesParts "/dev/null";',
      `APT::Architecture "${architecture}";`,
      `APT::Architectures { "${architecture}"; };`,
      'Acquire::Languages "none";',
      // Downloads need not be readable for another user.
      'APT::Sandbox::User "root";',
      "",
    ].join("\n"),
  );
  const options = { cwd: folder, env: { APT_CONFIG: join(folder, "apt.conf"), LC_ALL: "C" } };
  await run(["apt-get", "update", "-q", "-o", "Acquire::http::Timeout=60"], options);
  await run(["apt-get", "download", "-q", `${name}:${architecture}=${version}`], options);
  return join(folder, `${name}_${version}_${architecture}.deb`);
}
