/** Which file imports which, read from the text of the files. Type-only and dynamic imports count like all others. */
import { dirname, join, normalize } from "node:path";

/** Files by their path from the root of the checkout; the values are their texts. */
export type Sources = ReadonlyMap<string, string>;
/** The files of the project that each file imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

// The formatter puts every import and export statement at the start of a line.
const IMPORT = /^(?:import|export)\s[^"';]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;
const COMMENT_LINE = /^\s*(?:\/\/|\/\*|\*).*$/gm;

/** What a file's text imports, as written. */
export function importsOf(text: string): string[] {
  return [...text.replaceAll(COMMENT_LINE, "").matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3]!);
}

/** The path from the root of the checkout of what `file` imports as `target`; undefined if it is a package. */
export function resolveImport(file: string, target: string): string | undefined {
  return target.startsWith(".") ? normalize(join(dirname(file), target)) : undefined;
}

export function importGraph(sources: Sources): ImportGraph {
  return new Map(
    [...sources].map(([file, text]) => [
      file,
      importsOf(text)
        .map((target) => resolveImport(file, target))
        .filter((path) => path !== undefined),
    ]),
  );
}

/** One circle for each group of files that import one another. The first file of a circle is also its last. */
export function circles(graph: ImportGraph): string[][] {
  const found: string[][] = [];
  const inCircle = new Set<string>();
  for (const file of [...graph.keys()].toSorted()) {
    if (inCircle.has(file)) continue;
    const circle = pathBetween(graph, file, file);
    if (circle === undefined) continue;
    found.push(circle);
    // Whatever this file reaches, and is reached from, belongs to the same group.
    for (const other of reachable(graph, file)) if (reachable(graph, other).has(file)) inCircle.add(other);
  }
  return found;
}

/** The shortest way from one file to another along imports; of at least one import. */
export function pathBetween(graph: ImportGraph, from: string, to: string): string[] | undefined {
  const seen = new Set<string>();
  let paths = [[from]];
  while (paths.length > 0) {
    const longer: string[][] = [];
    for (const path of paths) {
      for (const next of graph.get(path.at(-1)!) ?? []) {
        if (next === to) return [...path, next];
        if (!seen.has(next)) longer.push([...path, next]);
        seen.add(next);
      }
    }
    paths = longer;
  }
  return undefined;
}

function reachable(graph: ImportGraph, from: string): Set<string> {
  const seen = new Set<string>();
  const open = [from];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const next of graph.get(file) ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(next);
    }
  }
  return seen;
}
