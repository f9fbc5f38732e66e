/** What people read is plain English: some turns of phrase that make them stumble are nowhere in our texts. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { checkout } from "../testcluster/lib/paths.ts";

/** `X is no Y` for `X is not a Y`, and words that were plain a hundred years ago. */
const STUMBLES = [
  /\bmust exist\b.*\band may\b/i,
  /\bgives? the resource back\b/i,
  /\bmay be away\b/i,
  /\bbelongs? into\b/i,
  /(?<!\bthere )\b(?:is|are) no (?!longer\b)/i,
  /\banew\b/i,
  /\bcannot be had\b/i,
  /\bfor want of\b/i,
];

test("no text has a turn of phrase that makes a reader stumble", async () => {
  const found: string[] = [];
  for (const file of new Bun.Glob("{cmd,internal}/**/*.{ts,yaml}").scanSync(checkout)) {
    if (/\.(?:test|gen)\.ts$|\/test(?:ing|data)\/|testcluster/.test(file)) continue;
    const lines = (await Bun.file(join(checkout, file)).text()).split("\n");
    for (const [i, line] of lines.entries()) {
      if (/^\s*(?:\/\/|\/?\*|#)/.test(line)) continue;
      const text = line.replace(/ (?:\/\/|\/\*\*) .*$/, "");
      if (STUMBLES.some((each) => each.test(text))) found.push(`${file}:${i + 1}: ${text.trim().slice(0, 120)}`);
    }
  }
  expect(found).toEqual([]);
});
