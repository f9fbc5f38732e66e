import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { ELF_HEAD, elfMachine } from "./elf.ts";
import { LimitError, megabytes } from "./limits.ts";
import { isModule, ModuleReader, type ModuleInfo } from "./module-info.ts";
import { bytes, eachEntry } from "./tar.ts";

/** A file or link inside an image. Paths have no leading slash. */
export interface ImageFile {
  size: number;
  /** Permission bits. */
  mode: number;
  /** Target, of symbolic links only. */
  link?: string;
  /** Hex digest, only of the files that we put there: those under opt/, and usr/bin/onloadctl. */
  sha256?: string;
  /** Only of ELF files with a digest: the machine that they are for, as platforms name it. */
  machine?: string;
}

/** A package of the base image. */
export interface Package {
  name: string;
  version: string;
  architecture: string;
}

/** What the checks and the bill of materials need to know about the file system of an image. */
export interface Contents {
  /** Those that the checks look at, and all symbolic links. */
  files: ReadonlyMap<string, ImageFile>;
  modules: ReadonlyMap<string, ModuleInfo>;
  /** The texts of opt/lib/modules/KERNEL/modules.dep, by kernel. */
  modulesDep: ReadonlyMap<string, string>;
  packages: Package[];
  /** Whether there is an RPM database, which is not read. */
  rpm: boolean;
  /** Fields of etc/os-release. */
  osRelease: Record<string, string>;
}

/** Files that the checks and the bill of materials look at, beside links, which may lead to them. */
const KEPT =
  /^(opt|scripts)\/|^(usr\/)?s?bin\/[^/]+$|(^|\/)ld-linux[^/]*\.so\.\d$|^(var\/lib|usr\/lib\/sysimage)\/rpm\/(rpmdb\.sqlite|Packages)/;
/** A large base image has about 20,000 links. */
const MAX_KEPT = 100_000;
const MAX_KEPT_NAMES = 16 * 1024 * 1024;
/** The largest files of an Onload image are its libraries with debug information, with about 100 MB. */
const MAX_FILE = 4 * 1024 ** 3;
/** A desktop's dpkg status has about 5 MB, the modules.dep of a whole kernel 1 MB. */
const MAX_TEXT = 16 * 1024 * 1024;
const MAX_TEXTS = 32 * 1024 * 1024;
const MAX_OS_RELEASE = 64 * 1024;
const MAX_PACKAGES = 50_000;
/** A whole kernel has about 6,000 modules. */
const MAX_MODULES = 10_000;
/** The same, for each kernel in modules.dep. */
const MAX_LISTED = 50_000;

/**
 * Reads an image's file system, flattened, as a tar. What is kept has limits, whatever the image has.
 *
 * @throws LimitError naming the entry that broke a limit
 */
export async function readContents(tar: Readable, signal?: AbortSignal): Promise<Contents> {
  const files = new Map<string, ImageFile>();
  const modules = new Map<string, ModuleInfo>();
  const modulesDep = new Map<string, string>();
  const packages: Package[] = [];
  let osRelease: Record<string, string> = {};
  let seen = 0;
  let names = 0;
  let texts = 0;
  await eachEntry(
    tar,
    async (header, content) => {
      const path = header.name.replace(/^\.?\//, "");
      if (header.type === "directory") return;
      seen++;
      const file: ImageFile = { size: header.size ?? 0, mode: (header.mode ?? 0) & 0o7777 };
      if (header.type === "symlink") file.link = header.linkname ?? "";
      if (header.type === "link") Object.assign(file, files.get((header.linkname ?? "").replace(/^\.?\//, "")));
      if (KEPT.test(path) || file.link !== undefined) {
        files.set(path, file);
        names += path.length + (file.link?.length ?? 0);
        checkKept(files.size, names, path);
      }
      if (header.type !== "file") return;
      const dep = /^opt\/lib\/modules\/([^/]+)\/modules\.dep$/.exec(path);
      const text = dep !== null || /^(usr\/lib|etc)\/os-release$|^var\/lib\/dpkg\/status(\.d\/[^/]+)?$/.test(path);
      if (text) {
        const limit = path.endsWith("os-release") ? MAX_OS_RELEASE : MAX_TEXT;
        const data = await bytes(content, limit, `/${path}`);
        texts += data.length;
        checkTexts(texts, path);
        if (dep) {
          checkListed(data, path);
          modulesDep.set(dep[1]!, data.toString());
          file.sha256 = createHash("sha256").update(data).digest("hex");
        }
        if (path.includes("os-release")) osRelease = { ...osRelease, ...parseOsRelease(data.toString()) };
        if (path.startsWith("var/lib/dpkg/") && !path.endsWith(".md5sums")) parseDpkg(data.toString(), path, packages);
      } else if (path.startsWith("opt/") || path === "usr/bin/onloadctl") {
        const module = await readFile(path, content, file);
        if (!module) return;
        modules.set(path, module);
        if (modules.size > MAX_MODULES)
          throw new LimitError(`it has more than ${MAX_MODULES.toLocaleString("en")} kernel modules (at /${path})`);
      }
    },
    { signal },
  );
  if (seen === 0) throw new Error("the engine gave an empty file system");
  const rpm = [...files.keys()].some((path) =>
    /^(var\/lib|usr\/lib\/sysimage)\/rpm\/(rpmdb\.sqlite|Packages)/.test(path),
  );
  packages.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { files, modules, modulesDep, packages, rpm, osRelease };
}

function checkKept(files: number, names: number, path: string): void {
  if (files <= MAX_KEPT && names <= MAX_KEPT_NAMES) return;
  const limit = `${MAX_KEPT.toLocaleString("en")} files, or ${megabytes(MAX_KEPT_NAMES)} of names`;
  const where = "under /opt, in folders of programs and among links";
  throw new LimitError(`${where} it has more than ${limit} (at /${path.slice(0, 200)})`);
}

function checkTexts(texts: number, path: string): void {
  if (texts <= MAX_TEXTS) return;
  throw new LimitError(`with /${path} its lists of modules and packages have more than ${megabytes(MAX_TEXTS)}`);
}

function checkListed(data: Buffer, path: string): void {
  let lines = 0;
  for (let at = data.indexOf("\n"); at >= 0; at = data.indexOf("\n", at + 1)) {
    if (++lines > MAX_LISTED)
      throw new LimitError(`/${path} lists more than ${MAX_LISTED.toLocaleString("en")} modules`);
  }
}

/** Reads a file to its end: sets its digest and machine, and returns what it says if it is a kernel module. */
async function readFile(path: string, content: Readable, file: ImageFile): Promise<ModuleInfo | undefined> {
  if (file.size > MAX_FILE) throw new LimitError(`/${path} has more than ${megabytes(MAX_FILE)}`);
  const hash = createHash("sha256");
  const module = isModule(path) ? new ModuleReader(path) : undefined;
  let head = Buffer.alloc(0);
  let info: ModuleInfo | undefined;
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (head.length < ELF_HEAD) head = Buffer.concat([head, chunk.subarray(0, ELF_HEAD)]);
      await module?.write(chunk);
    }
    info = await module?.end();
  } finally {
    module?.close();
  }
  file.sha256 = hash.digest("hex");
  const machine = info?.machine ?? elfMachine(head);
  if (machine !== undefined) file.machine = machine;
  return info;
}

/** Adds the installed packages of a dpkg status file, paragraph by paragraph. */
function parseDpkg(text: string, path: string, packages: Package[]): void {
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf("\n\n", start);
    const paragraph = text.slice(start, end < 0 ? text.length : end + 1);
    start = end < 0 ? text.length : end + 2;
    const name = /^Package: (.*)$/m.exec(paragraph)?.[1] ?? "";
    const status = /^Status: (.*)$/m.exec(paragraph)?.[1] ?? "";
    if (name === "" || (status !== "" && !status.endsWith(" installed"))) continue;
    const version = /^Version: (.*)$/m.exec(paragraph)?.[1] ?? "";
    const architecture = /^Architecture: (.*)$/m.exec(paragraph)?.[1] ?? "";
    packages.push({ name, version, architecture });
    if (packages.length > MAX_PACKAGES) {
      throw new LimitError(`/${path} lists more than ${MAX_PACKAGES.toLocaleString("en")} packages`);
    }
  }
}

function parseOsRelease(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/^([A-Z_]+)=(.*)$/gm)) fields[name!] = value!.replace(/^["']|["']$/g, "");
  return fields;
}
