import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { processRunner } from "./runner.ts";
import { assignOutput, shellLine, variable, writeFileLines } from "./shell.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shell-test-"));
  await mkdir(join(folder, "bin"));
  // The kernel's record of the arguments, so that no shell's idea of them comes in between.
  await writeFile(
    join(folder, "bin/stub"),
    `#!/bin/sh\ncat /proc/$$/cmdline >>'${folder}/record'\necho >>'${folder}/record'\n`,
  );
  await chmod(join(folder, "bin/stub"), 0o755);
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs a script with the stub in PATH, and returns what the stub was given, call by call. */
async function recorded(shell: string, script: string): Promise<string[][]> {
  await rm(join(folder, "record"), { force: true });
  await writeFile(join(folder, "script"), script);
  const { code, output } = await processRunner.run([shell, join(folder, "script")], {
    cwd: folder,
    env: { PATH: `${folder}/bin:${process.env["PATH"]}` },
  });
  expect({ code, output }).toEqual({ code: 0, output: "" });
  const text = await readFile(join(folder, "record"), "utf8");
  // Each record is the interpreter, the stub's path and its arguments, each ended by a NUL byte, and then a line break.
  return text
    .split(`/bin/sh\0${folder}/bin/stub\0`)
    .slice(1)
    .map((call) => call.replace(/\n$/, "").split("\0").slice(0, -1));
}

/** Every byte that an argument can hold, in text that is valid: all of ASCII but NUL, and any other character. */
const words = fc.oneof(
  fc.string({ unit: fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)) }),
  fc.string({ unit: "binary" }).map((text) => text.replace(/[\0\ud800-\udfff]/g, "")),
  fc.constantFrom(
    "$(touch evil)",
    "`touch evil`",
    "$work",
    "${work}",
    "\nEND\ntouch evil\n",
    "'",
    "\\",
    "-n",
    "~",
    "*",
    "!!",
    "#",
  ),
);

for (const shell of ["dash", "bash"]) {
  describe(shell, () => {
    test("passes every word unchanged", async () => {
      const calls = fc.sample(fc.array(words, { maxLength: 6 }), 40);
      const script = calls.map((call) => shellLine(["stub", ...call])).join("\n");
      expect(await recorded(shell, `set -eu\nwork=wrong\n${script}\n`)).toEqual(calls);
    });

    test("puts the value of a variable where a reference is, unchanged and as one word", async () => {
      const pairs = fc.sample(fc.tuple(words, words), 20);
      const lines = pairs.flatMap(([value, around]) => [
        // What a shell takes from a program's output loses its last line breaks, so the value ends in another sign.
        assignOutput("work", ["printf", "%s", `${value}.`]),
        shellLine(["stub", `${around}${variable("work")}${around}`]),
      ]);
      expect(await recorded(shell, `set -eu\n${lines.join("\n")}\n`)).toEqual(
        pairs.map(([value, around]) => [`${around}${value}.${around}`]),
      );
    });

    test("writes files unchanged", async () => {
      const texts = [
        "END",
        "x\nEND\ntouch evil\nEND_",
        "$(touch evil) `touch evil` \\ $work \\\n",
        ...fc.sample(words, 20),
      ];
      const at = (index: number): string => join(folder, `file'${index}`);
      const script = texts.map((text, index) => writeFileLines(at(index), text)).join("\n");
      await writeFile(join(folder, "script"), `set -eu\n${script}\n`);
      expect(await processRunner.run([shell, join(folder, "script")])).toMatchObject({ code: 0, output: "" });
      const written = await Promise.all(texts.map((_, index) => readFile(at(index), "utf8")));
      expect(written).toEqual(texts.map((text) => `${text}\n`));
    });
  });
}

test("a program whose name has an equals sign is run, not assigned", () => {
  expect(shellLine(["A=b", "c=d"])).toBe("'A=b' c=d");
});

test("no text from outside is taken for a reference", () => {
  for (const word of ["a\0b", "\0work", "\0work x\0", "\0\0"])
    expect(() => shellLine(["stub", word])).toThrow("NUL byte");
});
