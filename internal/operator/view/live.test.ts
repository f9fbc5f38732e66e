import { expect, test } from "bun:test";
import { Terminal } from "../../cli/output.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import { drawLive } from "./live.ts";

function screen(isTTY: boolean): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  const stream = { isTTY, rows: 5, columns: 12, write: (text: string) => void written.push(text) };
  return { terminal: new Terminal(stream), written };
}

test("on a terminal a view is drawn in place and cut to the screen", async () => {
  const out = screen(true);
  const stop = new AbortController();
  const text = ["a line that is too long", "2", "3", "4", "5", "6"].join("\n");
  const drawing = drawLive(
    out.terminal,
    () => Promise.resolve(text),
    () => undefined,
    stop.signal,
  );
  await poll(() => Promise.resolve(out.written.length > 0), { what: "a view" });
  stop.abort();
  await drawing;
  expect(out.written[0]).toBe("\u001b[H\u001b[Ja line that \n2\n3\n... 3 more l");
});

test("elsewhere each change is a block, and what did not change is not repeated", async () => {
  const out = screen(false);
  const stop = new AbortController();
  let text = "one\n";
  let draws = 0;
  let changed: () => void = () => undefined;
  const draw = (): Promise<string> => {
    draws++;
    return Promise.resolve(text);
  };
  const drawing = drawLive(out.terminal, draw, (wake) => (changed = wake), stop.signal);
  await poll(() => Promise.resolve(draws === 1), { what: "the first view" });
  changed();
  await poll(() => Promise.resolve(draws === 2), { what: "a look at the same" });
  text = "two\n";
  changed();
  await poll(() => Promise.resolve(draws === 3), { what: "the second view" });
  stop.abort();
  await drawing;
  expect(out.written).toEqual(["one\n\n", "two\n\n"]);
});

test("what cannot be drawn ends it with the error", () => {
  const failing = drawLive(
    screen(false).terminal,
    () => Promise.reject(new Error("gone")),
    () => undefined,
    new AbortController().signal,
  );
  expect(failing).rejects.toThrow("gone");
});
