/** Random regular expressions for tests: most of them valid in RE2's syntax, and short enough to match now and then. */
import fc from "fast-check";

/** Kernel versions of distributions, and texts that tell engines apart. */
export const TEXTS: readonly string[] = [
  "5.14.0-570.58.1.rt14.343.el9_6.x86_64",
  "4.18.0-372.49.1.el8_6.x86_64",
  "6.1.0-42-amd64",
  "6.8.0-1021-aws",
  "5.14.0-570.el9.aarch64+64k",
  "6.12.0-rc1+",
  "",
  "5",
  "el9\n",
  "a\nb",
  "EL9_X86",
  "\u212A\u017F",
  "é-😀",
  "{1,2}",
  "[:digit:]",
  "aaaaaaaaaaaaaaaa",
];

const ATOMS = [
  "a",
  "b",
  "e",
  "k",
  "s",
  "x",
  "é",
  "😀",
  "5",
  "6",
  "14",
  "el9",
  "el8",
  "x86_64",
  "rt",
  "_",
  "-",
  "0",
].concat(
  ["\\.", "\\-", "\\+", "\\_", "\\/", ".", ".", " ", "}", "]", "{", "{,2}", "{a}", "&&", "=", "!", ":", "<", "#", ","],
  ["\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\pL", "\\PL", "\\p{Lu}", "\\P{Greek}", "\\p{^Lu}", "\\pN"],
  ["\\x41", "\\x{1F600}", "\\x{212A}", "\\101", "\\0", "\\a", "\\f", "\\t", "\\n", "\\r", "\\v", "\\Q.*\\E", "\\Q+"],
  ["^", "$", "\\A", "\\z", "\\b", "\\B", "()", "(?:)", "\n"],
);
const CLASSES = [
  "0-9",
  "a-z",
  "A-Z",
  "x",
  "5",
  "_",
  ".",
  "-",
  "\\d",
  "\\W",
  "\\pL",
  "\\]",
  "\\-",
  "\\n",
  "é",
  "^",
  "[",
  "\\x41",
].concat(["[:digit:]", "[:^alpha:]", "[:word:]", "[:xdigit:]", "[:space:]", "[:punct:]", "&&", "(", ")", "{2}", "|"]);
const REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0}", "{1,}", "{0,3}", "{2,4}?", "{,3}", "{12}"];
const GROUPS = ["(", "(?:", "(?i)(", "(?i:", "(?s:", "(?m:", "(?U:", "(?-s:", "(?i-m:", "(?sm)(?:", "(?P<n>", "(?<n>"];
/** What is no syntax of RE2, or only at some places. */
const WRONG = [
  "(",
  ")",
  "[",
  "(?=",
  "(?!",
  "(?<=",
  "(?<!",
  "(?>",
  "(?#a)",
  "(?x)",
  "(?P=n)",
  "(?P<",
  "(?P<1-a>x)",
].concat(
  [
    "\\1",
    "\\8",
    "\\Z",
    "\\C",
    "\\K",
    "\\R",
    "\\h",
    "\\e",
    "\\cA",
    "\\u0041",
    "\\x4",
    "\\x{110000}",
    "\\k<n>",
    "\\G",
    "\\",
  ],
  [
    "[z-a]",
    "[[:foo:]]",
    "[]",
    "[^]",
    "[a",
    "**",
    "+*",
    "a**",
    "{2}{3}",
    "x{1001}",
    "x{3,2}",
    "(?:x{500}){3}",
    "\\p{Foo}",
  ],
  [
    "*",
    "+",
    "?",
    "{2}",
    "|",
    "||",
    "(?i",
    "(?^i)",
    "(?",
    "a{99999999999}",
    "\\pX",
    "(?:(?:(?:a{10}){10}){10}){2}",
    "\\E",
  ],
);

const aClass = fc
  .tuple(
    fc.constantFrom("[", "[^", "[", "[]", "[^]"),
    fc.array(fc.constantFrom(...CLASSES), { minLength: 1, maxLength: 4 }),
  )
  .map(([open, parts]) => `${open}${parts.join("")}]`);

const { expression } = fc.letrec<{ expression: string; piece: string; repeated: string }>((tie) => ({
  expression: fc
    .array(fc.array(tie("repeated"), { minLength: 0, maxLength: 5 }), { minLength: 1, maxLength: 3 })
    .map((alternatives) => alternatives.map((pieces) => pieces.join("")).join("|")),
  repeated: fc.oneof(
    { arbitrary: tie("piece"), weight: 3 },
    { arbitrary: fc.tuple(tie("piece"), fc.constantFrom(...REPEATS)).map((parts) => parts.join("")), weight: 1 },
  ),
  piece: fc.oneof(
    { depthSize: "xsmall" },
    { arbitrary: fc.constantFrom(...ATOMS), weight: 6 },
    { arbitrary: aClass, weight: 2 },
    {
      arbitrary: fc.tuple(fc.constantFrom(...GROUPS), tie("expression")).map(([open, inner]) => `${open}${inner})`),
      weight: 2,
    },
  ),
}));

/** An expression with one piece put in that may spoil it. */
const spoilt = fc
  .tuple(expression, fc.constantFrom(...WRONG), fc.nat(20))
  .map(([text, wrong, at]) => text.slice(0, at) + wrong + text.slice(at));

/** Gives each group a name of its own. */
function withOwnNames(text: string): string {
  let names = 0;
  return text.replaceAll("<n>", () => `<n${names++}>`);
}

/** Any expression; about every fourth may be invalid. */
export const anExpression: fc.Arbitrary<string> = fc
  .oneof({ arbitrary: expression, weight: 3 }, { arbitrary: spoilt, weight: 1 })
  .map(withOwnNames);
