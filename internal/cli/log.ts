import { createConsola, type ConsolaInstance, type ConsolaReporter } from "consola/core";
import { errorText } from "./errors.ts";

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
  /** Default: text on a terminal, else JSON. */
  format?: LogFormat | undefined;
  /** Default: info. */
  level?: LogLevel | undefined;
  /** Where lines go. Default: standard error, so that data on standard output stays clean. */
  write?: (line: string) => void;
  /** Clock, in milliseconds since the epoch. */
  now?: () => number;
}

const CONSOLA_LEVEL: Record<LogLevel, number> = { error: 0, warn: 1, info: 3, debug: 4 };
const COLOUR: Record<string, string> = { debug: "2", info: "36", warn: "33", error: "31" };

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
function reporter({ format, write = toStderr, now = Date.now }: LogOptions): ConsolaReporter {
  const line = (format ?? (process.stderr.isTTY ? "text" : "json")) === "json" ? jsonLine : textLine;
  return {
    log({ type, args }) {
      const [message, fields] = args as [string, Fields];
      write(line(type, message, fields, new Date(now())));
    },
  };
}

function toStderr(line: string): void {
  process.stderr.write(line);
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
  const line: Fields = { level, ts: when.toISOString(), msg: message };
  for (const [key, value] of Object.entries(fields)) line[key] = plain(value);
  return `${JSON.stringify(line)}\n`;
}

function textLine(level: string, message: string, fields: Fields, when: Date): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quoted(plain(value))}`);
  const name = level.toUpperCase().padEnd(5);
  const head = useColour(process.stderr) ? `\u001b[${COLOUR[level] ?? "0"}m${name}\u001b[0m` : name;
  return `${when.toISOString().slice(11, 19)} ${head} ${[message, ...parts].join("  ")}\n`;
}

function plain(value: unknown): unknown {
  return value instanceof Error ? errorText(value) : value;
}

function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
  return /[\s"=]/.test(text) && typeof value === "string" ? JSON.stringify(text) : text;
}

/** Whether colours and cursor movement are welcome on `stream` (https://no-color.org: any non-empty NO_COLOR means no). */
export function useColour(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}
