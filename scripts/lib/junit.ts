/** What a test run counted. */
export interface Tally {
  readonly tests: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A test that failed. */
export interface FailedTest {
  readonly file: string;
  /** Those of the describe blocks around it, and its own, joined as bun test prints them. */
  readonly name: string;
  /** What was thrown, with its place, in at most {@link MAX_REASON} characters; or that its time was over. */
  readonly reason: string;
}

/** The most characters of one failure: enough for an error with its stack, or the start of a long comparison. */
export const MAX_REASON = 2000;

/** What a report says of a run. */
export interface TestReport {
  readonly tally: Tally;
  /** Files of which any test ran. */
  readonly files: ReadonlySet<string>;
  readonly failures: readonly FailedTest[];
}

/** That of a run that has written no report. */
export const NO_REPORT: TestReport = {
  tally: { tests: 0, failed: 0, skipped: 0 },
  files: new Set(),
  failures: [],
};

/**
 * Reads a JUnit report as bun test writes it, in which `<`, `>` and quotes are entities in all texts.
 *
 * @throws Error if it has no totals
 */
export function parseJUnit(xml: string): TestReport {
  const root = /<testsuites\b[^>]*>/.exec(xml)?.[0];
  if (root === undefined) throw new Error("Cannot read the test report: it has no totals");
  const count = (name: string): number => Number(attribute(root, name));
  const tally = { tests: count("tests"), failed: count("failures") + count("errors"), skipped: count("skipped") };
  const files = new Set<string>();
  const failures: FailedTest[] = [];
  // Suites in one another: the file, and the describe blocks.
  const suites: string[] = [];
  let test = "";
  for (const [, end, tag, attributes = "", text = ""] of xml.matchAll(
    /<(\/?)(testsuite|testcase|failure|error)\b([^>]*)>([^<]*)/g,
  )) {
    if (tag === "testsuite") {
      if (end) suites.pop();
      else suites.push(attribute(attributes, "name"));
    } else if (end) continue;
    else if (tag === "testcase") {
      test = attributes;
      files.add(attribute(test, "file"));
    } else {
      failures.push({
        file: attribute(test, "file"),
        name: [...suites.slice(1), attribute(test, "name")].join(" > "),
        reason: (unescaped(text).trim() || attribute(attributes, "message")).slice(0, MAX_REASON),
      });
    }
  }
  return { tally, files, failures };
}

function attribute(tag: string, wanted: string): string {
  const [, , value = ""] = [...tag.matchAll(/\s([a-z]+)="([^"]*)"/g)].find(([, name]) => name === wanted) ?? [];
  return unescaped(value);
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|([a-z]+));/g, (entity, code: string | undefined, name: string) =>
    code === undefined ? (ENTITIES[name] ?? entity) : String.fromCodePoint(Math.min(Number(code), 0x10ffff)),
  );
}
