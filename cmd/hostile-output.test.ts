/**
 * Every table, line and error, with a hostile text in every place that takes one: nothing that a terminal obeys, nothing
 * that nobody sees, no line that looks like one of ours, and the rest of the text can still be read.
 */
import { describe, expect, test } from "bun:test";
import { findingsText } from "../internal/check/findings.ts";
import { errorText, UsageError } from "../internal/cli/errors.ts";
import { createLogger, type LogFormat } from "../internal/cli/log.ts";
import { jsonText, Terminal } from "../internal/cli/output.ts";
import { formatTable } from "../internal/cli/table.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { createProgress } from "../internal/images/progress.ts";
import { findingLines, imageTable } from "../internal/images/report.ts";
import { planText, type ResourcePlan } from "../internal/operator/view/plan-view.ts";
import { servingText, statusLines, type ResourceStatus } from "../internal/operator/view/status-view.ts";
import type { Serving } from "../internal/operator/view/serving.ts";
import { outline } from "../internal/uninstall/outline.ts";
import { cleaningProgress } from "../internal/uninstall/progress.ts";

/** Escape sequences of all kinds, line ends of all kinds, right-to-left marks, and characters without width. */
const HOSTILE =
  "x\u001b[2J\u001b]0;t\u0007\u009b31m\u001bP1$r\u001b\\\u202e\u2066b\nFORGED all is well\r\nFORGED\u0085FORGED\u2028FORGED\u000bFORGED" +
  "\u200b\u200d\u2060\ufeff\u3164\u115f\u034f\u00ad\u{e0041}\u0301\u0302\u0303\u0304\u0305\u0306y";
/** Lines of ours begin at the left or two blanks to the right; what goes on from one stands further to the right. */
const LIKE_OURS = /^ {0,3}FORGED/;
const ODD = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}]|\p{M}{4}/u;

/** A value with its text at one place replaced, for each place; other texts are plain. */
function* eachPlace<T>(value: T): Generator<[string, T]> {
  const places: string[] = [];
  const walk = (each: unknown, place: string): void => {
    if (typeof each === "string") places.push(place);
    else if (typeof each === "object" && each !== null)
      for (const [key, inner] of Object.entries(each)) walk(inner, `${place}/${key}`);
  };
  walk(value, "");
  const copy = (each: unknown, place: string, wanted: string): unknown => {
    if (place === wanted) return HOSTILE;
    if (typeof each !== "object" || each === null) return each;
    const entries = Object.entries(each).map(([key, inner]) => [key, copy(inner, `${place}/${key}`, wanted)] as const);
    return Array.isArray(each) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
  };
  for (const place of places) yield [place, copy(value, "", place) as T];
}

/** What a terminal gets of a text for people. */
function shown(...texts: string[]): string {
  let all = "";
  const terminal = new Terminal({ isTTY: true, write: (text) => (all += text) });
  for (const text of texts) terminal.write(text);
  return all;
}

const resource: ResourceStatus = {
  namespace: "ns",
  name: "onload",
  version: "v2",
  target: "v2",
  desired: 1,
  ready: 0,
  status: "NodesWaiting",
  message: "a message",
  health: "degraded",
  needsPerson: false,
  unprotected: "a policy",
  created: "",
  lastReadyVersion: "v1",
  operator: { state: "acts", message: "an operator" },
  attention: ["an attention"],
  nodes: [
    {
      node: "n1",
      version: "v1",
      wanted: "v2",
      state: "LoadingOnload",
      step: "Load",
      since: "",
      why: "a reason",
      failed: true,
      kernel: "6.1",
    },
  ],
};
const plan: ResourcePlan = {
  namespace: "ns",
  name: "onload",
  version: "v2",
  target: "v1",
  status: "NodesWaiting",
  message: "a message",
  maxUnavailable: 1,
  objects: ["an object"],
  warnings: ["a warning"],
  notes: ["a note"],
  changes: [],
  nodes: [
    {
      turn: 0,
      node: "n1",
      from: "v1",
      to: "v2",
      state: "LoadingOnload",
      next: "Load",
      steps: ["a step"],
      evict: ["a pod"],
      leavesService: false,
      blockedBy: ["a budget"],
    },
  ],
};
const acts = { state: "acts", message: "an operator" } as Serving;
const survey = (texts: string[]) =>
  ({
    namespace: texts[0],
    onloads: [{ metadata: { namespace: texts[1], name: "a" } }],
    plans: [],
    worker: { who: "this", why: texts[2] },
    kinds: [],
    installed: [],
    others: [texts[3]],
    foreign: [texts[4]],
    leftovers: [texts[5]],
  }) as unknown as Parameters<typeof outline>[0];

/** What people see, by its writer. `of` has a text at each place that others fill. */
const WRITERS: { [name: string]: { of: unknown; draw: (value: never) => string } } = {
  "status, wide": {
    of: resource,
    draw: (value: ResourceStatus) =>
      shown(...statusLines([value], acts, { wide: true }, 0).map(({ text }) => `${text}\n`)),
  },
  "status on a narrow screen": {
    of: resource,
    draw: (value: ResourceStatus) =>
      shown(...statusLines([value], acts, { wide: true, columns: 80 }, 0).map(({ text }) => `${text}\n`)),
  },
  "the operator that acts or not": {
    of: { state: "silent", message: "a message" },
    draw: (value: Serving) => shown(servingText(value)),
  },
  plan: { of: plan, draw: (value: ResourcePlan) => shown(planText([value])) },
  "plan on a narrow screen": { of: plan, draw: (value: ResourcePlan) => shown(planText([value], undefined, 40)) },
  "check on a narrow screen": {
    of: [{ what: "KMM", result: "ok", message: "a message" }],
    draw: (value: Parameters<typeof findingsText>[0]) => shown(findingsText(value, 40)),
  },
  check: {
    of: [{ what: "KMM", result: "ok", message: "a message" }],
    draw: (value: Parameters<typeof findingsText>[0]) => shown(findingsText(value)),
  },
  "tables of profiles": {
    of: ["name", "value", "from"],
    draw: (row: string[]) => shown(formatTable(["a", "b", "c"], [row])),
  },
  "images that were built": {
    of: [{ tag: "r/a:1", id: "abc", size: 1, digest: "sha256:1" }],
    draw: (value: Parameters<typeof imageTable>[0]) => shown(imageTable(value)),
  },
  "images that were verified": {
    of: ["r/a:1", "vermagic", "6.1.0"],
    draw: ([name, check, detail]: [string, string, string]) =>
      shown(findingLines(name, [{ ok: false, check, detail } as never])),
  },
  uninstall: {
    of: ["ns", "ns", "why", "other", "foreign", "left over"],
    draw: (value: string[]) => shown(outline(survey(value), false)),
  },
  "the progress of uninstall": {
    of: resource,
    draw: (value: ResourceStatus) => {
      const obstacles = [{ pod: value.message, why: value.message, needsForce: true }];
      const force = { asked: false, mayIn: () => false };
      const found = new Map([[value.nodes[0]!.node, { obstacles, force }]]);
      return shown(cleaningProgress([value], found).lines.join("\n"));
    },
  },
  "an error with its causes": {
    of: ["Cannot a", "b", "c"],
    draw: ([a, b, c]: string[]) =>
      shown(`${errorText(new UsageError(a, { cause: new AggregateError([new Error(b)], c) }))}\n`),
  },
};

describe.each(Object.entries(WRITERS))("%s", (_, { of, draw }) => {
  test("shows no text that acts or that looks like ours, at whatever place", () => {
    let places = 0;
    for (const [place, value] of eachPlace(of)) {
      const text = draw(value as never);
      const lines = text.split("\n");
      const bad = lines.filter((line) => ODD.test(line) || LIKE_OURS.test(line));
      expect({ place, bad }).toEqual({ place, bad: [] });
      if (text.includes("FORGED")) places++;
    }
    // Otherwise nothing would be shown of what is judged.
    expect(places).toBeGreaterThan(0);
  });
});

test.each(["text", "json"] as LogFormat[])(
  "a log in %s is one line of seen characters, at whatever place",
  (format) => {
    for (const [place, value] of eachPlace({ message: "Did a", text: "a", list: ["a"], object: { a: "b" } })) {
      const out: string[] = [];
      const { message, ...fields } = value;
      createLogger({ format, write: (line) => out.push(line) }).warn(message, {
        ...fields,
        error: new Error(value.text, { cause: new Error(value.text) }),
      });
      expect({ place, lines: out.join("").split("\n").length }).toEqual({ place, lines: 2 });
      expect(out.join("").slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}]/u);
    }
  },
);

test("JSON and YAML have escapes in their place, and mean the same", () => {
  const value = { [HOSTILE]: [HOSTILE, { a: HOSTILE }] };
  for (const text of [jsonText(value), yamlText(value)]) {
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}]/u);
    expect(Bun.YAML.parse(text) as unknown).toEqual(value);
  }
});

test.each([true, false])("what an engine prints is one line each (on a terminal: %s)", (isTTY) => {
  let all = "";
  const progress = createProgress({ isTTY, columns: 200, write: (text: string) => (all += text) });
  const step = progress.begin("module");
  for (const line of HOSTILE.split(/\r?\n/)) step.line(line);
  progress.note(HOSTILE);
  step.end(false);
  progress.skip("user", "nothing has changed");
  // Our own colours and movements on a terminal.
  const [first, ...others] = all.split("\u001b[");
  const ours = /^(?:\d+m|\d*A|0?J|H)/;
  const text = isTTY ? [first, ...others.map((each) => each.replace(ours, ""))].join("") : all;
  expect(text.replaceAll("\n", "")).not.toMatch(ODD);
});
