import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Terminal, type Line } from "../../cli/output.ts";
import { ApiError, ConnectionError } from "../../kube/errors.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import { drawLive } from "./live.ts";
import type { Serving } from "./serving.ts";
import { statusLines, type NodeStatus, type ResourceStatus } from "./status-view.ts";

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

function screen(isTTY: boolean, columns = 12, rows = 5): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  const write = (text: string, done: () => void): void => {
    written.push(text);
    done();
  };
  const stream = { isTTY, rows, columns, write };
  return { terminal: new Terminal(stream), written };
}

const linesOf = (...texts: string[]): Line[] => texts.map((text) => ({ text }));

/** Draws until `until` holds. */
async function drawn(
  out: ReturnType<typeof screen>,
  draw: () => Promise<readonly Line[]>,
  until: () => boolean,
  onOutage: (text: string) => void = () => undefined,
): Promise<void> {
  const stop = new AbortController();
  const drawing = drawLive(out.terminal, { draw, subscribe: () => undefined, onOutage }, stop.signal);
  try {
    await Promise.race([drawing, poll(() => Promise.resolve(until()), { what: "a view", timeoutMs: 20_000 })]);
  } finally {
    stop.abort();
  }
  await drawing;
}

test("on a terminal a view is drawn in place and cut to the screen, with a mark", async () => {
  const out = screen(true);
  const lines = linesOf("a line that is too long", "2", "3", "4", "5", "6");
  await drawn(
    out,
    () => Promise.resolve(lines),
    () => out.written.length > 0,
  );
  expect(out.written[0]).toBe("\u001b[H\u001b[Ja line that\u2026\n2\n3\n\u2026 3 more li\u2026");
  // The shell's prompt begins on a line of its own.
  expect(out.written.at(-1)).toBe("\n");
});

test("elsewhere each change is a block, and what did not change is not repeated", async () => {
  const out = screen(false);
  const stop = new AbortController();
  let text = "one";
  let draws = 0;
  let changed: () => void = () => undefined;
  const draw = (): Promise<Line[]> => {
    draws++;
    return Promise.resolve(linesOf(text));
  };
  const drawing = drawLive(out.terminal, { draw, subscribe: (wake) => (changed = wake) }, stop.signal);
  await poll(() => Promise.resolve(draws === 1), { what: "the first view" });
  changed();
  await poll(() => Promise.resolve(draws === 2), { what: "a look at the same" });
  text = "two";
  changed();
  await poll(() => Promise.resolve(draws === 3), { what: "the second view" });
  stop.abort();
  await drawing;
  expect(out.written).toEqual(["one\n\n", "two\n\n"]);
});

test("what is shown grows older by itself", async () => {
  const out = screen(true);
  let age = 0;
  await drawn(
    out,
    () => Promise.resolve(linesOf(`age ${age++}s`)),
    () => out.written.length >= 3,
  );
  expect(out.written.slice(0, 3).map((text) => text.slice(-6))).toEqual(["age 0s", "age 1s", "age 2s"]);
});

describe("while the API server is away", () => {
  const away = (): Promise<never> =>
    Promise.reject(new ConnectionError("list nodes", "https://api", "ECONNREFUSED", "connection refused"));
  const sequence = (...draws: (() => Promise<readonly Line[]>)[]) => {
    let at = 0;
    return () => draws[Math.min(at++, draws.length - 1)]!();
  };
  const seen = (): Promise<Line[]> => Promise.resolve([{ text: "n1 Ready", colour: "green" }]);

  test("what was seen last stays, marked as old, until it is back", async () => {
    const out = screen(true, 140);
    await drawn(out, sequence(seen, away, seen), () => out.written.length >= 3);
    expect(out.written[0]).toContain("\u001b[32mn1 Ready");
    expect(out.written[1]).toMatch(
      /OLD: this was seen \d+s ago, reconnecting: Cannot list nodes: API server https:\/\/api: connection refused/,
    );
    expect(out.written[1]).toContain("\u001b[2mn1 Ready");
    expect(out.written[2]).not.toContain("OLD");
  });
  test("that is told once where nothing is drawn in place", async () => {
    const out = screen(false);
    const told: string[] = [];
    const stop = new AbortController();
    let changed: () => void = () => undefined;
    const view = {
      draw: sequence(seen, away, away, seen),
      subscribe: (wake: () => void) => void (changed = wake),
      onOutage: (text: string) => void told.push(text),
    };
    const drawing = drawLive(out.terminal, view, stop.signal);
    await poll(() => Promise.resolve(out.written.length === 1), { what: "a view" });
    changed();
    await poll(() => Promise.resolve(out.written.length === 2), { what: "the view again", timeoutMs: 20_000 });
    stop.abort();
    await drawing;
    expect(told).toEqual(["Cannot list nodes: API server https://api: connection refused; trying again"]);
  });
  test("at the beginning there is nothing to show", () => {
    expect(drawn(screen(true), away, () => false)).rejects.toThrow("connection refused");
  });
  test("a refusal is no outage", () => {
    const refused = new ApiError("list nodes", 403, { reason: "Forbidden", message: "Forbidden" });
    expect(
      drawn(
        screen(true),
        sequence(seen, () => Promise.reject(refused)),
        () => false,
      ),
    ).rejects.toThrow("Forbidden");
  });
});

describe("a status", () => {
  const node = (name: string, changes: Partial<NodeStatus> = {}): NodeStatus => ({
    node: name,
    version: "9.2.1",
    wanted: "9.2.2",
    state: "Outdated",
    step: "NoFreeSlot",
    since: "",
    why: "The slot is held by compute-0 (LoadingOnload), which has been waiting for its module image for a long time",
    failed: false,
    kernel: "5.14.0",
    ...changes,
  });
  const resource: ResourceStatus = {
    namespace: "onload-runtime",
    name: "onload",
    version: "9.2.2",
    target: "9.2.2",
    desired: 2,
    ready: 0,
    status: "Upgrading",
    message: "0 of 2 nodes are ready with version 9.2.2; now: compute-0 LoadingOnload",
    health: "waiting",
    needsPerson: false,
    unprotected: "",
    created: "",
    lastReadyVersion: "",
    operator: { state: "acts", message: "" },
    attention: [],
    nodes: [
      node("compute-0", { failed: true, state: "LoadingOnload" }),
      node("compute-1"),
      node("compute-2", { state: "Ready", why: "" }),
    ],
  };
  const acts: Serving = { state: "acts", message: "", elected: true };
  const shownAt = (columns: number): string => {
    const out = screen(true, columns, 40);
    out.terminal.redrawLines(statusLines([resource], acts, { wide: false, columns }, 0));
    return out.written.join("");
  };
  /** What a person sees, without colours. */
  const plain = (text: string): string[] => Bun.stripANSI(text).split("\n");

  test.each([80, 140, 200])("fits on %d columns if it is shown once, and every word is there", (columns) => {
    const lines = statusLines([resource], acts, { wide: false, columns }, 0).map(({ text }) => text);
    expect(lines.filter((line) => line.length > columns)).toEqual([]);
    const words = lines.join("\n").replace(/\s+/g, " ");
    for (const { why } of resource.nodes) expect(words).toContain(why);
  });
  test.each([80, 140, 200])("fits on %d columns, and nothing goes silently", (columns) => {
    const lines = plain(shownAt(columns));
    expect(lines.filter((line) => line.length > columns)).toEqual([]);
    expect(lines.filter((line) => line.includes("The slot is held by compute-0"))).toHaveLength(2);
    expect(lines.filter((line) => line.endsWith("a long time"))).toHaveLength(2);
    expect(lines.filter((line) => line.includes("\u2026"))).toEqual([]);
  });
  test("has the colour of each state, where colours are welcome", () => {
    const text = shownAt(140);
    expect(text).toContain("\u001b[31mcompute-0");
    expect(text).toContain("\u001b[33mcompute-1");
    expect(text).toContain("\u001b[32mcompute-2");
    process.env["NO_COLOR"] = "1";
    expect(shownAt(140).replace("\u001b[H\u001b[J", "")).not.toContain("\u001b");
  });
});

test("it ends when nothing can be written, and not only once something has changed", async () => {
  const full = new Terminal({ write: (_, done) => queueMicrotask(() => done?.(new Error("no space left"))) });
  const draw = (): Promise<readonly Line[]> => Promise.resolve(linesOf("a"));
  const drawing = drawLive(full, { draw, subscribe: () => undefined }, new AbortController().signal);
  await expect(drawing).rejects.toThrow("Cannot write the output: no space left");
});
