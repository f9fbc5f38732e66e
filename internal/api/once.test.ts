import { expect, test } from "bun:test";
import { Glob } from "bun";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as bootStatus from "./boot-status.ts";
import * as names from "./names.ts";
import * as pluginPod from "./plugin-pod.ts";

const root = join(import.meta.dirname, "../..");

/** Texts that mean something else elsewhere: a subcommand, and a file in any folder. */
const OTHER_MEANINGS = new Set<string>([pluginPod.DEVICE_PLUGIN_CONTAINER, pluginPod.EXECUTABLE_DIR]);
/** Parts of constants that are words of command lines, of which other subcommands have the same. */
const COMMAND_LINE_PARTS = new Set(["words", "flags"]);

/** The strings and numbers that a module exports, at any depth. */
function constants(value: unknown): (string | number)[] {
  if (typeof value === "string" || typeof value === "number") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) => (COMMAND_LINE_PARTS.has(key) ? [] : constants(each)));
}

/** Whether a name is so particular that a second one in the sources is the same, not another by chance. */
const isParticular = (text: string): boolean => text.length > 4 && /[-./]/.test(text) && !OTHER_MEANINGS.has(text);
/** Names that count as parts of longer ones too: /opt/onload/x stands for a second /opt/onload, /usr/bin/x does not. */
const isOurs = (text: string): boolean => /onload|kubelet|kmm/.test(text) && !/^[-a-z]+$/.test(text);

/** Where a constant is written in the text of a program: in a literal that holds no text for people. */
function pattern(constant: string | number): RegExp {
  if (typeof constant === "number") return new RegExp(`(?<![\\w.])${constant}(?![\\w.])`);
  const text = RegExp.escape(constant);
  if (!isOurs(constant)) return new RegExp(`["'\`]${text}["'\`]`);
  return new RegExp(`["'\`}](?:[^\\s"'\`{}]*[^\\w\\s"'\`{}-])?${text}(?:[^\\w\\s"'\`{}-][^\\s"'\`{}]*)?["'\`$]`);
}

/** Files of the program without comments. What only tests use may repeat names: an oracle does not share constants. */
function sources(): Map<string, string> {
  const files = new Map<string, string>();
  for (const file of new Glob("{cmd,internal}/**/*.ts").scanSync(root)) {
    if (/\.(test|gen)\.ts$|\/testing\/|\/testdata\/|^internal\/testcluster\//.test(file)) continue;
    files.set(file, readFileSync(join(root, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, ""));
  }
  return files;
}

test("each name that parts of the program share is written in one file only", () => {
  const shared = new Set([bootStatus, names, pluginPod].flatMap(constants));
  const program = sources();
  const repeated: string[] = [];
  for (const constant of shared) {
    if (typeof constant === "number" ? constant < 1024 : !isParticular(constant)) continue;
    const files = [...program].filter(([, text]) => pattern(constant).test(text)).map(([file]) => file);
    if (files.length > 1) repeated.push(`${constant}: ${files.toSorted().join(", ")}`);
  }
  expect(repeated).toEqual([]);
});

test("a name is found in a program's literals, whole or as part of a path, and not in text for people", () => {
  const found = (constant: string | number, line: string): boolean => pattern(constant).test(line);
  expect(found("amd.com/onload", 'const a = "amd.com/onload";')).toBe(true);
  expect(found("onload.amd.com", "`onload.onload.amd.com/${name}`")).toBe(true);
  expect(found("/opt/onload", 'default: "/opt/onload/sbin/x",')).toBe(true);
  expect(found("/opt/onload", "join(`${root}/opt/onload`)")).toBe(true);
  expect(found("/dev/onload", '["/dev/onload_epoll"]')).toBe(false);
  expect(found("amd.com/onload", 'summary: "Offers amd.com/onload to the kubelet",')).toBe(false);
  expect(found("/usr/bin", '"/usr/bin/crictl"')).toBe(false);
  expect(found("/usr/bin", 'default: "/usr/bin"')).toBe(true);
  expect(found(9470, '":9470"')).toBe(true);
  expect(found(9470, "19470")).toBe(false);
});
