/**
 * The only writer to the terminal. Texts are made safe here, whatever they are made of; colours and movements of the
 * cursor exist only as methods of {@link Terminal}.
 */
import { closedAtStart } from "./closed-at-start.ts";
import { counted } from "./counted.ts";
import { escapeControls, printableLines } from "./printable.ts";

/** What a terminal is drawn on: standard output or error, or a stand-in of a test. */
export interface Stream {
  /** `done` is called when the text is out, or with why it is not. */
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
  isTTY?: boolean | undefined;
  rows?: number | undefined;
  columns?: number | undefined;
}

export type Colour = "dim" | "red" | "green" | "yellow" | "cyan";

/** A coloured piece of a line. */
export interface Painted {
  readonly text: string;
  readonly colour: Colour;
}

/** A line of a view, without its end. */
export interface Line {
  readonly text: string;
  readonly colour?: Colour;
}

const COLOURS: Record<Colour, number> = { dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

/** Nobody reads what is written, or there is no room for it. */
export class OutputError extends Error {
  override name = "OutputError";
  /** Whether a pipe has no reader any more: no fault, but nothing more can be said. */
  readonly isClosed: boolean;

  constructor(cause: Error) {
    super(`Cannot write the output: ${cause.message}`, { cause });
    this.isClosed = (cause as NodeJS.ErrnoException).code === "EPIPE";
  }
}

/** A stream for people. */
export class Terminal {
  readonly #stream: Stream;
  #pending = 0;
  #failure: Error | undefined;
  #onDrained: () => void = () => undefined;

  readonly #isDispensable: boolean;
  readonly #isClosed: () => boolean;
  #isUsed = false;

  /**
   * @param options.isDispensable what does not come out is no failure: a daemon goes on without its log
   * @param options.isClosed asked once, before the first text: whether there is nothing to write to
   */
  constructor(
    stream: Stream,
    { isDispensable = false, isClosed = () => false }: { isDispensable?: boolean; isClosed?: () => boolean } = {},
  ) {
    this.#stream = stream;
    this.#isDispensable = isDispensable;
    this.#isClosed = isClosed;
  }

  /** @throws OutputError if an earlier text has not come out */
  #send(text: string | Uint8Array): void {
    if (!this.#isUsed && this.#isClosed()) this.#failure = new Error("standard output is closed");
    this.#isUsed = true;
    this.#check();
    this.#pending++;
    this.#stream.write(text, (error) => {
      this.#pending--;
      if (error) this.#failure ??= error;
      if (this.#pending === 0) this.#onDrained();
    });
  }

  #check(): void {
    if (this.#failure && !this.#isDispensable) throw new OutputError(this.#failure);
  }

  /**
   * Resolves when everything is out.
   *
   * @throws OutputError if something is not
   */
  async drained(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
    this.#check();
  }

  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }

  get rows(): number {
    return this.#stream.rows ?? 24;
  }

  get columns(): number {
    return this.#stream.columns ?? 80;
  }

  /** Whether colours and cursor movement are welcome (https://no-color.org: any non-empty NO_COLOR means no). */
  get useColour(): boolean {
    return this.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  }

  /** Writes text; colours only where they are welcome. */
  write(...pieces: readonly (string | Painted)[]): void {
    this.#send(this.#text(pieces));
  }

  /**
   * Writes what other programs read as it is: files of ours and of the caller, JSON and YAML without controls, and bytes
   * where there is no terminal.
   */
  writeData(text: string | Uint8Array): void {
    this.#send(text);
  }

  /** Replaces everything on the screen. */
  redraw(...pieces: readonly (string | Painted)[]): void {
    this.#send(`\u001b[H\u001b[J${this.#text(pieces)}`);
  }

  /** Replaces the last `count` lines. */
  replaceLines(count: number, ...pieces: readonly (string | Painted)[]): void {
    this.#send(`${count === 0 ? "" : `\u001b[${count}A\u001b[0J`}${this.#text(pieces)}`);
  }

  /** Writes lines; colours only where they are welcome. */
  writeLines(lines: readonly Line[]): void {
    this.write(...piecesOf(lines), lines.length > 0 ? "\n" : "");
  }

  /** Replaces everything on the screen by lines, of which what does not fit is left out and marked. */
  redrawLines(lines: readonly Line[]): void {
    this.redraw(...piecesOf(fit(lines, this.rows, this.columns)));
  }

  #text(pieces: readonly (string | Painted)[]): string {
    return pieces.map((piece) => (typeof piece === "string" ? printableLines(piece) : this.#painted(piece))).join("");
  }

  #painted({ text, colour }: Painted): string {
    const safe = printableLines(text);
    return this.useColour ? `\u001b[${COLOURS[colour]}m${safe}\u001b[0m` : safe;
  }
}

/** Lines with line ends between them. */
function piecesOf(lines: readonly Line[]): (string | Painted)[] {
  return lines.flatMap(({ text, colour }, i) => {
    const piece = colour === undefined ? text : { text, colour };
    return i === 0 ? [piece] : ["\n", piece];
  });
}

/** What fits on the screen, so that the top stays in place. What is cut ends in an ellipsis: nothing goes silently. */
function fit(lines: readonly Line[], rows: number, columns: number): Line[] {
  const shown =
    lines.length > rows - 1
      ? [...lines.slice(0, rows - 2), { text: `${ELLIPSIS} ${counted(lines.length - rows + 2, "more line")}` }]
      : lines;
  return shown.map((line) => {
    const characters = Array.from(printableLines(line.text));
    if (characters.length <= columns) return line;
    return { ...line, text: `${characters.slice(0, Math.max(0, columns - 1)).join("")}${ELLIPSIS}` };
  });
}

const ELLIPSIS = "\u2026";

/** Standard output, for views that are drawn anew. */
export const standardOutput = new Terminal(process.stdout, { isClosed: () => closedAtStart(1) });
/** Standard error: everything that is no data. */
export const standardError = new Terminal(process.stderr, { isDispensable: true });

/** Columns of the screen on which standard output is seen; undefined if it goes elsewhere: nothing is broken there. */
export function screenColumns(): number | undefined {
  return standardOutput.isTTY ? standardOutput.columns : undefined;
}

/** Writes text for people to standard output. */
export function printText(text: string): void {
  standardOutput.write(text);
}

/** Writes to standard output as {@link Terminal.writeData} does. Texts of a cluster are no data until they are JSON or YAML. */
export function printData(text: string | Uint8Array): void {
  standardOutput.writeData(text);
}

/** Writes a value to standard output as JSON. */
export function printJson(value: unknown): void {
  standardOutput.writeData(jsonText(value));
}

/** A value as indented JSON without characters that a terminal obeys. */
export function jsonText(value: unknown): string {
  return `${escapeControls(JSON.stringify(value, null, 2))}\n`;
}

/**
 * Resolves when everything that was written to standard output is out, and to standard error as far as that works.
 *
 * @throws OutputError if something is not: a file that was cut must not pass for a whole one
 */
export async function drained(): Promise<void> {
  await standardError.drained();
  await standardOutput.drained();
}

// Whoever writes is told by its callback; the same as an event would end the process in the middle.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
