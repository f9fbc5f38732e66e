import { expect, test } from "bun:test";
import { join } from "node:path";
import * as fc from "fast-check";
import { checkout } from "../testcluster/lib/paths.ts";
import { brokenLine } from "./wrap.ts";

const remedy =
  "kubectl annotate onload onload -n onload-runtime onload.amd.com/confirm-generation=3-01234567 --overwrite";

test("a command that fits into a line of its own is not broken", () => {
  expect(
    brokenLine("No operator acts; start it: kubectl scale deployment operator -n x --replicas=1; wait", 60),
  ).toEqual(["No operator acts; start it:", "    kubectl scale deployment operator -n x --replicas=1;", "    wait"]);
  expect(brokenLine("If all of it may go, run `kubectl delete namespace onload`, and wait for it", 50)).toEqual([
    "If all of it may go, run",
    "    `kubectl delete namespace onload`, and wait",
    "    for it",
  ]);
});

test("a longer one goes on as a shell reads it", () => {
  expect(brokenLine(`It is held back; confirm it: ${remedy} (since 3 m)`, 60)).toEqual([
    "It is held back; confirm it:",
    "    kubectl annotate onload onload -n onload-runtime \\",
    "    onload.amd.com/confirm-generation=3-01234567 --overwrite",
    "    (since 3 m)",
  ]);
});

test("what is not a command is broken as every text is", () => {
  expect(brokenLine("It is known what kubectl describe says of `a and b` and of others", 40)).toEqual([
    "It is known what kubectl describe says",
    "    of `a and b` and of others",
  ]);
});

/** What a shell makes of each command line, word by word. */
function words(...commands: string[]): string[] {
  const script = `kubectl() { printf '<%s>' "$@"; echo; }\n${commands.join("\n")}\n`;
  const { stdout, exitCode } = Bun.spawnSync(["bash", "-c", script]);
  expect(exitCode).toBe(0);
  return stdout.toString().trimEnd().split("\n");
}

test("whatever the screen, a shell reads from the lines what was meant, and no line is longer than it", () => {
  const word = fc.stringMatching(/^[a-z0-9./=:-]{1,18}$/);
  const quoted = fc
    .stringMatching(/^[a-z{}":][a-z {}":]{0,14}$/)
    .map((text) => `'${text.trim().replaceAll(/ +/g, " ")}'`);
  const command = fc
    .array(fc.oneof({ arbitrary: word, weight: 5 }, quoted), { minLength: 1, maxLength: 15 })
    .map((args) => `kubectl get ${args.join(" ")}`);
  fc.assert(
    fc.property(command, fc.constantFrom(": ", "`"), fc.integer({ min: 40, max: 100 }), (run, before, columns) => {
      const text =
        before === "`" ? `Run this, now or later, \`${run}\` and wait` : `What to do, now or later: ${run}; wait`;
      const lines = brokenLine(text, columns);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      const all = lines.join("\n");
      const copied = before === "`" ? all.split("`")[1]! : /:\s+(kubectl[^;]*);/.exec(all)![1]!;
      const [read, meant] = words(copied, run);
      expect(read).toBe(meant!);
    }),
    { numRuns: 60 },
  );
});

/** A command with something to fill in or a flag, that stands neither in backticks nor after a colon or at the beginning. */
const UNMARKED =
  /(?<!["'`]|: |\| |\\`|[\w./-])\b(?:kubectl|onloadctl|oc) [a-z][a-z-]*(?: [\w${}.-]+)*? (?:--?[a-z]|\$\{|[A-Z]{3,}\b)/;

test("every command that a message tells people to run can be known for one", async () => {
  const found: string[] = [];
  for (const file of new Bun.Glob("{cmd,internal}/**/*.ts").scanSync(checkout)) {
    // Descriptions of flags and scripts are not shown between other texts.
    if (/\.(?:test|gen)\.ts$|\/test(?:ing|data)\/|testcluster|completion\/|helm\/|cmd\/[a-z-]+\.ts$/.test(file))
      continue;
    for (const [i, line] of (await Bun.file(join(checkout, file)).text()).split("\n").entries()) {
      if (/^\s*(?:\/\/|\/?\*)/.test(line) || !UNMARKED.test(line.replace(/ (?:\/\/|\/\*\*) .*$/, ""))) continue;
      found.push(`${file}:${i + 1}: ${line.trim().slice(0, 160)}`);
    }
  }
  expect(found).toEqual([]);
});
