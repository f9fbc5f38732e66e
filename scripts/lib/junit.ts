/** What a test run counted. */
export interface Tally {
  readonly tests: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the totals of a JUnit report as bun test writes it; throws when there are none. */
export function parseJUnit(xml: string): Tally {
  const root = /<testsuites\b[^>]*>/.exec(xml)?.[0];
  if (root === undefined) throw new Error("Cannot read the test report: it has no totals");
  const count = (attribute: RegExp): number => Number(attribute.exec(root)?.[1] ?? 0);
  return {
    tests: count(/\btests="(\d+)"/),
    failed: count(/\bfailures="(\d+)"/) + count(/\berrors="(\d+)"/),
    skipped: count(/\bskipped="(\d+)"/),
  };
}
