import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Args } from "./command.ts";
import { UsageError } from "./errors.ts";
import { parseArguments } from "./parse-arguments.ts";

const ARGS = {
  target: { type: "positional", required: false, description: "What to build" },
  output: { type: "string", alias: "o", valueHint: "FILE" },
  push: { type: "boolean" },
  preload: { type: "boolean", default: true },
  "no-cache": { type: "boolean" },
  "build-arg": { type: "string", repeatable: true },
  wait: { type: "string", implied: "15m" },
  format: { type: "enum", options: ["yaml", "json"], default: "yaml" },
} satisfies Args;

const parsed = (...words: string[]) => parseArguments(words, ARGS);

describe("accepts", () => {
  const table: Record<string, [string[], Record<string, unknown>]> = {
    nothing: [[], { preload: true, format: "yaml", "build-arg": [] }],
    "a value after a space": [["--output", "x"], { output: "x" }],
    "a value after =": [["--output=a=b"], { output: "a=b" }],
    "an empty value": [["--output="], { output: "" }],
    "a value that looks like a flag, after =": [["--output=--push"], { output: "--push" }],
    "a short name": [["-o", "-"], { output: "-" }],
    "no value where one is implied": [["--wait", "user"], { wait: "15m", target: "user" }],
    "a value where one is implied": [["--wait=5m"], { wait: "5m" }],
    "a bare boolean": [["--push"], { push: true }],
    "a boolean =true": [["--push=true"], { push: true }],
    "a boolean =false": [["--preload=false"], { preload: false }],
    "a negated boolean": [["--no-preload"], { preload: false }],
    "a boolean whose own name begins with no-": [["--no-cache"], { "no-cache": true }],
    "the negation of such a one": [["--no-no-cache"], { "no-cache": false }],
    "a short name with =": [["-o=a=b"], { output: "a=b" }],
    "a repeated flag": [["--build-arg", "a=1", "--build-arg=b=2"], { "build-arg": ["a=1", "b=2"] }],
    "a positional between flags": [["--push", "user", "-o=x"], { push: true, target: "user", output: "x" }],
    "a positional after --": [["--", "--push"], { target: "--push", push: undefined }],
  };
  test.each(Object.entries(table))("%s", (_, [raw, want]) => {
    expect(parsed(...raw)).toMatchObject(want);
  });
});

describe("rejects", () => {
  const table: Record<string, [string[], string]> = {
    "an unknown flag": [["--outptu", "x"], "Unknown flag --outptu: did you mean --output?"],
    "a letter that is no flag": [["-A"], "Unknown flag -A: see --help"],
    "a flag like no other": [["--zzzzzzz"], "Unknown flag --zzzzzzz: see --help"],
    "a missing value": [["--output"], "Flag --output needs a value: --output=FILE"],
    "a flag in a value's place": [["--output", "--push"], "Flag --output needs a value: --output=FILE"],
    "a repeated single flag": [["-o", "a", "--output", "b"], "Flag --output is given twice: give it once"],
    "a bad boolean": [["--push=yes"], 'Flag --push cannot be "yes": use true or false'],
    "a negated boolean with a value": [["--no-push=true"], 'Flag --no-push cannot be "true": use true or false'],
    "two short names in one word": [["-op"], "Unknown flag -op: did you mean -o?"],
    "a value without = after a short name": [["-ofile"], "Unknown flag -ofile: see --help"],
    "a bad choice": [["--format", "xml"], 'Flag --format cannot be "xml": use one of yaml, json'],
    "one positional too many": [["user", "module"], 'Unexpected argument "module"'],
  };
  test.each(Object.entries(table))("%s", (_, [raw, message]) => {
    expect(() => parsed(...raw)).toThrow(new UsageError(message));
  });

  test("a missing required flag", () => {
    const args = { image: { type: "string", required: true, valueHint: "IMAGE" } } satisfies Args;
    expect(() => parseArguments([], args)).toThrow(new UsageError("Flag --image is missing: give --image=IMAGE"));
  });
});

test("every value of a flag arrives as it was given", () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (output, buildArgs) => {
      const raw = [`--output=${output}`, ...buildArgs.map((value) => `--build-arg=${value}`)];
      expect(parsed(...raw)).toMatchObject({ output, "build-arg": buildArgs });
    }),
  );
});

test("nothing but a UsageError is thrown, whatever the words are", () => {
  const flags = [
    "--output",
    "-o",
    "--output=",
    "--push",
    "--no-push",
    "--no-cache",
    "--build-arg",
    "--format=json",
    "--",
  ];
  const word = fc.oneof(fc.constantFrom(...flags), fc.string());
  fc.assert(
    fc.property(fc.array(word), (words) => {
      try {
        parsed(...words);
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
      }
    }),
  );
});
