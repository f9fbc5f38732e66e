import { Scanner } from "./scanner.ts";
import { plainText, type Statement, type Word } from "./syntax.ts";

/** How deep statements may lie in each other. Onload's own profiles have four levels. */
const MAX_DEPTH = 40;
/** Words that begin something, or end it. */
const CLOSING = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

/**
 * Parses a profile. Nothing of it is run, and nothing is looked up. What only a shell could do (loops, functions, pipes,
 * redirections) becomes a refused statement, so that a profile can still be converted that does not reach it.
 *
 * @param file name of the profile, for messages
 * @throws ProfileError if the text is not understood as a shell would understand it
 */
export function parseProfile(file: string, text: string): Statement[] {
  const parser = new Parser(file, text);
  const statements = parser.list([]);
  parser.expectEnd();
  return statements;
}

class Parser {
  readonly #scanner: Scanner;
  #depth = 0;

  constructor(file: string, text: string) {
    this.#scanner = new Scanner(file, text, () => void this.list([")"]));
  }

  expectEnd(): void {
    if (!this.#scanner.atEnd) this.#unexpected();
  }

  /** Statements up to one of some words or operators, which is left to the caller. */
  list(ends: readonly string[]): Statement[] {
    if (++this.#depth > MAX_DEPTH) this.#scanner.fail(`more than ${MAX_DEPTH} levels of statements`);
    const statements: Statement[] = [];
    this.#skipLines();
    while (!this.#scanner.atEnd && !this.#isNext(ends)) {
      statements.push(this.#statement());
      if (this.#scanner.peekOperator() === ";") this.#scanner.operator();
      else if (this.#scanner.peekOperator() !== "\n" && !this.#scanner.atEnd && !this.#isNext(ends)) this.#unexpected();
      this.#skipLines();
    }
    this.#depth--;
    return statements;
  }

  #isNext(ends: readonly string[]): boolean {
    return ends.includes(this.#scanner.peekOperator()) || ends.includes(this.#scanner.peekWord());
  }

  #skipLines(): void {
    while (this.#scanner.peekOperator() === "\n") this.#scanner.operator();
  }

  /** A statement, and what is joined to it by | && || and &. */
  #statement(): Statement {
    const { line } = this.#scanner;
    const first = this.#part();
    let reason: string | undefined;
    for (;;) {
      const operator = this.#scanner.peekOperator();
      if (operator === "<" || operator === ">") {
        // Between a compound statement and what comes next.
        this.#redirection();
        reason ??= "it reads or writes a file";
      } else if (["|", "||", "&&"].includes(operator)) {
        this.#scanner.operator();
        this.#skipLines();
        this.#part();
        reason ??=
          operator === "|" ? "it is a pipe, which runs programs" : `it depends on how a command ends (${operator})`;
      } else if (operator === "&") {
        this.#scanner.operator();
        return { kind: "refused", line, reason: "it runs a program in the background" };
      } else {
        break;
      }
    }
    return reason === undefined ? first : { kind: "refused", line, reason };
  }

  #part(): Statement {
    const { line } = this.#scanner;
    if (this.#scanner.peekOperator() === "(") {
      this.#scanner.operator();
      this.list([")"]);
      this.#operator(")");
      return { kind: "refused", line, reason: "it is a shell of its own: ( )" };
    }
    const word = this.#scanner.peekWord();
    switch (word) {
      case "if":
        return this.#if();
      case "case":
        return this.#case();
      case "for":
      case "while":
      case "until":
        return this.#loop(word);
      case "{":
        this.#scanner.word();
        this.list(["}"]);
        this.#keyword("}");
        return { kind: "refused", line, reason: "it is a group of commands: { }" };
      case "!":
        this.#scanner.word();
        this.#part();
        return { kind: "refused", line, reason: "it depends on how a command ends (!)" };
      case "function":
      case "select":
      case "time":
      case "coproc":
      case "[[":
        return this.#scanner.fail(`"${word}" is not known to every shell`);
      default:
        if (CLOSING.includes(word)) this.#unexpected();
        return this.#command();
    }
  }

  #command(): Statement {
    const { line } = this.#scanner;
    const words: Word[] = [];
    let reason: string | undefined;
    for (;;) {
      const operator = this.#scanner.peekOperator();
      if (operator === "<" || operator === ">") {
        this.#redirection();
        reason ??= "it reads or writes a file";
      } else if (operator === "(" && words.length === 1) {
        return this.#function(line, plainText(words[0]!));
      } else if (operator !== "" || this.#scanner.atEnd) {
        break;
      } else {
        words.push(this.#scanner.word());
      }
    }
    if (words.length === 0 && reason === undefined) this.#unexpected();
    return reason === undefined ? { kind: "command", line, words } : { kind: "refused", line, reason };
  }

  #redirection(): void {
    const first = this.#scanner.operator();
    let operator = this.#scanner.peekOperator();
    if (first === "<" && operator === "<") this.#scanner.fail("it has a text between its lines (<<)");
    if (["&", ">", "|"].includes(operator)) {
      this.#scanner.operator();
      operator = this.#scanner.peekOperator();
    }
    if (operator !== "" || this.#scanner.atEnd) this.#unexpected();
    this.#scanner.word();
  }

  #function(line: number, name: string | undefined): Statement {
    if (name === undefined) this.#unexpected();
    this.#operator("(");
    this.#operator(")");
    this.#skipLines();
    this.#part();
    return { kind: "refused", line, reason: `${name}() is a function, and a conversion runs none` };
  }

  #if(): Statement {
    const { line } = this.#scanner;
    const branches: { condition: Statement[]; body: Statement[] }[] = [];
    let otherwise: Statement[] = [];
    this.#keyword("if");
    for (;;) {
      const condition = this.#body(["then"]);
      this.#keyword("then");
      branches.push({ condition, body: this.#body(["elif", "else", "fi"]) });
      if (this.#scanner.peekWord() !== "elif") break;
      this.#keyword("elif");
    }
    if (this.#scanner.peekWord() === "else") {
      this.#keyword("else");
      otherwise = this.#body(["fi"]);
    }
    this.#keyword("fi");
    return { kind: "if", line, branches, otherwise };
  }

  #loop(kind: string): Statement {
    const { line } = this.#scanner;
    this.#keyword(kind);
    if (kind === "for") {
      this.#scanner.word();
      this.#skipLines();
      if (this.#scanner.peekWord() === "in") {
        while (this.#scanner.peekOperator() === "" && !this.#scanner.atEnd) this.#scanner.word();
      }
      if (this.#scanner.peekOperator() === ";") this.#scanner.operator();
      this.#skipLines();
    } else {
      this.#body(["do"]);
    }
    this.#keyword("do");
    this.#body(["done"]);
    this.#keyword("done");
    return { kind: "refused", line, reason: `it is a loop ("${kind}")` };
  }

  #case(): Statement {
    const { line } = this.#scanner;
    this.#keyword("case");
    const subject = this.#scanner.word();
    this.#skipLines();
    this.#keyword("in");
    const arms: { patterns: Word[]; body: Statement[] }[] = [];
    for (;;) {
      this.#skipLines();
      if (this.#scanner.peekWord() === "esac") break;
      if (this.#scanner.peekOperator() === "(") this.#scanner.operator();
      const patterns = [this.#scanner.word()];
      while (this.#scanner.peekOperator() === "|") {
        this.#scanner.operator();
        patterns.push(this.#scanner.word());
      }
      this.#operator(")");
      arms.push({ patterns, body: this.list([";;", "esac"]) });
      if (this.#scanner.peekOperator() === ";;") this.#scanner.operator();
    }
    this.#keyword("esac");
    return { kind: "case", line, subject, arms };
  }

  /** Statements that must not be missing. */
  #body(ends: readonly string[]): Statement[] {
    const statements = this.list(ends);
    if (statements.length === 0) this.#unexpected();
    return statements;
  }

  #keyword(word: string): void {
    if (this.#scanner.peekWord() !== word) this.#scanner.fail(`"${word}" is missing`);
    this.#scanner.word();
  }

  #operator(operator: string): void {
    if (this.#scanner.peekOperator() !== operator) this.#scanner.fail(`"${operator}" is missing`);
    this.#scanner.operator();
  }

  #unexpected(): never {
    return this.#scanner.unexpected();
  }
}
