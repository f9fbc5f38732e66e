/**
 * The only writer to the terminal. Texts are made safe here, whatever they are made of; colours and movements of the
 * cursor exist only as methods of {@link Terminal}.
 */
import { escapeControls, printableLines } from "./printable.ts";

/** What a terminal is drawn on: standard output or error, or a stand-in of a test. */
export interface Stream {
  write(text: string): unknown;
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

const COLOURS: Record<Colour, number> = { dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

/** A stream for people. */
export class Terminal {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
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
    this.#stream.write(this.#text(pieces));
  }

  /** Writes what other programs read as it is: files of ours and of the caller, and JSON and YAML without controls. */
  writeData(text: string): void {
    this.#stream.write(text);
  }

  /** Replaces everything on the screen. */
  redraw(text: string): void {
    this.#stream.write(`\u001b[H\u001b[J${printableLines(text)}`);
  }

  /** Replaces the last `count` lines. */
  replaceLines(count: number, ...pieces: readonly (string | Painted)[]): void {
    this.#stream.write(`${count === 0 ? "" : `\u001b[${count}A\u001b[0J`}${this.#text(pieces)}`);
  }

  #text(pieces: readonly (string | Painted)[]): string {
    return pieces.map((piece) => (typeof piece === "string" ? printableLines(piece) : this.#painted(piece))).join("");
  }

  #painted({ text, colour }: Painted): string {
    const safe = printableLines(text);
    return this.useColour ? `\u001b[${COLOURS[colour]}m${safe}\u001b[0m` : safe;
  }
}

/** Standard output, for views that are drawn anew. */
export const standardOutput = new Terminal(process.stdout);
/** Standard error: everything that is no data. */
export const standardError = new Terminal(process.stderr);

/** Writes text for people to standard output. */
export function printText(text: string): void {
  standardOutput.write(text);
}

/** Writes to standard output as {@link Terminal.writeData} does. Texts of a cluster are no data until they are JSON or YAML. */
export function printData(text: string): void {
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

/** Resolves when the readers of a pipe have got everything that was written. */
export async function drained(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
}
