import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatTable } from "./table.ts";
import { formatTableWithNotes } from "./table-with-notes.ts";

const head = ["Link", "Verdict", "Seen", "To do"];
const rows = [
  [
    "library",
    "failed",
    "2 of 2 processes are static programs, which take no libraries",
    "Use a program that has a loader",
  ],
  ["settings", "ok", "No EF_ variables", "-"],
];

test("a table that fits is a table, and so is one that no screen shows", () => {
  for (const columns of [200, undefined])
    expect(formatTableWithNotes(head, rows, 2, columns)).toBe(formatTable(head, rows));
});

test("sentences that do not fit stand below their row, broken between words", () => {
  expect(formatTableWithNotes(head, rows, 2, 50)).toBe(`LINK       VERDICT
library    failed
  Seen: 2 of 2 processes are static programs,
      which take no libraries
  To do: Use a program that has a loader
settings   ok
  Seen: No EF_ variables
`);
});

test("one sentence needs no name", () => {
  expect(formatTableWithNotes(["What", "Why"], [["a", "b ".repeat(30).trim()]], 1, 40)).toBe(
    `WHAT\na\n  ${"b ".repeat(19).trim()}\n      ${"b ".repeat(11).trim()}\n`,
  );
});

test("columns that do not fit move closer, then below their row from the right", () => {
  const wide = ["Node", "Version", "State", "Kernel", "Why"];
  const row = ["compute-0", "9.2.0 -> 9.2.1", "Draining", "6.1.0-42-amd64", "Waits for pods"];
  expect(formatTableWithNotes(wide, [row], 1, 68)).toBe(`NODE       VERSION         STATE     KERNEL          WHY
compute-0  9.2.0 -> 9.2.1  Draining  6.1.0-42-amd64  Waits for pods
`);
  expect(formatTableWithNotes(wide, [row], 1, 40)).toBe(`NODE        VERSION          STATE
compute-0   9.2.0 -> 9.2.1   Draining
  Kernel: 6.1.0-42-amd64
  Waits for pods
`);
  expect(formatTableWithNotes(wide, [row], 1, 10)).toBe(`NODE
compute-0
  Version: 9.2.0 -> 9.2.1,
      State: Draining, Kernel:
      6.1.0-42-amd64
  Waits for pods
`);
  expect(formatTableWithNotes(["A", "B"], [], 0, 1)).toBe("A\n");
});

test("no line is longer than the screen but for a word that is, and no word is lost", () => {
  const word = fc.stringMatching(/^[a-z0-9:.]{1,20}$/);
  const sentence = fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => words.join(" "));
  fc.assert(
    fc.property(
      fc.array(sentence, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 40, max: 200 }),
      (texts, columns) => {
        const table = formatTableWithNotes(
          ["A", "B"],
          texts.map((text) => ["x", text]),
          1,
          columns,
        );
        for (const line of table.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
        const words = (text: string): string[] => text.split(/\s+/).filter((each) => each !== "");
        expect(words(table)).toEqual(
          words(["A", ...(/^A +B/.test(table) ? ["B"] : []), ...texts.map((text) => `x ${text}`)].join(" ")),
        );
      },
    ),
  );
});
