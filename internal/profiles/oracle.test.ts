/** Generated profiles: what we make of them is what two real shells make of them. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { evaluateProfiles } from "./evaluate.ts";
import { ProfileError } from "./syntax.ts";
import { shellSettings } from "./testing/shell.ts";

const SHELLS = ["/bin/sh", "/bin/bash"];
/** How many profiles are made at once. Each takes a process of each shell. */
const PROFILES = 100;

const name = fc.constantFrom("EF_A", "EF_B", "EF_C", "EF_LONG_NAME", "workers", "mode", "MY_MODE");
const plain = fc.constantFrom("0", "1", "42", "07", "-1", "a", "x=y", "any=rss:active", "a#b", "100000", "sf-np");
const inQuotes = fc.constantFrom(" ", "a b", "*", "[", "#", ";", "(", "&", "|", "~", "{a,b}", "!", "%s", "\\", "$", "");
const variable = name.chain((each) => fc.constantFrom(`$${each}`, `\${${each}}`));
const doubled = fc
  .array(
    fc.oneof(
      plain,
      inQuotes.map((text) => text.replace(/[\\$]/g, "\\$&")),
      variable,
      fc.constant('\\"'),
    ),
    {
      maxLength: 3,
    },
  )
  .map((parts) => `"${parts.join("")}"`);
const single = fc
  .array(fc.oneof(plain, inQuotes, fc.constantFrom('"', "$a", "`")), { maxLength: 2 })
  .map((parts) => `'${parts.join("")}'`);
const number = fc.oneof(fc.constantFrom("0", "1", "3", "1000", "180000"), variable, name);
const arithmetic: fc.Arbitrary<string> = fc
  .letrec<{ sum: string }>((tie) => ({
    sum: fc.oneof(
      { maxDepth: 3 },
      number,
      fc
        .tuple(tie("sum"), fc.constantFrom("+", "-", "*", "/", "%", " * ", " / "), number)
        .map(([left, sign, right]) => `(${left})${sign}${right}`),
      fc.tuple(number, fc.constantFrom("+", "-", " + "), tie("sum")).map((parts) => parts.join("")),
    ),
  }))
  .sum.map((text) => `$((${text}))`);
const word = fc.oneof(
  plain,
  doubled,
  single,
  variable,
  arithmetic,
  fc.tuple(plain, doubled).map((parts) => parts.join("")),
  fc.constantFrom("\\ ", "a\\\nb", "\\$x"),
);
const condition = fc.oneof(
  fc.tuple(fc.constantFrom("-z", "-n"), doubled).map(([test, text]) => `[ ${test} ${text} ]`),
  fc.tuple(doubled, fc.constantFrom("=", "!="), word).map((parts) => `test ${parts.join(" ")}`),
  fc
    .tuple(number, fc.constantFrom("-eq", "-ne", "-lt", "-ge"), fc.constantFrom("0", "1", "42"))
    .map(([left, test, right]) => `[ "${left}" ${test} ${right} ]`),
  fc.constantFrom("true", "false"),
);
const gap = fc.constantFrom("\n", "; ", " # a comment\n", "\n\n  ");
const statements = fc.letrec<{ list: string; one: string }>((tie) => ({
  list: fc.array(fc.tuple(tie("one"), gap), { minLength: 1, maxLength: 4 }).map((list) => list.flat().join("")),
  one: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.tuple(name, word).map(([left, right]) => `onload_set ${left} ${right}`),
    fc.tuple(name, plain).map(([left, right]) => `onload_set ${left}=${right}`),
    fc.tuple(name, word).map(([left, right]) => `${left}=${right}`),
    fc.tuple(name, word).map(([left, right]) => `export ${left}=${right}`),
    fc.constantFrom("onload_import fast", 'onload_import part "$@"', 'echo "a $EF_A"', ":"),
    fc
      .tuple(condition, tie("list"), fc.option(tie("list"), { nil: undefined }))
      .map(([test, yes, no]) => `if ${test}; then ${yes}${no === undefined ? "" : `else ${no}`}fi`),
    fc
      .tuple(doubled, plain, tie("list"), tie("list"))
      .map(([subject, pattern, yes, no]) =>
        `case ${subject} in\n"${pattern}" | 1) ${yes};;\n*) ${no};;\nesac`.replaceAll(/; ;;/g, ";;"),
      ),
  ),
}));
const environment = fc.dictionary(name, fc.oneof(plain, fc.constant("")), { maxKeys: 3 });
const LIBRARY = {
  "fast.opf": "onload_set EF_A 5\nonload_import part\n",
  "part.opf-fragment": 'onload_set EF_LONG_NAME "$EF_A-"\nworkers=3\n',
};

/** What we make of a profile; undefined if it is refused. */
function ours(text: string, given: Record<string, string>): Record<string, string> | undefined {
  try {
    const library = new Map(Object.entries(LIBRARY));
    const found = evaluateProfiles([{ file: "main", text }], library, new Map(Object.entries(given)));
    return Object.fromEntries(found.map(({ name: each, value }) => [each, value]));
  } catch (error) {
    if (error instanceof ProfileError) return undefined;
    throw error;
  }
}

async function compare(profiles: { text: string; environment: Record<string, string> }[]): Promise<number> {
  const accepted = profiles.flatMap((profile) => {
    const found = ours(profile.text, profile.environment);
    return found === undefined ? [] : [{ ...profile, found }];
  });
  for (const shell of SHELLS) {
    const theirs = await shellSettings(shell, accepted, LIBRARY);
    for (const [index, { text, environment: given, found }] of accepted.entries()) {
      expect({ shell, text, given, found }).toEqual({ shell, text, given, found: theirs[index]! });
    }
  }
  return accepted.length;
}

test("profiles of what is understood are what a shell makes of them, if they are not refused", async () => {
  const profiles = fc.sample(fc.record({ text: statements.list, environment }), PROFILES);
  expect(await compare(profiles)).toBeGreaterThan(PROFILES / 5);
}, 120_000);

/** Pieces that a shell obeys, and that do no harm if one does. */
const PIECES = [
  "\n,;,;,&,|,(,),<,{,},!,#,$,`,\",',\\, ,\t,=,~,*,?".split(","),
  "if,then,else,elif,fi,case,in,esac,for,do,done,x,1,[,],-z,-n,&&,||,\\\n,true,:,echo".split(","),
  "onload_set,EF_A,EF_B,EF_A=,$EF_A,${EF_A},$((,)),$(".split(","),
  'onload_set EF_A 1,onload_set EF_B 2\n,onload_set EF_C ",; then ,; fi\n,;; '.split(","),
].flat();

test("whatever the text, it is refused, or a shell says the same", async () => {
  const soup = fc
    .array(fc.tuple(fc.constantFrom(...PIECES), fc.constantFrom("", " ", " ")), { maxLength: 14 })
    .map((pieces) => pieces.flat().join(""));
  const texts = fc.sample(soup, 12_000).map((text) => ({ text, environment: {} }));
  // Most are refused. Those with a setting say the most.
  const accepted = texts.filter(({ text, environment: given }) => Object.keys(ours(text, given) ?? {}).length > 0);
  expect(await compare(accepted.slice(0, PROFILES))).toBeGreaterThan(PROFILES / 5);
}, 120_000);
