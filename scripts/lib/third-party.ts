/** The notices of everything in the executable that is not ours: packages that the bundler includes, and Bun. */
import { $ } from "bun";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** A package that is in the executable. */
export interface Bundled {
  name: string;
  version: string;
  /** SPDX expression of its package.json. */
  license: string;
  /** Texts of its own licence files; empty if it has none. */
  texts: string[];
}

/** Licences that the executable may have in it. Whoever adds one has read it. */
const KNOWN: ReadonlySet<string> = new Set(["MIT", "ISC", "0BSD", "BSD-3-Clause", "Apache-2.0"]);
/** Where a package without a licence file says who holds the copyright of the part under a licence. */
const COPYRIGHTS: Record<string, string> = {
  "@bufbuild/protobuf": "Copyright 2021-2026 Buf Technologies, Inc.\nCopyright 2008 Google Inc. All rights reserved.",
  // Its author and contributor by package.json, and the sources that it compiles to WebAssembly (its .gitmodules).
  "xz-decompress":
    "Copyright Tim Perry and Steven Sanderson. It contains xz-embedded of Lasse Collin and Igor Pavlov, which is in the\n" +
    "public domain, and walloc, Copyright (c) 2020 Igalia, S.L.",
};
/** Terms of libraries that are printed once for all, or that ask for nothing. */
const WITHOUT_AUTHORS = /Apache 2\.0|LGPL|public domain/;
const RULE = "=".repeat(80);

/** The packages that the bundler puts into the executable, by name. */
export async function bundledPackages(checkout: string): Promise<Bundled[]> {
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-bundle-"));
  try {
    const meta = join(folder, "meta.json");
    const bun = [process.execPath, "build", "cmd/onloadctl.ts", "--target=bun", "--splitting", "--format=esm"];
    await $`${bun} --minify --outdir=${join(folder, "out")} --metafile=${meta}`.cwd(checkout).quiet();
    const { inputs } = JSON.parse(await readFile(meta, "utf8")) as { inputs: Record<string, unknown> };
    const folders = packageFolders(Object.keys(inputs));
    const found = await Promise.all(folders.map((path) => readPackage(resolve(checkout, path))));
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The folder of the package of each file in a node_modules, each once. */
export function packageFolders(files: readonly string[]): string[] {
  const folders = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(folders)].filter((path) => path !== undefined);
}

async function readPackage(folder: string): Promise<Bundled> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Bundled;
  const files = (await readdir(folder)).filter((file) => /^(?:licen[cs]e|copying|notice)(?:[.-]|$)/i.test(file));
  const texts = await Promise.all(files.toSorted().map((file) => readFile(join(folder, file), "utf8")));
  return { name, version, license, texts };
}

/**
 * The notices, as one text.
 *
 * @param standard texts of licences by their SPDX identifier, for packages without one
 * @param bun what Bun says of its own licence and of what it links, and the texts of these libraries by name
 * @throws Error naming a package whose licence is not known here, or a package or library without a text
 */
export function notices(
  packages: readonly Bundled[],
  standard: Readonly<Record<string, string>>,
  bun: { version: string; license: string; libraries: Readonly<Record<string, string>> },
): string {
  const parts = packages.map((each) => {
    const ids = licensesOf(each.license);
    const unknown = ids.length === 0 ? ["none"] : ids.filter((id) => !KNOWN.has(id));
    if (unknown.length > 0) {
      throw new Error(
        `Cannot bundle ${each.name} ${each.version}: its licence is ${unknown.join(", ")}; see ${import.meta.file}`,
      );
    }
    const texts = each.texts.length > 0 ? each.texts : [standardText(each, ids, standard)];
    return `${each.name} ${each.version}\nLicence: ${each.license}\n\n${texts.map(tidy).join("\n\n")}`;
  });
  const runtime = [
    `Bun ${bun.version}, the JavaScript runtime\n\n${tidy(bun.license)}`,
    `MIT, the licence of Bun\n\n${tidy(standard["MIT"]!)}`,
    `LGPL-2.0, the licence of JavaScriptCore and WebKit\n\n${tidy(standard["LGPL-2.0"]!)}`,
    `LGPL-2.1, the licence of tinycc\n\n${tidy(standard["LGPL-2.1"]!)}`,
    `Apache-2.0, the licence of several libraries that Bun links\n\n${tidy(standard["Apache-2.0"]!)}`,
    ...linkedLibraries(bun.license).map((name) => {
      const text = bun.libraries[name];
      if (text === undefined) throw new Error(`Cannot bundle Bun: there is no licence text of ${name}, which it links`);
      return `${name}, a library that Bun links\n\n${tidy(text)}`;
    }),
  ];
  return `${[...runtime, ...parts].join(`\n\n${RULE}\n`)}\n`;
}

/** What Bun says that it links on our platforms and whose licence asks for a text of its own: most name their authors. */
function linkedLibraries(license: string): string[] {
  const table = /^## Linked libraries\n[\s\S]*?(?=^## |(?![\s\S]))/m.exec(license)?.[0] ?? "";
  const rows = [...table.matchAll(/^\| *([^|\n]*\[`?([^`\]\n]+)`?\][^|\n]*?) *\|([^\n]*)\|$/gm)];
  return rows
    .filter(([, where = "", , terms = ""]) => !where.endsWith("(on Windows)") && !WITHOUT_AUTHORS.test(terms))
    .map(([, , name = ""]) => name);
}

/** The identifiers in an expression of identifiers, AND and OR. */
function licensesOf(expression: unknown): string[] {
  if (typeof expression !== "string") return [];
  return expression.split(/[\s()]+|\bAND\b|\bOR\b/).filter((word) => word !== "");
}

function standardText(
  { name, version }: Bundled,
  ids: readonly string[],
  standard: Readonly<Record<string, string>>,
): string {
  const copyright = COPYRIGHTS[name];
  if (copyright === undefined)
    throw new Error(`Cannot bundle ${name} ${version}: it has no licence text, and nobody says whose it is`);
  return [copyright, ...ids.map((id) => standard[id] ?? fail(name, id))].join("\n\n");
}

function fail(name: string, id: string): never {
  throw new Error(`Cannot bundle ${name}: there is no text of ${id}`);
}

/** Text without blanks at line ends and without what only a documentation page needs. */
function tidy(text: string): string {
  return text
    .replace(/^---\n[\s\S]*?\n---\n/, "")
    .replaceAll("\r\n", "\n")
    .replace(/[ \t\f]+$/gm, "")
    .replace(/ {3,}(?=\|)/g, " ")
    .replace(/-{20,}(?= \|)/g, "---")
    .trim();
}

/** The generated file's text. */
export async function thirdPartyNotices(checkout: string): Promise<string> {
  const folder = join(checkout, "scripts/lib/licenses");
  const standard = await readTexts(folder);
  const libraries = await readTexts(join(folder, "bun"));
  // Bun's documentation is part of its types, which have the same version.
  const types = join(checkout, "node_modules/bun-types");
  const { version } = JSON.parse(await readFile(join(types, "package.json"), "utf8")) as { version: string };
  const { engines } = JSON.parse(await readFile(join(checkout, "package.json"), "utf8")) as {
    engines: { bun: string };
  };
  if (version !== engines.bun)
    throw new Error(`Cannot tell Bun's licences: bun-types is ${version}, Bun ${engines.bun}`);
  const license = await readFile(join(types, "docs/project/license.mdx"), "utf8");
  return notices(await bundledPackages(checkout), standard, { version, license, libraries });
}

/** The texts of a folder, by file name without its extension. */
async function readTexts(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".txt")).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return Object.fromEntries(names.map((name, i) => [name.replace(/\.txt$/, ""), texts[i]!]));
}
