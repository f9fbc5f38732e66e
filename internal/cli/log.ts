import { createConsola, type ConsolaInstance, type ConsolaReporter } from "consola/core";
import { errorText } from "./errors.ts";
import { standardError, type Colour, type Painted } from "./output.ts";
import { escapeControls, printable, printableLines } from "./printable.ts";
import { hideSecrets } from "./secrets.ts";

/** Structured values that go with a log line; an Error is written as its text. */
export type Fields = Record<string, unknown>;

/**
 * A structured logger. Messages start with a capital letter and are in the past tense if something happened. Their
 * variable parts are fields ("Reconciled Onload", {namespace, name}).
 */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger that adds `fields` to every line. The field `logger` names the part of the program. */
  with(fields: Fields): Logger;
}

/** `text` for people, `json` (one object per line) for machines. */
export type LogFormat = "text" | "json";
/** The least severe level that is written. */
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogOptions {
  /** Default: text. */
  format?: LogFormat | undefined;
  /** Default: info. */
  level?: LogLevel | undefined;
  /** Where lines go. Default: standard error, so that data on standard output stays clean. */
  write?: (line: string) => void;
  /** Clock, in milliseconds since the epoch. */
  now?: () => number;
}

/** Longest message or field of a line, in characters. Container runtimes cut lines at 16 kB, and collectors after them. */
const MAX_TEXT = 8192;
const CONSOLA_LEVEL: Record<LogLevel, number> = { error: 0, warn: 1, info: 3, debug: 4 };
const COLOUR: Record<string, Colour> = { debug: "dim", info: "cyan", warn: "yellow", error: "red" };

/** Makes the program's logger: consola drops what is below the level, and hands the rest to our reporter. */
export function createLogger(options: LogOptions = {}): Logger {
  const consola = createConsola({
    level: CONSOLA_LEVEL[options.level ?? "info"],
    // By default consola folds repeated lines into one; the log of an operator has to show each.
    throttle: 0,
    reporters: [reporter(options)],
  });
  return wrap(consola, {});
}

/** Writes each entry as one line, to standard error by default: consola's own reporters write to standard output too. */
function reporter({ format = "text", write, now = Date.now }: LogOptions): ConsolaReporter {
  const json = format === "json";
  return {
    log({ type, args }) {
      const [message, fields] = args as [string, Fields];
      const when = new Date(now());
      if (json) {
        const line = jsonLine(type, message, fields, when);
        if (write) write(line);
        else standardError.writeData(line);
      } else {
        const pieces = textLine(type, message, fields, when);
        if (write)
          write(pieces.map((piece) => printableLines(typeof piece === "string" ? piece : piece.text)).join(""));
        else standardError.write(...pieces);
      }
    },
  };
}

/** A logger that writes nothing, for tests and quiet commands. */
export const silentLogger: Logger = createLogger({ write: () => undefined });

function wrap(consola: ConsolaInstance, bound: Fields): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: Fields = {}): void =>
      consola[level](message, { ...bound, ...fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => wrap(consola, { ...bound, ...fields }),
  };
}

function jsonLine(level: string, message: string, fields: Fields, when: Date): string {
  const line: Fields = { level, ts: when.toISOString(), msg: cut(message) };
  for (const [key, value] of Object.entries(fields)) line[key] = bounded(plain(value));
  return `${hideSecrets(escapeControls(JSON.stringify(line)))}\n`;
}

function textLine(level: string, message: string, fields: Fields, when: Date): (string | Painted)[] {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quoted(plain(value))}`);
  const head: Painted = { text: level.toUpperCase().padEnd(5), colour: COLOUR[level] ?? "dim" };
  return [`${when.toISOString().slice(11, 19)} `, head, ` ${[printable(message, MAX_TEXT), ...parts].join("  ")}\n`];
}

function plain(value: unknown): unknown {
  return value instanceof Error ? errorText(value) : value;
}

/** A value that JSON can have, of bounded length: of a long list the first items, of an object the beginning of its JSON. */
function bounded(value: unknown): unknown {
  if (typeof value === "string") return cut(value);
  if (Array.isArray(value)) return boundedList(value);
  const json = jsonOf(value);
  if (json === undefined) return undefined;
  return json === NO_JSON || json.length > MAX_TEXT ? cut(json) : value;
}

function boundedList(list: readonly unknown[]): unknown[] {
  const first: unknown[] = [];
  let room = MAX_TEXT;
  for (const item of list) {
    const text = typeof item === "string" ? cut(item) : (jsonOf(item) ?? "null");
    room -= text.length;
    if (room < 0) return [...first, `... and ${list.length - first.length} more`];
    first.push(typeof item === "string" || text === NO_JSON ? text : item);
  }
  return first;
}

/** Stands for a value of which there is no JSON. */
const NO_JSON = "a value that JSON cannot have";

/** The JSON of a value. A log line is written whatever it is told. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // A circle, or far too many levels.
    return NO_JSON;
  }
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 3)}...` : text;
}

function quoted(value: unknown): string {
  if (typeof value !== "string") return cut(escapeControls(jsonOf(value) ?? "undefined"));
  const text = printable(value, MAX_TEXT);
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}
