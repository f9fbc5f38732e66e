/** A deliberate change to production code that some unit test must notice. */
export interface Mutant {
  name: string;
  file: string;
  /** Text that occurs once in the file. */
  text: string;
  /** What stands there instead. */
  by: string;
  /** Files of unit tests of which at least one must fail. */
  tests: readonly string[];
}

/** Mutants of one file, with the tests that judge them. */
export function mutantsOf(
  file: string,
  tests: readonly string[],
  mutants: Readonly<Record<string, readonly [text: string, by: string, ...more: string[]]>>,
): Mutant[] {
  return Object.entries(mutants).map(([name, [text, by, ...more]]) => ({
    name,
    file,
    text,
    by,
    tests: [...more, ...tests],
  }));
}
