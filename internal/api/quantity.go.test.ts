import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { tool } from "../testcluster/tools/index.ts";
import { onloadCrd } from "./crd.ts";
import { parseQuantity } from "./quantity.ts";

// The Go compiler is not among what a test is timed for.
const program = await tool("go-quantity");

/** What Kubernetes' own parser reads; undefined if a text is no quantity. */
async function go(texts: readonly string[]): Promise<(number | undefined)[]> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(texts.map((each) => `${JSON.stringify(each)}\n`).join(""));
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => {
    const { amount } = JSON.parse(line) as { amount?: string };
    return amount === undefined ? undefined : Number(amount);
  });
}

/** The largest amount that Kubernetes promises to keep. */
const MAX = 2 ** 63;

/** Whether a text has a digit where amounts have theirs: of the others Kubernetes takes `k` and refuses `Pi`. */
const hasDigit = (quantity: string): boolean => /^[+-]?\.?\d/.test(quantity);

/** Whether an exponent has more than three digits: Kubernetes cuts it to 32 bits, and amounts of that size to nothing. */
const isHuge = (quantity: string): boolean => /e[+-]?0*[1-9]\d{3}/i.test(quantity);

/** Whether both are none, or are on the same side of zero and equal but for the last digits of a nano unit or of a double. */
function areEqual(is: number | undefined, want: number | undefined): boolean {
  if (is === undefined || want === undefined) return is === want;
  const capped = Math.min(Math.max(want, -MAX), MAX);
  return Math.sign(is) === Math.sign(want) && Math.abs(is - capped) <= 1e-9 + 1e-15 * Math.abs(capped);
}

async function differences(texts: readonly string[]): Promise<object[]> {
  const theirs = await go(texts);
  expect(theirs).toHaveLength(texts.length);
  const all = texts.map((quantity, i) => ({ quantity, is: parseQuantity(quantity), want: theirs[i] }));
  return all.filter(({ is, want }) => !areEqual(is, want));
}

/** Texts of up to four pieces of quantities. */
function someTexts(seed: number): string[] {
  const part = fc.constantFrom(...DIGITS, ...FRACTIONS, ...SUFFIXES, ...SIGNS, ...WRONG);
  const aText = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));
  return fc.sample(
    aText.filter((each) => hasDigit(each) && !isHuge(each)),
    { seed, numRuns: 10_000 },
  );
}

const SIGNS = ["", "", "+", "-"];
const DIGITS = [
  "",
  "0",
  "1",
  "7",
  "00",
  "08",
  "1000",
  "999",
  "1023",
  "9223372036854775807",
  "9223372036854775808",
].concat(["123456789012345678901234567890", "0".repeat(60), `${"0".repeat(60)}1`, "9".repeat(60)]);
const FRACTIONS = [
  "",
  ".",
  ".0",
  ".5",
  ".000",
  ".0001",
  ".000000001",
  ".0000000001",
  ".123456789123",
  `.${"0".repeat(50)}1`,
];
const SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].concat([
  "e0",
  "E0",
  "e3",
  "E+3",
  "e-3",
  "E-9",
  "e018",
  "e+0006",
  "e-12",
  "e200",
  "E-200",
  "e330",
  "e-330",
]);
const WRONG = [
  "K",
  "ki",
  "mi",
  "ni",
  "ui",
  "Mk",
  "e",
  "e+",
  "E-",
  "e1.5",
  "ee3",
  "1",
  "e3k",
  "B",
  " ",
  "\n",
  "i",
  "Kie3",
  "_",
].concat([".", "..", "+", "-", ",", "٣", "µ", "0x", "Inf", "\0"]);

test("every form of a quantity is read as Kubernetes reads it", async () => {
  const forms = SIGNS.flatMap((sign) =>
    DIGITS.flatMap((digits) =>
      FRACTIONS.flatMap((fraction) => SUFFIXES.map((suffix) => sign + digits + fraction + suffix)),
    ),
  ).filter(hasDigit);
  expect(forms.length).toBeGreaterThan(10_000);
  expect((await differences(forms)).slice(0, 5)).toEqual([]);
});

test("what is not quite a quantity is taken or refused as Kubernetes does", async () => {
  const seed = Date.now() % 2 ** 31;
  const texts = someTexts(seed);
  const refused = (await go(texts)).filter((amount) => amount === undefined).length;
  expect(refused).toBeGreaterThan(1000);
  expect(texts.length - refused).toBeGreaterThan(1000);
  expect({ seed, differences: (await differences(texts)).slice(0, 5) }).toEqual({ seed, differences: [] });
});

test("the CRD admits the quantities that Kubernetes takes in a pod, and no others", async () => {
  const seed = Date.now() % 2 ** 31;
  const texts = [...someTexts(seed), "1e1.5", "1e.5", "1E+1."];
  const [written = ""] = /"\^[^"]*numkMGTPE[^"]*"/.exec(JSON.stringify(onloadCrd())) ?? [];
  const pattern = new RegExp(JSON.parse(written) as string);
  const theirs = await go(texts);
  const wrong = texts.filter((each, i) => pattern.test(each) !== (theirs[i] !== undefined && !each.startsWith("-")));
  expect({ seed, wrong: wrong.slice(0, 5) }).toEqual({ seed, wrong: [] });
});
