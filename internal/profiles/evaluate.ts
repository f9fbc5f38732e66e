import { calculate } from "./arithmetic.ts";
import { FRAGMENT_ENDING, isProfileName, isProfileVariable, PROFILE_ENDING } from "./names.ts";
import { parseProfile } from "./parse.ts";
import { askedFor, isArguments, isAssignment, isSilent, PRINTING, splitAssignment } from "./statement-forms.ts";
import { plainText, ProfileError, type Statement, type Word } from "./syntax.ts";
import { decide } from "./test-command.ts";

/** The texts of profiles by the names of their files, such as latency.opf. */
export type Library = ReadonlyMap<string, string>;

/** A variable that a profile sets for the program, and where it does so. */
export interface ProfileSetting {
  name: string;
  value: string;
  /** The name of the file; empty for what was given beforehand. */
  file: string;
  line: number;
}

/** The longest value, in characters: the shell's variables can double at each statement. */
const MAX_VALUE = 4096;
/** How deep profiles may import each other. Onload's own do so twice. */
const MAX_IMPORTS_DEEP = 16;
/** Statements that are run in all. A profile that imports another twice runs it twice. */
const MAX_STATEMENTS = 20_000;

const NOTHING = [":", "true", "false"];

/** A profile to begin with. */
export interface Profile {
  /** The name of its file, which need not be in the library. */
  file: string;
  text: string;
}

/**
 * What `onload --profile=A,B` would set in an environment that has only the variables of `environment`. The first to set
 * a variable counts, as in Onload: what is there already is left alone.
 *
 * @param library where the profiles are that others import
 * @returns exported variables, in the order in which they were set
 * @throws ProfileError with file, line and reason if that depends on a machine or on a program's own configuration
 */
export function evaluateProfiles(
  profiles: readonly Profile[],
  library: Library,
  environment: ReadonlyMap<string, string> = new Map(),
): ProfileSetting[] {
  return new Evaluation(library, environment).profiles(profiles);
}

interface Variable extends ProfileSetting {
  exported: boolean;
}

class Evaluation {
  readonly #library: Library;
  readonly #variables = new Map<string, Variable>();
  #files: string[] = [];
  #statements = 0;

  constructor(library: Library, environment: ReadonlyMap<string, string>) {
    this.#library = library;
    for (const [name, value] of environment) {
      this.#variables.set(name, { name, value, file: "", line: 0, exported: true });
    }
  }

  profiles(files: readonly Profile[]): ProfileSetting[] {
    for (const { file, text } of files) this.#profile(file, text);
    return [...this.#variables.values()]
      .filter(({ exported }) => exported)
      .map(({ name, value, file, line }) => ({ name, value, file, line }));
  }

  #profile(file: string, text: string): void {
    const statements = parseProfile(file, text);
    this.#files.push(file);
    this.#run(statements);
    this.#files.pop();
  }

  #run(statements: readonly Statement[]): void {
    for (const statement of statements) {
      if (++this.#statements > MAX_STATEMENTS) this.#refuse(statement.line, `more than ${MAX_STATEMENTS} statements`);
      if (statement.kind === "refused") this.#refuse(statement.line, statement.reason);
      else if (statement.kind === "if") this.#if(statement);
      else if (statement.kind === "case") this.#case(statement);
      else this.#command(statement.words);
    }
  }

  #if(statement: Statement & { kind: "if" }): void {
    if (isSilent([statement])) return;
    for (const { condition, body } of statement.branches) {
      if (this.#holds(condition)) return this.#runUnlessSet(askedFor(condition), body);
    }
    this.#run(statement.otherwise);
  }

  /** @param name the variable that keeps the statements from being run if it has a value */
  #runUnlessSet(name: string | undefined, statements: readonly Statement[]): void {
    try {
      this.#run(statements);
    } catch (error) {
      if (!(error instanceof ProfileError) || name === undefined || error.message.includes("--set")) throw error;
      error.message += `; --set ${name}=VALUE passes over it`;
      throw error;
    }
  }

  #holds([condition, ...more]: readonly Statement[]): boolean {
    if (condition?.kind === "refused") this.#refuse(condition.line, condition.reason);
    if (condition?.kind !== "command" || more.length > 0) {
      this.#refuse(condition?.line ?? 0, "the condition is more than one test");
    }
    const [first] = condition.words;
    const command = plainText(first!);
    if (command === "true" || command === ":") return true;
    if (command === "false") return false;
    if (command !== "[" && command !== "test") this.#refuse(first!.line, "the condition is more than a test");
    try {
      return decide(
        command,
        condition.words.slice(1).map((word) => this.#expand(word, { split: true, missing: "" })),
      );
    } catch (error) {
      return this.#refuse(first!.line, error as Error);
    }
  }

  #case({ subject, arms }: Statement & { kind: "case" }): void {
    const value = this.#expand(subject, { split: false, missing: "" });
    for (const { patterns, body } of arms) {
      for (const pattern of patterns) {
        const everything = plainText(pattern) === "*";
        if (everything || this.#expand(pattern, { split: true }) === value) return this.#run(body);
      }
    }
  }

  #command(words: readonly Word[]): void {
    const [first] = words;
    if (words.every(isAssignment)) return words.forEach((word) => this.#assign(word));
    if (isAssignment(first!)) this.#refuse(first!.line, "it sets a variable for one command");
    const command = plainText(first!) ?? "";
    const rest = words.slice(1);
    if (command === "onload_set") this.#onloadSet(first!.line, rest);
    else if (command === "onload_import") this.#onloadImport(first!.line, rest);
    else if (command === "export") this.#export(rest);
    else if (PRINTING.includes(command) || NOTHING.includes(command)) this.#print(rest);
    else if (command === "set" && rest.map(plainText).join(" ") === "-o pipefail") return;
    else if (command === "[" || command === "test") this.#refuse(first!.line, "a test decides nothing here");
    else if (command === "exit" || command === "fail" || command === "return") {
      this.#refuse(first!.line, `it ends here ("${command}")`);
    } else {
      const shown = command === "" ? "a command" : `"${command.slice(0, 100)}"`;
      this.#refuse(
        first!.line,
        `it runs ${shown}: only onload_set, onload_import and tests of variables are understood`,
      );
    }
  }

  #onloadSet(line: number, words: readonly Word[]): void {
    const [name = "", value, ...more] = words.map((word) => this.#expand(word, { split: true }));
    if (more.length > 0) this.#refuse(line, "onload_set has more than a name and a value: quote the value");
    if (value !== undefined) {
      if (value === "") this.#refuse(line, `onload_set has no value for ${name}`);
      return this.#setOnce(line, name, value);
    }
    // Onload takes what is between the first and the second =.
    const [, left = "", right = ""] = /^([^=]*)=([^=\\]+)$/.exec(name) ?? [];
    if (right === "") this.#refuse(line, "onload_set has no value: write onload_set NAME VALUE");
    this.#setOnce(line, left, right);
  }

  #setOnce(line: number, name: string, value: string): void {
    const before = this.#variables.get(this.#own(line, name));
    // Onload exports only what it sets itself.
    if (before === undefined || before.value === "") this.#set(line, name, value, true);
  }

  #assign(word: Word): void {
    const { name, value } = splitAssignment(word);
    const exported = this.#variables.get(this.#own(word.line, name))?.exported ?? false;
    this.#set(word.line, name, this.#expand(value, { split: false }), exported);
  }

  #export(words: readonly Word[]): void {
    for (const word of words) {
      if (isAssignment(word)) {
        const { name, value } = splitAssignment(word);
        this.#set(word.line, this.#own(word.line, name), this.#expand(value, { split: true }), true);
        continue;
      }
      const name = this.#own(word.line, plainText(word) ?? "");
      const before = this.#variables.get(name);
      if (before === undefined) this.#refuse(word.line, `${name} has no value to export`);
      this.#variables.set(name, { ...before, exported: true });
    }
  }

  #set(line: number, name: string, value: string, exported: boolean): void {
    // Onload itself gives a quote to the shell's eval again.
    if (value.includes("'")) this.#refuse(line, `the value of ${name} has a single quote`);
    if (/\p{Cc}/u.test(value)) this.#refuse(line, `the value of ${name} has a control character`);
    this.#variables.set(name, { name, value, file: this.#file, line, exported });
  }

  #print(words: readonly Word[]): void {
    for (const word of words) {
      for (const part of word.parts) {
        if (part.kind === "refused") this.#refuse(word.line, part.reason);
        if (part.kind === "arithmetic") this.#expand({ ...word, parts: [part] }, { split: false });
      }
    }
  }

  #onloadImport(line: number, words: readonly Word[]): void {
    const [first, ...rest] = words;
    if (first === undefined) this.#refuse(line, "onload_import has no name");
    if (!rest.every(isArguments)) this.#refuse(line, 'onload_import has more than a name and "$@"');
    const name = this.#expand(first, { split: true });
    if (!isProfileName(name)) this.#refuse(line, `"${name.slice(0, 100)}" is not the name of a profile in the folder`);
    const file = [`${name}${PROFILE_ENDING}`, `${name}${FRAGMENT_ENDING}`].find((each) => this.#library.has(each));
    if (file === undefined)
      this.#refuse(line, `it imports "${name}", which is not among the profiles; give Onload's with --profile-dir`);
    if (this.#files.includes(file)) this.#refuse(line, `it imports itself: ${[...this.#files, file].join(" -> ")}`);
    if (this.#files.length >= MAX_IMPORTS_DEEP)
      this.#refuse(line, `more than ${MAX_IMPORTS_DEEP} imports in each other`);
    this.#profile(file, this.#library.get(file)!);
  }

  /**
   * The text of a word. `split` if a shell would split what is not quoted into several words and take patterns in it for
   * files; such words are refused. `missing` stands for variables that have no value; without it they are refused.
   */
  #expand(word: Word, options: { split: boolean; missing?: string }): string {
    const texts = word.parts.map((part) => {
      if (part.kind === "refused") return this.#refuse(word.line, part.reason);
      if (part.kind === "arithmetic") return this.#calculate(word.line, part.text);
      const text = part.kind === "text" ? part.text : this.#value(word.line, part.name, options.missing);
      if (part.quoted) return text;
      const special = part.kind === "text" ? /[*?[{}~]/ : options.split ? /[*?[\]\s\\]|^$/ : /(?!)/;
      if (special.test(text))
        this.#refuse(word.line, `"${text.slice(0, 100)}" is not quoted: write it in double quotes`);
      return text;
    });
    const text = texts.join("");
    if (text.length > MAX_VALUE) this.#refuse(word.line, `a value has more than ${MAX_VALUE} characters`);
    return text;
  }

  #calculate(line: number, text: string): string {
    try {
      return calculate(text, (name) => this.#value(line, name, undefined));
    } catch (error) {
      if (error instanceof ProfileError) throw error;
      return this.#refuse(line, error as Error);
    }
  }

  #value(line: number, name: string, missing: string | undefined): string {
    const value = this.#variables.get(this.#own(line, name))?.value ?? missing;
    if (value !== undefined) return value;
    return this.#refuse(line, `${name} has no value: give it one with --set ${name}=VALUE`);
  }

  #own(line: number, name: string): string {
    if (isProfileVariable(name)) return name;
    return this.#refuse(
      line,
      `"${name.slice(0, 100)}" is of the shell or of the script onload, or no name of a variable`,
    );
  }

  get #file(): string {
    return this.#files.at(-1) ?? "";
  }

  #refuse(line: number, reason: string | Error): never {
    if (reason instanceof ProfileError) throw reason;
    throw new ProfileError(this.#file, line, typeof reason === "string" ? reason : reason.message);
  }
}
