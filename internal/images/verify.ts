import { posix } from "node:path";
import type { Contents } from "./contents.ts";
import type { Part } from "./dockerfile.ts";
import type { LocalImage } from "./engine.ts";
import * as labels from "./labels.ts";

/** The result of one check. */
export interface Finding {
  ok: boolean;
  /** What was checked, such as "vermagic". */
  check: string;
  /** What was found. */
  detail: string;
}

/** An image that was opened. */
export interface OpenedImage {
  name: string;
  image: LocalImage;
  contents: Contents;
}

/** Which of our images this is, by its content. Images that Onload's own scripts make have no label that says so. */
export function partOf({ files }: Contents): Part | undefined {
  const paths = [...files.keys()];
  if (paths.some((path) => path.startsWith("opt/lib/modules/"))) return "module";
  if (paths.some((path) => /^opt\/onload\/.*libonload\.so$/.test(path))) return "user";
  if (files.has("usr/bin/onloadctl")) return "onloadctl";
  return files.has("scripts/onload_build") ? "source" : undefined;
}

/**
 * Checks that an image has what its users need.
 *
 * @param kernel the kernel a module image must be for; default: what its label or its folder says
 */
export function checkImage(
  opened: OpenedImage,
  part: Part | undefined = partOf(opened.contents),
  kernel?: string,
): Finding[] {
  switch (part) {
    case "source":
      return checkSource(opened);
    case "user":
      return checkUser(opened);
    case "module":
      return checkModule(opened, kernel);
    case "onloadctl":
      return checkOnloadctl(opened);
    case undefined:
      return [
        { ok: false, check: "kind", detail: "it is not an image of Onload's source, user or module, nor of onloadctl" },
      ];
  }
}

/** An image of which no more is needed than what it is. */
export type KnownImage = Pick<OpenedImage, "name" | "image"> & { part: Part | undefined };

/** Whether all user and module images were compiled from one source. */
export function checkSameSource(images: readonly KnownImage[]): Finding[] {
  const compiled = images.filter(({ part }) => part === "user" || part === "module");
  if (compiled.length < 2) return [];
  const sources = compiled.map(({ name, image }) => ({
    name,
    source: image.labels[labels.LABEL_SOURCE] ?? image.labels[labels.LABEL_SOURCE_IMAGE] ?? "",
  }));
  const first = sources[0]!;
  if (sources.some(({ source }) => source === "")) {
    const unknown = sources.filter(({ source }) => source === "").map(({ name }) => name);
    return [{ ok: false, check: "same source", detail: `no label says what ${unknown.join(", ")} came from` }];
  }
  const other = sources.find(({ source }) => source !== first.source);
  const detail = other ? `${other.name} comes from ${other.source}, ${first.name} from ${first.source}` : first.source;
  return [{ ok: other === undefined, check: "same source", detail }];
}

function checkSource({ contents }: OpenedImage): Finding[] {
  return ["scripts/onload_build", "scripts/onload_install"].map((path) => present(contents, path, path));
}

function checkUser(opened: OpenedImage): Finding[] {
  const { image, contents } = opened;
  const library = find(contents, /^opt\/onload\/.*\/libonload\.so$/);
  const server = find(contents, /^opt\/onload\/(usr\/)?sbin\/onload_cp_server$/);
  const findings = [present(contents, "libonload.so", library), present(contents, "onload_cp_server", server)];
  const preload = image.env.find((entry) => entry.startsWith("ONLOAD_PRELOAD="))?.slice("ONLOAD_PRELOAD=/".length);
  if (preload !== undefined) {
    const found = resolve(contents, preload);
    const detail = found === undefined ? `/${preload} is not in the image` : `/${preload}`;
    findings.push({ ok: found !== undefined, check: "ONLOAD_PRELOAD", detail });
  }
  return [...findings, architecture(opened)];
}

/** The files that depmod writes. If one is missing, modprobe falls back or fails. */
const DEPMOD_FILES = ["dep", "dep.bin", "alias", "alias.bin", "symbols", "symbols.bin", "softdep", "devname"];

function checkModule(opened: OpenedImage, wanted: string | undefined): Finding[] {
  const { image, contents } = opened;
  const paths = [...contents.files.keys()];
  const kernels = [...new Set(paths.flatMap((path) => /^opt\/lib\/modules\/([^/]+)\//.exec(path)?.[1] ?? []))];
  const expected = wanted ?? image.labels[labels.LABEL_KERNEL];
  const kernel = expected ?? kernels[0] ?? "";
  const findings: Finding[] = [
    {
      ok: kernels.length === 1 && kernels[0] === kernel,
      check: "kernel",
      detail: `${some(kernels) || "none"}${kernels[0] === kernel ? "" : `, asked for ${kernel}`}`,
    },
  ];
  const modules = [...contents.modules].filter(([path]) => path.startsWith(`opt/lib/modules/${kernel}/`));
  const names = modules.map(([path]) => /([^/]+)\.ko(\.\w+)?$/.exec(path)![1]!);
  findings.push({ ok: names.includes("onload"), check: "modules", detail: some(names.sort()) || "none" });
  for (const [path, { vermagic, debug, problem }] of modules) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const ok = vermagic?.split(" ")[0] === kernel;
    findings.push({
      ok,
      check: `vermagic of ${name}`,
      detail: `${vermagic ?? `cannot be read${problem === undefined ? "" : `: ${problem}`}`}${debug ? " (with debug information)" : ""}`,
    });
  }
  findings.push(
    depmodFinding(
      contents,
      kernel,
      modules.map(([path]) => path),
    ),
  );
  for (const tool of ["sh", "cp", "mkdir", "modprobe"]) {
    const path = [...contents.files.keys()].find((each) => /^(?:usr\/)?s?bin\/(.*)$/s.exec(each)?.[1] === tool);
    findings.push(present(contents, tool, path));
  }
  return [...findings, architecture(opened)];
}

function depmodFinding(contents: Contents, kernel: string, modules: string[]): Finding {
  const folder = `opt/lib/modules/${kernel}`;
  const absent = DEPMOD_FILES.map((name) => `modules.${name}`).filter(
    (name) => !contents.files.has(`${folder}/${name}`),
  );
  if (absent.length > 0) return { ok: false, check: "depmod", detail: `${absent.join(", ")} missing under /${folder}` };
  const listed = new Set(
    (contents.modulesDep.get(kernel) ?? "").split("\n").map((line) => line.slice(0, Math.max(0, line.indexOf(":")))),
  );
  const unlisted = modules.filter((path) => !listed.has(path.slice(folder.length + 1)));
  if (unlisted.length > 0)
    return {
      ok: false,
      check: "depmod",
      detail: `modules.dep does not list ${some(unlisted.map((path) => `/${path}`))}`,
    };
  return { ok: true, check: "depmod", detail: `modules.dep lists ${modules.length} modules` };
}

function checkOnloadctl(opened: OpenedImage): Finding[] {
  const { image, contents } = opened;
  const loader = find(contents, /(^|\/)ld-linux[^/]*\.so\.\d$/);
  const root = /^(0|root)?(:|$)/.test(image.user);
  return [
    present(contents, "onloadctl", "usr/bin/onloadctl"),
    present(contents, "glibc loader", loader),
    { ok: !root, check: "user", detail: root ? "root" : image.user },
    architecture(opened),
  ];
}

/** How many names a detail has at most. */
const MAX_NAMED = 20;

/** A list for people. */
function some(names: readonly string[]): string {
  const more = names.length - MAX_NAMED;
  return `${names.slice(0, MAX_NAMED).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

function architecture({ image, contents }: OpenedImage): Finding {
  const others = [...contents.files].filter(
    ([, { machine }]) => machine !== undefined && machine !== image.architecture,
  );
  if (others.length === 0) return { ok: true, check: "architecture", detail: image.architecture };
  const [path, file] = others[0]!;
  return {
    ok: false,
    check: "architecture",
    detail: `the image is ${image.architecture}, /${path} is ${file.machine}`,
  };
}

function present({ files }: Contents, check: string, path: string | undefined): Finding {
  const ok = path !== undefined && files.has(path);
  return { ok, check, detail: ok ? `/${path}` : "missing" };
}

function find({ files }: Contents, pattern: RegExp): string | undefined {
  for (const path of files.keys()) if (pattern.test(path)) return path;
  return undefined;
}

/** Resolves the symbolic links in a path; undefined if it leads nowhere. */
function resolve(contents: Contents, path: string, depth = 0): string | undefined {
  if (depth > 16) return undefined;
  const parts = path.split("/");
  for (let i = 1; i <= parts.length; i++) {
    const head = parts.slice(0, i).join("/");
    const link = contents.files.get(head)?.link;
    if (link === undefined) continue;
    const target = posix.join("/", posix.resolve("/", posix.dirname(head), link), ...parts.slice(i));
    return resolve(contents, target.slice(1), depth + 1);
  }
  return contents.files.has(path) ? path : undefined;
}
