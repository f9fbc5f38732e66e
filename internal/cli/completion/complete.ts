/** What may stand at the end of an unfinished command line, by the same definitions from which it is parsed. */
import type { Arg, Args, Source, Subcommand, Topic } from "../command.ts";
import { EARLY_ARGS } from "../early-flags.ts";

/** A word that may stand there, and what it means. */
export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** What may stand at the end of a command line. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Whether the name of a file may stand there. */
  readonly files: boolean;
  /** Names that only the cluster or the kubeconfig knows. */
  readonly source?: Source;
  /** Flags of the line that say which cluster and namespace that is. */
  readonly given: Readonly<Record<string, string>>;
}

/**
 * @param words the words after the program's name; the last is the one to complete, and may be empty
 */
export async function complete(root: Subcommand, words: readonly string[]): Promise<Completion> {
  const last = words.at(-1) ?? "";
  const line = await read(root, words.slice(0, -1));
  const finish = (completion: Partial<Completion>): Completion => {
    const { candidates = [], ...rest } = completion;
    const matching = candidates.filter(({ value }) => value.startsWith(typedValue(last)));
    return { files: false, given: line.given, ...rest, candidates: matching };
  };
  if (line.awaiting) return finish(valuesOf(line.awaiting));
  if (last.startsWith("-") && !line.onlyWords) {
    const equals = last.indexOf("=");
    if (equals < 0) return finish({ candidates: flags(line.args, line.seen) });
    const arg = flagOf(last.slice(0, equals), line.args)?.arg;
    return finish(arg ? valuesOf(arg) : {});
  }
  if (line.positionals === 0 && !line.onlyWords) {
    const children = { ...line.command.subcommands, ...line.topics };
    const listed = Object.entries(children).filter(([, child]) => !("hidden" in child && child.hidden));
    if (listed.length > 0) {
      return finish({ candidates: listed.map(([value, { summary }]) => ({ value, description: summary })) });
    }
  }
  if (line.isHelp) return finish({});
  const arg = positional(line.args, line.positionals);
  return finish(arg ? valuesOf(arg) : {});
}

/** The part of the last word that is to be completed: of --flag=value only the value. */
export function typedValue(word: string): string {
  return /^-[^=]*=/.test(word) ? word.slice(word.indexOf("=") + 1) : word;
}

/** What the words before the last one say. */
interface Line {
  command: Subcommand;
  /** Of the command, and those that may stand before it. */
  args: Args;
  topics: Record<string, Topic>;
  isHelp: boolean;
  positionals: number;
  /** A flag that was given without its value. */
  awaiting: Arg | undefined;
  /** Whether `--` came, after which nothing is a flag. */
  onlyWords: boolean;
  seen: Set<string>;
  given: Record<string, string>;
}

async function read(root: Subcommand, words: readonly string[]): Promise<Line> {
  const line: Line = {
    command: root,
    args: { ...EARLY_ARGS, ...root.args },
    topics: {},
    isHelp: false,
    positionals: 0,
    awaiting: undefined,
    onlyWords: false,
    seen: new Set(),
    given: {},
  };
  let awaited = "";
  for (const word of words) {
    if (line.awaiting) {
      line.given[awaited] = word;
      line.awaiting = undefined;
    } else if (!line.onlyWords && word === "--") {
      line.onlyWords = true;
    } else if (!line.onlyWords && word.startsWith("-") && word !== "-") {
      const equals = word.indexOf("=");
      const flag = flagOf(equals < 0 ? word : word.slice(0, equals), line.args);
      if (!flag) continue;
      line.seen.add(flag.name);
      if (equals >= 0) line.given[flag.name] = word.slice(equals + 1);
      else if (flag.arg.type !== "boolean" && flag.arg.implied === undefined) {
        [line.awaiting, awaited] = [flag.arg, flag.name];
      }
    } else {
      await take(line, word, root);
    }
  }
  return line;
}

/** Takes a word that is no flag: a subcommand, or an argument. */
async function take(line: Line, word: string, root: Subcommand): Promise<void> {
  const children = line.command.subcommands ?? {};
  if (line.positionals > 0 || line.onlyWords) {
    line.positionals++;
  } else if (Object.hasOwn(children, word)) {
    line.command = await children[word]!.load();
    line.args = line.isHelp ? {} : { ...(line.command.subcommands ? EARLY_ARGS : {}), ...line.command.args };
    line.topics = {};
  } else if (word === "help" && line.command === root && !line.isHelp) {
    line.isHelp = true;
    line.args = {};
    line.topics = root.topics ?? {};
  } else {
    line.positionals++;
  }
}

function flagOf(word: string, args: Args): { name: string; arg: Arg } | undefined {
  const found = Object.entries(args).find(
    ([name, arg]) =>
      arg.type !== "positional" && (word === `--${name}` || (arg.alias !== undefined && word === `-${arg.alias}`)),
  );
  return found && { name: found[0], arg: found[1] };
}

function flags(args: Args, seen: ReadonlySet<string>): Candidate[] {
  const listed = Object.entries(args).filter(
    ([name, arg]) => arg.type !== "positional" && (arg.repeatable === true || !seen.has(name)),
  );
  return [
    ...listed.map(([name, { description }]) => ({ value: `--${name}`, ...(description ? { description } : {}) })),
    { value: "--help", description: "Show the help of this command" },
  ];
}

function positional(args: Args, index: number): Arg | undefined {
  const all = Object.values(args).filter((arg) => arg.type === "positional");
  return all[index] ?? (all.at(-1)?.repeatable === true ? all.at(-1) : undefined);
}

/** What an argument takes: what it lists, what its definition names, or a file by the word for its value. */
function valuesOf(arg: Arg): Partial<Completion> {
  if (arg.type === "boolean") return { candidates: [{ value: "true" }, { value: "false" }] };
  const options = arg.type === "enum" ? (arg.options ?? []) : (arg.completes ?? []);
  if (typeof options === "string") return { source: options };
  if (options.length > 0) return { candidates: options.map((value) => ({ value })) };
  const hint = arg.valueHint ?? "";
  if (/^NS\b/.test(hint)) return { source: "namespaces" };
  if (hint === "NODE") return { source: "nodes" };
  return { files: /FILE|FOLDER|PATH/.test(hint) };
}
