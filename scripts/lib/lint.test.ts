import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "onloadctl-lint-"));
const made = "export const a = (text: string): boolean => new RegExp(text).test(text);";

const PLANTED = [
  made,
  "export const a = (text: string): boolean => RegExp(text).test(text);",
  "export const a = RegExp;",
  "export const a = (text: string): boolean => new globalThis.RegExp(text).test(text);",
  'export const a = (text: string): boolean => new globalThis["RegExp"](text).test(text);',
  "export const { RegExp: A } = globalThis;",
  "export const a = (text: string): unknown => text.match(text);",
  'export const a = (text: string): unknown => text["match"](text);',
  "export const a = (text: string): unknown => text.search(text);",
  "export const a = (text: string): unknown => /a/.compile(text);",
  'import { RE2JS } from "re2js";\nexport const a = (text: string): unknown => RE2JS.compile(text);',
];
const FINE = [
  "export const a = (text: string): boolean => /a/.test(text);",
  'export const a = (text: string, all: RegExp): unknown => text.replace(all, "");',
  "export const a = (text: string): unknown => [...text.matchAll(/a/g)];",
];

/** Rules that are broken, by file. */
const broken = new Map<string, string[]>();

beforeAll(() => {
  const plant = (file: string, line: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `${line}\n`);
  };
  for (const [i, line] of PLANTED.entries()) plant(`planted-${i}.ts`, line);
  for (const [i, line] of FINE.entries()) plant(`fine-${i}.ts`, line);
  plant("planted.test.ts", made);
  plant("testing/planted.ts", made);
  const command = [join(root, "node_modules/.bin/oxlint"), "-c", join(root, ".oxlintrc.json"), "-f", "json", "."];
  const { stdout } = Bun.spawnSync(command, { cwd: folder, stderr: "inherit" });
  const { diagnostics } = JSON.parse(stdout.toString()) as { diagnostics: { code: string; filename: string }[] };
  for (const { code, filename } of diagnostics) broken.set(filename, [...(broken.get(filename) ?? []), code]);
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each(PLANTED.map((line, i) => [line, i] as const))("no text becomes a regular expression: %s", (_, i) => {
  const rules = broken.get(`planted-${i}.ts`) ?? [];
  expect(rules.some((rule) => /no-restricted-(?:globals|properties)/.test(rule))).toBe(true);
});

test("literals are fine, and so are tests", () => {
  expect([...broken.keys()].filter((file) => !/^planted-\d+\.ts$/.test(file))).toEqual([]);
});
