import { basename } from "node:path";
import type { Subcommand } from "./command.ts";
import { errorText, isAbort, UsageError } from "./errors.ts";
import { takeEarlyFlags } from "./early-flags.ts";
import { complete, typedValue, type Candidate } from "./completion/complete.ts";
import { answerText, COMPLETE_WORD } from "./completion/protocol.ts";
import { createLogger, type LogFormat, type LogLevel } from "./log.ts";
import { nearest } from "./nearest.ts";
import { drained, OutputError, printText, screenColumns, standardError } from "./output.ts";
import { parseArguments } from "./parse-arguments.ts";
import { usageText } from "./usage.ts";
import { VERSION } from "./version.ts";

/** How long a person waits for names of the cluster, in milliseconds. */
const COMPLETION_TIMEOUT_MS = 3000;

/**
 * Runs the program: finds the subcommand, checks its arguments, runs it, and exits with its code.
 * Exit codes are 0: done; 1: failed; 2: the command line is wrong; 128+n: signal n ended it before it had finished.
 */
export async function runMain(root: Subcommand, raw: string[]): Promise<never> {
  // The runtime would write what nobody caught as it is, with the source beside it.
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      standardError.write(`${errorText(error)}\n`);
      process.exit(1);
    });
  }
  const stop = new AbortController();
  let signalCode: number | undefined;
  for (const [name, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.on(name, () => {
      if (signalCode !== undefined) process.exit(code);
      signalCode = code;
      stop.abort(new DOMException(`Stopped by ${name}`, "AbortError"));
    });
  }
  let code: number;
  try {
    code = await runCommandLine(root, raw, stop.signal);
  } catch (error) {
    if (error instanceof UsageError) {
      standardError.write(`${errorText(error)}\n`);
      code = 2;
    } else if (signalCode !== undefined && isAbort(error)) {
      code = signalCode;
    } else {
      // What could not be written is told below.
      if (!(error instanceof OutputError)) standardError.write(`${errorText(error)}\n`);
      code = 1;
    }
  }
  // The process must not end before the reader of a pipe has got everything that was written.
  try {
    await drained();
  } catch (error) {
    code = outputCode(error);
  }
  process.exit(code);
}

/** `| head` ends what it has read enough of by SIGPIPE, and that is no failure to tell of. */
function outputCode(error: unknown): number {
  if (error instanceof OutputError && error.isClosed) return 141;
  standardError.write(`${errorText(error)}\n`);
  return 1;
}

async function runCommandLine(root: Subcommand, raw: string[], signal: AbortSignal): Promise<number> {
  if (raw[0] === "help") return help(root, raw.slice(1));
  // kubectl asks a plugin's completion by a program of this name, with the words alone.
  if (basename(process.argv0) === "kubectl_complete-onload") return answer(root, raw, signal);
  if (raw[0] === COMPLETE_WORD) return answer(root, raw.slice(1), signal);
  let command = root;
  const { words, flags: early } = takeEarlyFlags(raw);
  let rest = words;
  const path = [programName()];
  for (;;) {
    const child = childNamed(command, rest[0], path);
    if (!child) break;
    command = await child.load();
    path.push(rest[0]!);
    rest = rest.slice(1);
  }
  rest = [...early, ...rest];
  const flags = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (flags.includes("--help") || flags.includes("-h")) {
    printText(usageText(command, path, screenColumns()));
    return 0;
  }
  if (command === root && flags.includes("--version")) {
    printText(`onloadctl ${VERSION}\n`);
    return 0;
  }
  const args = parseArguments(rest, command.args ?? {});
  if (!command.run) {
    standardError.write(usageText(command, path, screenColumns()));
    return 2;
  }
  const log = createLogger({
    level: args["log-level"] as LogLevel | undefined,
    format:
      (args["log-format"] as LogFormat | undefined) ?? (command.service && !standardError.isTTY ? "json" : "text"),
  });
  return (await command.run({ args, signal, log })) ?? 0;
}

/**
 * The subcommand that a word names; undefined if the word is for the command itself.
 *
 * @throws UsageError if it is for neither
 */
function childNamed(
  command: Subcommand,
  word: string | undefined,
  path: readonly string[],
): NonNullable<Subcommand["subcommands"]>[string] | undefined {
  const { subcommands: children = {}, args = {} } = command;
  if (word === undefined || word.startsWith("-") || Object.keys(children).length === 0) return undefined;
  if (Object.hasOwn(children, word)) return children[word];
  const { elsewhere = {} } = command;
  if (Object.hasOwn(elsewhere, word)) throw new UsageError(`There is no command "${word}": ${elsewhere[word]}`);
  const near = nearest(word, Object.keys(children));
  // A command that takes words of its own may mean this one.
  const takesWords = Object.values(args).some(({ type }) => type === "positional");
  if (command.run && (takesWords || near === undefined)) return undefined;
  throw new UsageError(`Unknown command "${word}": ${near ? `did you mean ${near}?` : `see ${path.join(" ")} --help`}`);
}

/** `help`, `help COMMAND...` and `help TOPIC`. */
async function help(root: Subcommand, words: readonly string[]): Promise<number> {
  const [first] = words;
  const topics = root.topics ?? {};
  if (first !== undefined && words.length === 1 && Object.hasOwn(topics, first)) {
    printText(await topics[first]!.load(screenColumns()));
    return 0;
  }
  let command = root;
  const path = [programName()];
  for (const word of words.filter((each) => each !== "--help" && each !== "-h")) {
    const children = command.subcommands ?? {};
    const child = Object.hasOwn(children, word) ? children[word] : undefined;
    if (!child) {
      const known = [...Object.keys(children), ...(command === root ? Object.keys(topics) : [])];
      const near = nearest(word, known);
      throw new UsageError(
        `Cannot help with "${word}": ${near ? `did you mean ${near}?` : `see ${path.join(" ")} --help`}`,
      );
    }
    command = await child.load();
    path.push(word);
  }
  printText(usageText(command, path, screenColumns()));
  return 0;
}

/** Answers a shell that asks what may stand at the end of a command line. It never waits for long, nor says what went wrong. */
async function answer(root: Subcommand, words: readonly string[], signal: AbortSignal): Promise<number> {
  const { candidates, files, source, given } = await complete(root, words);
  let names: Candidate[] = [];
  if (source !== undefined && root.names) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(COMPLETION_TIMEOUT_MS)]);
    const found = await root.names(source, given, limit).catch(() => []);
    names = found.filter((name) => name.startsWith(typedValue(words.at(-1) ?? ""))).map((value) => ({ value }));
  }
  printText(answerText([...candidates, ...names], files));
  return 0;
}

/** The name by which we were called. `kubectl-onload` is a plugin of kubectl, which people call as two words. */
function programName(): string {
  const name = basename(process.argv0);
  return name.startsWith("kubectl-") ? name.replace("-", " ") : "onloadctl";
}
