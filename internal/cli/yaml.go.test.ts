/** YAML that we read and write means to kubectl what it means to us. kubectl itself is asked, without a server. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { tool } from "../testcluster/tools/index.ts";
import { parseYaml, yamlText } from "./yaml.ts";

// The Go compiler is not among what a test is timed for.
const program = await tool("kubectl");
const HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";

/** The field `data` of the manifest as kubectl has read it. */
async function kubectl(manifest: string): Promise<unknown> {
  const args = ["label", "--local", "--filename=-", "a=b", "--output=json"];
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], env: { HOME: "/nonexistent" } });
  child.stdin.end(manifest);
  return (JSON.parse(await text(child.stdout)) as { data: unknown }).data;
}

const NAMED = [
  "yes",
  "Yes",
  "YES",
  "yEs",
  "no",
  "NO",
  "on",
  "On",
  "ON",
  "off",
  "OFF",
  "y",
  "Y",
  "n",
  "N",
  "nULL",
].concat(
  ["null", "Null", "NULL", "~", "true", "TRUE", "tRUE", "false", "0777", "0o17", "0O17", "08", "0_8", "0x1F", "0X1F"],
  ["0b11", "-0b11", "+0b11", "0b12", "0o8", "1_000", "1__0", "_1", "1_", "12e03", "12e+03", "1.e+5", "1e+400", "1e5"],
  ["1.5", ".5", "5.", "+5", "-5", "+.5", "-.5e3", "0.1_0", "._5", "1:30", "1:30:00", "190:20:30.15", "2020-01-01"],
  [
    "2001-12-14t21:59:43.10-05:00",
    "=",
    "<",
    "0",
    "00",
    "-0",
    "+0",
    "0x",
    "0b",
    "0o",
    "1e",
    "1e+",
    "e1",
    "0.0.0",
    "v9.2.1",
  ],
  [
    "9.2",
    "9.20",
    "18446744073709551615",
    "99999999999999999999999",
    "9007199254740993",
    "-9223372036854775809",
    "0_",
    "0x_1",
  ],
  [
    "1_0e5",
    "1_0.5_0e-1_0",
    "0e0",
    "+1_0",
    "10_",
    "0777_",
    "0_7",
    "-0777",
    "+0o17",
    "-0x1f",
    "Infinity",
    "NaN",
    "nan",
    "inf",
  ],
);
const aWord = fc
  .array(fc.constantFrom(..."0123456789_+-.eExXbBoOyYnN:aAfF".split("")), { minLength: 1, maxLength: 7 })
  .map((signs) => signs.join(""))
  // What begins or ends like this is no plain scalar, and the last cannot be JSON.
  .filter((word) => !/^-?:|:$|^-$|^-{3}|^\.{3}|^\.nan$/i.test(word));

test("plain scalars are read as kubectl reads them", async () => {
  const seed = Date.now() % 2 ** 31;
  const words = [...NAMED, ...fc.sample(aWord, { seed, numRuns: 5000 })];
  const manifest = `${HEAD}data:\n${words.map((word) => `- ${word}\n`).join("")}`;
  const theirs = (await kubectl(manifest)) as unknown[];
  const [ours] = parseYaml(manifest) as { data: unknown[] }[];
  const show = (word: string, index: number) => ({ word, kubectl: theirs[index], ours: ours!.data[index] });
  const differences = words.map(show).filter((each) => !Object.is(each.kubectl, each.ours));
  expect({ seed, differences: differences.slice(0, 10) }).toEqual({ seed, differences: [] });
  expect(theirs.filter((value) => typeof value !== "string").length).toBeGreaterThan(500);
});

test("keys, merges, tags and blocks are read as kubectl reads them", async () => {
  const manifest = `${HEAD}data:
  on: key
  0777: key
  base: &base {yes: 1, b: 2}
  merged: {<<: *base, b: 3}
  text: !!str yes
  binary: !!binary aGFsbG8=
  number: !!int "3"
  quoted: ["yes", 'on', "0777"]
  folded: >-
    yes
`;
  const [ours] = parseYaml(manifest) as { data: unknown }[];
  expect(ours!.data as object).toEqual((await kubectl(manifest)) as object);
});

test("texts that we print come back from kubectl as they were", async () => {
  const seed = Date.now() % 2 ** 31;
  const anyText = fc.oneof(aWord, fc.string({ maxLength: 12 }), fc.string({ unit: "binary", maxLength: 5 }));
  const words = [
    ...NAMED,
    "<<",
    "",
    " ",
    "-",
    "- a",
    "a: b",
    "#",
    "---",
    ...fc.sample(anyText, { seed, numRuns: 3000 }),
  ];
  const data = { list: words, keys: Object.fromEntries(words.map((word) => [word, word])) };
  const manifest = yamlText({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, data });
  const back = (await kubectl(manifest)) as typeof data;
  const differences = words.filter((word, i) => back.list[i] !== word || back.keys[word] !== word);
  expect({ seed, differences: differences.slice(0, 10) }).toEqual({ seed, differences: [] });
});
