import { describe, expect, test } from "bun:test";
import { evaluateProfiles } from "./evaluate.ts";
import { shellSettings } from "./testing/shell.ts";

/** Profiles that others import. */
const LIBRARY = {
  "fast.opf": "onload_set EF_POLL_USEC 100\nonload_set EF_TX_PUSH 1\n",
  "part.opf-fragment": 'onload_set EF_MAX_PACKETS $(( (180000*16) / $workers ))\nonload_set EF_NAME "$name"\n',
  "both.opf": "onload_import fast\nonload_set EF_POLL_USEC 7\nonload_set EF_UDP 0\n",
  "a.opf": "onload_import b\n",
  "b.opf": "onload_import a\n",
  "reads.opf": 'onload_set EF_NAME "$(hostname)"\n',
};

function settings(text: string, environment: Record<string, string> = {}): Record<string, string> {
  const found = evaluateProfiles(
    [{ file: "my.opf", text }],
    new Map(Object.entries(LIBRARY)),
    new Map(Object.entries(environment)),
  );
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
}

/** Profiles that are understood; `set` is what the environment has already. */
const UNDERSTOOD: Record<string, { text: string; set?: Record<string, string>; sets: Record<string, string> }> = {
  "nothing at all": { text: "", sets: {} },
  "comments and blank lines": {
    text: "# EF_X 1\n\n  # onload_set EF_X 1\nonload_set EF_X 2 # 3\n",
    sets: { EF_X: "2" },
  },
  "no end of line at the end": { text: "onload_set EF_X 2", sets: { EF_X: "2" } },
  "several on a line": { text: "onload_set EF_X 2; onload_set EF_Y 3;\n", sets: { EF_X: "2", EF_Y: "3" } },
  "a line that goes on": { text: "onload_set \\\n  EF_X \\\n 2\n", sets: { EF_X: "2" } },
  "NAME=VALUE": { text: "onload_set EF_X=2\n", sets: { EF_X: "2" } },
  "quotes of all kinds": {
    text: `onload_set EF_X "any=rss:active"\nonload_set 'EF_Y' 'a "b" $c'\nonload_set EF_Z a\\ "b\\"\\$\\\\\\n"'c'\n`,
    sets: { EF_X: "any=rss:active", EF_Y: 'a "b" $c', EF_Z: 'a b"$\\\\nc' },
  },
  "a hash within a word": { text: 'onload_set EF_X a#b\nonload_set EF_Y "#1"\n', sets: { EF_X: "a#b", EF_Y: "#1" } },
  "a dollar alone": { text: 'onload_set EF_X "a$"\nonload_set EF_Y $\n', sets: { EF_X: "a$", EF_Y: "$" } },
  "the first one counts": { text: "onload_set EF_X 1\nonload_set EF_X 2\n", sets: { EF_X: "1" } },
  "what is there counts": { text: "onload_set EF_X 1\n", set: { EF_X: "5" }, sets: { EF_X: "5" } },
  "what is there and empty does not count": { text: "onload_set EF_X 1\n", set: { EF_X: "" }, sets: { EF_X: "1" } },
  "a variable of its own": {
    text: 'n=4\nonload_set EF_X "$n"\nonload_set EF_Y ${n}0\n',
    sets: { EF_X: "4", EF_Y: "40" },
  },
  "an assignment takes what is there": { text: "EF_X=2\nEF_Y=3\n", set: { EF_X: "1" }, sets: { EF_X: "2" } },
  "an assignment first": { text: "EF_X=2\nonload_set EF_X 3\n", sets: {} },
  "two assignments on a line": { text: 'a=1 b="$a"2\nonload_set EF_X $b\n', sets: { EF_X: "12" } },
  export: { text: "EF_X=2\nexport EF_X\nexport EF_Y='3 4' EF_Z=5\n", sets: { EF_X: "2", EF_Y: "3 4", EF_Z: "5" } },
  arithmetic: {
    text: 'n=7\nonload_set EF_X $(( (1 + 2) * $n - 20 / 3 % 4 ))\nonload_set EF_Y "$((n/-2))"\n'.replace("/-2", "/2"),
    sets: { EF_X: "19", EF_Y: "3" },
  },
  "an import": { text: "onload_import both\n", sets: { EF_POLL_USEC: "100", EF_TX_PUSH: "1", EF_UDP: "0" } },
  "an import of a fragment with variables": {
    text: 'workers=16\nname=webs\nonload_import part "$@"\n',
    sets: { EF_MAX_PACKETS: "180000", EF_NAME: "webs" },
  },
  "an import that is passed over": { text: 'if [ -n "$EF_X" ]; then onload_import a; fi\n', sets: {} },
  "if, elif and else": {
    text: `m=2\nif [ $m -eq 1 ]; then onload_set EF_X 1\nelif [ "$m" -ge 2 ]; then\n  onload_set EF_X 2\nelse\n  onload_set EF_X 3\nfi\n`,
    sets: { EF_X: "2" },
  },
  "an if within an if": {
    text: `if [ -z "$EF_A" ]; then if test a != b; then onload_set EF_X 1; fi; else onload_set EF_X 2; fi\n`,
    sets: { EF_X: "1" },
  },
  "a case": {
    text: `m=1\ncase $m in\n0)\n onload_set EF_X 0;;\n(1|2) onload_set EF_X 1\n;;\n*) onload_set EF_X 9\nesac\n`,
    sets: { EF_X: "1" },
  },
  messages: { text: 'echo "on $nothing"\nlog note\nprintf "%s" a\nset -o pipefail\n:\ntrue\n', sets: {} },
  "what looks at files and only prints": { text: 'if [ -f /etc/passwd ]; then\n  log "there"\nfi\n', sets: {} },
  "a branch that is not taken, whatever is in it": {
    text: [
      'if [ -z "$EF_MODE" ]; then',
      "  for nic in /sys/class/net/*; do",
      '    driver=$(basename "$(readlink "$nic/device/driver")")',
      "    speed=`(cat $nic/speed 2>/dev/null) || echo 0`",
      '    case "$driver" in sfc) f() { echo ")"; } ;; esac',
      '    while read line; do x=${line:-"a } b"}; done </dev/null | grep -q x && break',
      "  done",
      "fi",
      "onload_set EF_X 1",
      "",
    ].join("\n"),
    set: { EF_MODE: "ct" },
    sets: { EF_MODE: "ct", EF_X: "1" },
  },
};

describe("a profile is understood as a shell understands it", () => {
  for (const [name, { text, set, sets }] of Object.entries(UNDERSTOOD)) {
    test(name, () => expect(settings(text, set)).toEqual(sets));
  }

  for (const shell of ["/bin/sh", "/bin/bash"]) {
    test(`${shell} says the same`, async () => {
      // Older shells take "set -o pipefail" for the end of the script.
      const cases = Object.values(UNDERSTOOD).map(({ text, set = {}, sets }) => ({
        text: text.replace("set -o pipefail\n", ""),
        environment: set,
        sets,
      }));
      expect(await shellSettings(shell, cases, LIBRARY)).toEqual(cases.map(({ sets }) => sets));
    });
  }
});

describe("a profile is refused with file, line and reason", () => {
  const cases: Record<string, [text: string, message: string]> = {
    "a program": ["\nonload_set EF_X $(nproc)\n", "my.opf:2: it runs a program ($( ))"],
    "a program in backticks": ["onload_set EF_X `nproc`\n", "my.opf:1: it runs a program (` `)"],
    "a program in double quotes": ['x="a`nproc`"\n', "my.opf:1: it runs a program (` `)"],
    "a program by its name": ["sysctl vm.nr_hugepages=1\n", 'my.opf:1: it runs "sysctl"'],
    "a file": [
      "if [ -f /etc/x ]; then\nonload_set EF_X 1\nfi\n",
      'my.opf:1: the condition looks at the machine ("-f")',
    ],
    "a loop": ["for x in 1 2; do\n onload_set EF_X $x\ndone\n", 'my.opf:1: it is a loop ("for")'],
    "a loop that a variable passes over": [
      'if [ -z "$EF_X" ]; then\n while true; do :; done\nfi\n',
      'my.opf:2: it is a loop ("while"); --set EF_X=VALUE passes over it',
    ],
    "a function": ["f() {\n echo a\n}\n", "my.opf:1: f() is a function"],
    "a pipe": ["echo a | grep a\n", "my.opf:1: it is a pipe"],
    "a command that depends on another": [
      "true && onload_set EF_X 1\n",
      "my.opf:1: it depends on how a command ends (&&)",
    ],
    "a redirection": ["echo a > /tmp/x\n", "my.opf:1: it reads or writes a file"],
    "a text between its lines": ["cat <<X\nonload_set EF_X 1\nX\n", "my.opf:1: it has a text between its lines (<<)"],
    "the command line": ['onload_set EF_X "$1"\n', `my.opf:1: "$1" is of the program's command line`],
    "a variable without a value": [
      'onload_set EF_X "$n"\n',
      "my.opf:1: n has no value: give it one with --set n=VALUE",
    ],
    "a variable of the shell": [
      'onload_set EF_X "$HOME"\n',
      'my.opf:1: "HOME" is of the shell or of the script onload',
    ],
    "a change of the shell": ["IFS=x\n", 'my.opf:1: "IFS" is of the shell or of the script onload'],
    "what a preload would be": ["onload_set LD_PRELOAD x\n", 'my.opf:1: "LD_PRELOAD" is of the shell'],
    "a default for a variable": ['onload_set EF_X "${n:-1}"\n', "my.opf:1: it changes or replaces the value"],
    "a pattern": ["onload_set EF_X a*\n", 'my.opf:1: "a*" is not quoted'],
    "a value that would be two words": ['n="1 2"\nonload_set EF_X $n\n', 'my.opf:2: "1 2" is not quoted'],
    "no value": ['onload_set EF_X ""\n', "my.opf:1: onload_set has no value for EF_X"],
    "no value and no =": ["onload_set EF_X\n", "my.opf:1: onload_set has no value: write onload_set NAME VALUE"],
    "two values": ["onload_set EF_X 1 2\n", "my.opf:1: onload_set has more than a name and a value"],
    "a single quote": [`onload_set EF_X "it's"\n`, "my.opf:1: the value of EF_X has a single quote"],
    "the end": ["exit 1\n", 'my.opf:1: it ends here ("exit")'],
    "octal numbers": ["onload_set EF_X $((010))\n", "my.opf:1: an expression has"],
    "a division by 0": ["onload_set EF_X $((1/0))\n", "my.opf:1: an expression divides by 0"],
    "a number that no shell has": ["onload_set EF_X $((9223372036854775807+1))\n", "beyond the numbers of a shell"],
    "an import of nothing": [
      "onload_import none\n",
      'my.opf:1: it imports "none", which is not among the profiles; give Onload\'s with --profile-dir',
    ],
    "an import by path": [
      "onload_import ../../etc/passwd\n",
      'my.opf:1: "../../etc/passwd" is not the name of a profile',
    ],
    "an import in a circle": ["onload_import a\n", "b.opf:1: it imports itself: my.opf -> a.opf -> b.opf -> a.opf"],
    "what an import has": ["onload_import reads\n", "reads.opf:1: it runs a program ($( ))"],
    "a quote without its end": ['onload_set EF_X "1\n', "my.opf:2: a double quote has no end"],
    "an if without its end": ["if [ a = b ]; then :\n", 'my.opf:2: "fi" is missing'],
    "an end without its if": ["fi\n", 'my.opf:1: "fi" is not expected here'],
    "a word after the end": ["if true; then :; fi onload_set EF_X 1\n", '"onload_set" is not expected here'],
    "two semicolons": ["true; ; true\n", 'my.opf:1: ";" is not expected here'],
  };
  for (const [name, [text, message]] of Object.entries(cases)) {
    test(name, () => expect(() => settings(text)).toThrow(message));
  }
});

describe("what is beyond all use is refused in no time", () => {
  const cases: Record<string, [text: string, message: string]> = {
    "levels of statements": ["if true; then ".repeat(5000), "more than 40 levels of statements"],
    "levels of quotes": [`x=${'"$('.repeat(5000)}`, /more than \d+ levels/.source],
    "values that double": [`a=xxxx\n${'a="$a$a"\n'.repeat(60)}`, "a value has more than 4096 characters"],
    statements: [":\n".repeat(30_000), "more than 20000 statements"],
    "an expression": [`x=$((${"1+".repeat(5000)}1))\n`, "an expression has more than 500 characters"],
  };
  for (const [name, [text, message]] of Object.entries(cases)) {
    test(name, () => expect(() => settings(text)).toThrow(new RegExp(message)));
  }

  test("imports that double", () => {
    const library = new Map(
      Array.from({ length: 40 }, (_, i) => [`p${i}.opf`, `onload_import p${i + 1}\nonload_import p${i + 1}\n`]),
    );
    const run = (): unknown => evaluateProfiles([{ file: "p0.opf", text: library.get("p0.opf")! }], library);
    expect(run).toThrow("more than 16 imports in each other");
  });
});

test("several profiles are read one after another, and each setting says where it is from", () => {
  const profiles = [
    { file: "one.opf", text: "\nonload_set EF_X 1\n" },
    { file: "two.opf", text: "onload_set EF_X 2\nonload_set EF_Y 2\n" },
  ];
  expect(evaluateProfiles(profiles, new Map(), new Map([["EF_Z", "3"]]))).toEqual([
    { name: "EF_Z", value: "3", file: "", line: 0 },
    { name: "EF_X", value: "1", file: "one.opf", line: 2 },
    { name: "EF_Y", value: "2", file: "two.opf", line: 2 },
  ]);
});
