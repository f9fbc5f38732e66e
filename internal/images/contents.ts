import { createHash } from "node:crypto";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Readable } from "node:stream";
import { bytes, eachEntry } from "./tarball.ts";

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

/** What a kernel module says about itself (modinfo). */
export interface ModuleInfo {
  /** Such as "6.1.0-42-amd64 SMP preempt mod_unload modversions"; undefined if it cannot be read. */
  vermagic?: string;
  depends: string[];
  /** Whether it has debug sections. */
  debug: boolean;
}

/** A package of the base image. */
export interface Package {
  name: string;
  version: string;
  architecture: string;
}

/** What the checks and the bill of materials need to know about the file system of an image. */
export interface Contents {
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

/** Reads an image's file system, flattened, as a tar. */
export async function readContents(tar: Readable, signal?: AbortSignal): Promise<Contents> {
  const files = new Map<string, ImageFile>();
  const modules = new Map<string, ModuleInfo>();
  const modulesDep = new Map<string, string>();
  const packages: Package[] = [];
  let osRelease: Record<string, string> = {};
  await eachEntry(
    tar,
    async (header, content) => {
      const path = header.name.replace(/^\.?\//, "");
      const file: ImageFile = { size: header.size ?? 0, mode: (header.mode ?? 0) & 0o7777 };
      if (header.type === "symlink") file.link = header.linkname ?? "";
      if (header.type === "link") Object.assign(file, files.get((header.linkname ?? "").replace(/^\.?\//, "")));
      if (header.type !== "directory") files.set(path, file);
      if (header.type !== "file") return;
      const dep = /^opt\/lib\/modules\/([^/]+)\/modules\.dep$/.exec(path);
      const text = dep !== null || /^(usr\/lib|etc)\/os-release$|^var\/lib\/dpkg\/status(\.d\/[^/]+)?$/.test(path);
      if (!text && !path.startsWith("opt/") && path !== "usr/bin/onloadctl") return;
      const data = await bytes(content);
      if (dep) modulesDep.set(dep[1]!, data.toString());
      if (path.includes("os-release")) osRelease = { ...osRelease, ...parseOsRelease(data.toString()) };
      if (path.startsWith("var/lib/dpkg/") && !path.endsWith(".md5sums")) packages.push(...parseDpkg(data.toString()));
      if (text && dep === null) return;
      file.sha256 = createHash("sha256").update(data).digest("hex");
      const machine = elfMachine(data);
      if (machine !== undefined) file.machine = machine;
      if (/\.ko(\.(gz|zst|xz))?$/.test(path)) {
        const plain = decompress(path, data);
        modules.set(path, plain === undefined ? { depends: [], debug: false } : moduleInfo(plain));
        const inner = plain === undefined ? undefined : elfMachine(plain);
        if (inner !== undefined) file.machine = inner;
      }
    },
    { signal },
  );
  if (files.size === 0) throw new Error("the engine gave an empty file system");
  const rpm = [...files.keys()].some((path) =>
    /^(var\/lib|usr\/lib\/sysimage)\/rpm\/(rpmdb\.sqlite|Packages)/.test(path),
  );
  packages.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { files, modules, modulesDep, packages, rpm, osRelease };
}

const MACHINES: Record<number, string> = { 21: "ppc64le", 22: "s390x", 62: "amd64", 183: "arm64", 243: "riscv64" };

/** The machine an ELF file is for, as platforms name it; undefined for other files. */
export function elfMachine(data: Buffer): string | undefined {
  if (data.length < 20 || data.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const machine = data[5] === 2 ? data.readUInt16BE(18) : data.readUInt16LE(18);
  return MACHINES[machine] ?? `ELF machine ${machine}`;
}

/** Reads the NAME=VALUE strings that a module's .modinfo section holds. */
function moduleInfo(data: Buffer): ModuleInfo {
  const vermagic = modinfoField(data, "vermagic");
  return {
    ...(vermagic === undefined ? {} : { vermagic }),
    depends: (modinfoField(data, "depends") ?? "").split(",").filter((name) => name !== ""),
    debug: data.includes("\0.debug_info\0"),
  };
}

function modinfoField(data: Buffer, name: string): string | undefined {
  // Each string is preceded by the end of the one before, or by the padding at the start of the section.
  const at = data.indexOf(`\0${name}=`);
  if (at < 0) return undefined;
  const start = at + name.length + 2;
  return data.subarray(start, data.indexOf(0, start)).toString();
}

function decompress(path: string, data: Buffer): Buffer | undefined {
  if (path.endsWith(".gz")) return gunzipSync(data);
  if (path.endsWith(".zst")) return zstdDecompressSync(data);
  return path.endsWith(".xz") ? undefined : data;
}

/** The installed packages of a dpkg status file. */
function parseDpkg(text: string): Package[] {
  return text.split(/\n\n+/).flatMap((paragraph) => {
    const name = /^Package: (.*)$/m.exec(paragraph)?.[1] ?? "";
    const status = /^Status: (.*)$/m.exec(paragraph)?.[1] ?? "";
    if (name === "" || (status !== "" && !status.endsWith(" installed"))) return [];
    const version = /^Version: (.*)$/m.exec(paragraph)?.[1] ?? "";
    const architecture = /^Architecture: (.*)$/m.exec(paragraph)?.[1] ?? "";
    return [{ name, version, architecture }];
  });
}

function parseOsRelease(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/^([A-Z_]+)=(.*)$/gm)) fields[name!] = value!.replace(/^["']|["']$/g, "");
  return fields;
}
