/*
 * Commands as lines of a POSIX shell. Words are data: nothing in them is ever expanded. Where a script needs a value that
 * only exists when it runs, the word holds a reference to a shell variable.
 */

/** No argument of a program can hold this byte, so no text from outside can be taken for a reference. */
const MARK = "\0";

/** A reference to the shell variable `name`, to be put into a word. */
export function variable(name: string): string {
  if (!/^[a-z_]+$/.test(name)) throw new Error(`Cannot use the shell variable "${name}": give a plain name`);
  return `${MARK}${name}${MARK}`;
}

/** A command as one line that a shell runs, with every word as it is. @throws Error if a word holds a NUL byte */
export function shellLine(command: readonly string[]): string {
  const [program = "", ...args] = command;
  // NAME=VALUE in the place of the program would set a variable.
  const first = program.includes("=") ? quoteAlways(program) : shellWord(program);
  return [first, ...args.map(shellWord)].join(" ");
}

/** One word of a script. @throws Error if it holds a NUL byte */
export function shellWord(word: string): string {
  const pieces = word.split(MARK);
  if (pieces.length % 2 === 0) throw new Error(`Cannot put ${JSON.stringify(word)} into a script: it has a NUL byte`);
  // Texts have even places, names of variables odd ones.
  const written = pieces.map((piece, index) => (index % 2 === 1 ? variableWord(piece, word) : quote(piece)));
  return written.join("") || "''";
}

/** Sets a shell variable to what a command prints. */
export function assignOutput(name: string, command: readonly string[]): string {
  return `${name}=$(${shellLine(command)})`;
}

/** A here-document that ends where no line of its text can end it. */
export function writeFileLines(path: string, text: string): string {
  if (text.includes(MARK)) throw new Error("Cannot put a file into a script: it has a NUL byte");
  const lines = new Set(text.split("\n"));
  let end = "END";
  while (lines.has(end)) end += "_";
  return `cat > ${shellWord(path)} <<'${end}'\n${text}\n${end}`;
}

function variableWord(name: string, word: string): string {
  if (!/^[a-z_]+$/.test(name)) throw new Error(`Cannot put ${JSON.stringify(word)} into a script: it has a NUL byte`);
  return `"$${name}"`;
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]*$/.test(text) ? text : quoteAlways(text);
}

function quoteAlways(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
