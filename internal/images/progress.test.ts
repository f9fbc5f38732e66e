import { describe, expect, test } from "bun:test";
import { createProgress, seconds } from "./progress.ts";

function stream(isTTY: boolean): { write(text: string): void; isTTY: boolean; columns: number; text: string } {
  return {
    isTTY,
    columns: 30,
    text: "",
    write(text) {
      this.text += text;
    },
  };
}

test("where nobody watches, every line has its step's name and nothing moves the cursor", () => {
  const out = stream(false);
  let now = 0;
  const progress = createProgress(out, () => now);
  const step = progress.begin("user");
  step.line("STEP 1");
  now = 12_340;
  step.end(true);
  progress.skip("source", "nothing has changed");
  expect(out.text).toBe("[user] started\n[user] STEP 1\n[user] done in 12.3s\n[source] nothing has changed\n");
});

test("on a terminal a step is one line that is replaced, and its output is gone when it ends", () => {
  const out = stream(true);
  const saved = { NO_COLOR: process.env["NO_COLOR"], TERM: process.env["TERM"] };
  delete process.env["NO_COLOR"];
  process.env["TERM"] = "xterm";
  try {
    let now = 0;
    const progress = createProgress(out, () => now);
    const step = progress.begin("user");
    step.line("a line that is far longer than the terminal is wide\u001b[2J");
    now = 2000;
    progress.note("note");
    expect(screen(out.text)).toEqual(["note", "  user  2.0s  a line that is "]);
    now = 65_000;
    step.end(false);
    expect(screen(out.text)).toEqual(["note", "\u2718 user  1m05s"]);
    expect(out.text).not.toContain("[2J");
  } finally {
    for (const [name, value] of Object.entries(saved)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

describe("seconds", () => {
  const rows: [number, string][] = [
    [0, "0.0s"],
    [59_940, "59.9s"],
    [60_000, "1m00s"],
    [168_000, "2m48s"],
  ];
  for (const [ms, text] of rows) test(text, () => expect(seconds(ms)).toBe(text));
});

/** What a terminal would show of a text with "up n lines" and "erase below". */
function screen(text: string): string[] {
  const escape = String.fromCharCode(27);
  const lines: string[] = [];
  for (const part of text.split(new RegExp(`(${escape}\\[\\d+A${escape}\\[0J)`))) {
    const up = /\[(\d+)A/.exec(part)?.[1];
    if (up !== undefined) lines.splice(lines.length - Number(up));
    else
      lines.push(
        ...part
          .replaceAll(new RegExp(`${escape}\\[\\d+m`, "g"), "")
          .split("\n")
          .slice(0, -1),
      );
  }
  return lines;
}
