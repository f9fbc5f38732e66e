import { basename } from "node:path";
import type { Subcommand } from "./command.ts";
import { errorText, isAbort, UsageError } from "./errors.ts";
import { createLogger, type LogFormat, type LogLevel } from "./log.ts";
import { nearest } from "./nearest.ts";
import { drained, printText, standardError } from "./output.ts";
import { parseArguments } from "./parse-arguments.ts";
import { usageText } from "./usage.ts";
import { VERSION } from "./version.ts";

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
      standardError.write(`${errorText(error)}\n`);
      code = 1;
    }
  }
  // The process must not end before the reader of a pipe has got everything that was written.
  await drained();
  process.exit(code);
}

async function runCommandLine(root: Subcommand, raw: string[], signal: AbortSignal): Promise<number> {
  let command = root;
  let rest = raw;
  const path = [programName()];
  for (;;) {
    const word = rest[0];
    const children = command.subcommands ?? {};
    if (word === undefined || word.startsWith("-") || Object.keys(children).length === 0) break;
    const child = Object.hasOwn(children, word) ? children[word] : undefined;
    if (!child) {
      if (command.run) break;
      const near = nearest(word, Object.keys(children));
      throw new UsageError(
        `Unknown command "${word}": ${near ? `did you mean ${near}?` : `see ${path.join(" ")} --help`}`,
      );
    }
    command = await child.load();
    path.push(word);
    rest = rest.slice(1);
  }
  const flags = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (flags.includes("--help") || flags.includes("-h")) {
    printText(usageText(command, path));
    return 0;
  }
  if (command === root && flags.includes("--version")) {
    printText(`onloadctl ${VERSION}\n`);
    return 0;
  }
  const args = parseArguments(rest, command.args ?? {});
  if (!command.run) {
    standardError.write(usageText(command, path));
    return 2;
  }
  const log = createLogger({
    level: args["log-level"] as LogLevel | undefined,
    format:
      (args["log-format"] as LogFormat | undefined) ?? (command.service && !standardError.isTTY ? "json" : "text"),
  });
  return (await command.run({ args, signal, log })) ?? 0;
}

/** The name by which we were called. `kubectl-onload` is a plugin of kubectl, which people call as two words. */
function programName(): string {
  const name = basename(process.argv0);
  return name.startsWith("kubectl-") ? name.replace("-", " ") : "onloadctl";
}
