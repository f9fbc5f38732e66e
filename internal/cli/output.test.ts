import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { createLogger } from "./log.ts";
import { jsonText, OutputError, Terminal } from "./output.ts";
import { parseYaml, yamlText } from "./yaml.ts";

/** Every character that a terminal may obey, and some that it does not. */
const HOSTILE = [
  ...Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).filter((c) => !/[ -~]/.test(c)),
  ...Array.from("\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff"),
  "\u{e0041}",
];
/** Written down anew: C0 but line end and tab, DEL, C1, and what is invisible or reorders. */
const OBEYED =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\udb40/;

function terminal(isTTY: boolean): { terminal: Terminal; text: () => string } {
  let text = "";
  return { terminal: new Terminal({ isTTY, write: (more) => (text += more) }), text: () => text };
}

const saved = { NO_COLOR: process.env["NO_COLOR"], TERM: process.env["TERM"] };
beforeEach(() => {
  delete process.env["NO_COLOR"];
  process.env["TERM"] = "xterm";
});
afterEach(() => {
  for (const [name, value] of Object.entries(saved)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

test.each(HOSTILE.map((c) => [JSON.stringify(c), c]))("%s reaches no terminal, in whatever form", (_, character) => {
  const text = `a${character}b`;
  const value = { [text]: [text] };
  const lines: string[] = [];
  for (const format of ["json", "text"] as const) {
    createLogger({ format, write: (line) => lines.push(line) }).info(text, { text, list: [text] });
  }
  const out = terminal(false);
  out.terminal.write(text, { text, colour: "red" });
  for (const shown of [...lines, out.text(), jsonText(value), yamlText(value)]) expect(shown).not.toMatch(OBEYED);
  expect(JSON.parse(jsonText(value))).toEqual(value);
  expect(parse(yamlText(value))).toEqual(value);
  expect(JSON.parse(lines[0]!)).toMatchObject({ msg: text, text });
  expect(lines[1]!.trimEnd()).not.toContain("\n");
});

test("YAML is what the library would write, if nothing is hostile", () => {
  const value = { a: "x: y", b: ["two\nlines", 1, null, true], c: { d: undefined, e: "" } };
  expect(parse(yamlText(value))).toEqual({ a: "x: y", b: ["two\nlines", 1, null, true], c: { e: "" } });
  expect(yamlText({ a: "tab\tx", b: 1 })).toBe("a: tab\tx\nb: 1\n");
});

test("only colours of ours are written, and only to a terminal", () => {
  const hostile = "x\u001b[31m\u009b2J";
  const on = terminal(true);
  on.terminal.write({ text: hostile, colour: "green" }, hostile);
  expect(on.text()).toBe("\u001b[32mx [31m 2J\u001b[0mx [31m 2J");
  const off = terminal(false);
  off.terminal.write({ text: "x", colour: "green" });
  expect(off.text()).toBe("x");
});

test("on a terminal a screen and lines are replaced without anything else moving the cursor", () => {
  const on = terminal(true);
  on.terminal.redraw("a\u001b[J\nb");
  on.terminal.replaceLines(2, "c\u001b[A");
  on.terminal.replaceLines(0, "d");
  expect(on.text()).toBe("\u001b[H\u001b[Ja [J\nb\u001b[2A\u001b[0Jc [Ad");
});

describe("what does not come out", () => {
  const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const failing = (error: Error) => ({ write: (_: string, done?: (error?: Error) => void) => done?.(error) });
  test("is an error, at the end and at the next text", async () => {
    const out = new Terminal(failing(full));
    out.write("x");
    expect(() => out.write("y")).toThrow("Cannot write the output: no space left on device");
    expect(out.drained()).rejects.toThrow(OutputError);
  });
  test("is told from a pipe that nobody reads any more", async () => {
    const out = new Terminal(failing(Object.assign(new Error("broken pipe"), { code: "EPIPE" })));
    out.write("x");
    const error = await out.drained().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ isClosed: true });
  });
  test("is no matter where it can be done without", async () => {
    const log = new Terminal(failing(full), { isDispensable: true });
    log.write("x");
    log.write("y");
    await log.drained();
  });
  test("is waited for", async () => {
    const calls: (() => void)[] = [];
    const out = new Terminal({ write: (_: string, done?: () => void) => void calls.push(done!) });
    out.write("x");
    out.write("y");
    let isDone = false;
    const end = out.drained().then(() => (isDone = true));
    calls[0]!();
    await Promise.resolve();
    expect(isDone).toBeFalse();
    calls[1]!();
    await end;
    expect(isDone).toBeTrue();
  });
});

test.each([
  ["a: 1\ntoken: SECRET: oops\n", "line 2, column 8"],
  ["token: *SECRET\n", "an alias"],
  ['token: "SECRET\\q"\n', "line 1"],
  ["token: [SECRET\n", "line"],
  ["token: !!SECRET x\ntoken: SECRET\n", "line 2"],
])("a mistake in YAML is told by its place, without a word of the file: %j", (text, place) => {
  const error = caught(() => parseYaml(text));
  expect(error).toContain(place);
  expect(error).not.toContain("SECRET");
});

function caught(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return String(error);
  }
  return "nothing was thrown";
}
