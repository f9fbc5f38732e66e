import { ProfileError, type Part, type Word } from "./syntax.ts";

/** Characters that end a word, beside blanks. */
const OPERATORS = ";&|<>()\n";
/** How deep quotes and substitutions may lie in each other. */
const MAX_DEPTH = 20;

/** Reads words and operators of the shell's language, one after another. */
export class Scanner {
  readonly #file: string;
  readonly #text: string;
  readonly #commands: () => void;
  #at = 0;
  #line = 1;
  #depth = 0;

  /** @param commands reads the statements of a $( ) up to its end, which it leaves */
  constructor(file: string, text: string, commands: () => void) {
    this.#file = file;
    this.#text = text;
    this.#commands = commands;
  }

  /** The line of the next word or operator. */
  get line(): number {
    this.#skipBlanks();
    return this.#line;
  }

  get atEnd(): boolean {
    this.#skipBlanks();
    return this.#at >= this.#text.length;
  }

  /** The operator that comes next; empty if a word or nothing does. */
  peekOperator(): string {
    this.#skipBlanks();
    const two = this.#text.slice(this.#at, this.#at + 2);
    if (["&&", "||", ";;"].includes(two)) return two;
    const one = two.slice(0, 1);
    return one !== "" && OPERATORS.includes(one) ? one : "";
  }

  /** Takes the operator that comes next. */
  operator(): string {
    const operator = this.peekOperator();
    this.#at += operator.length;
    if (operator === "\n") this.#line++;
    return operator;
  }

  /** The unquoted characters that the next word begins with, if they are a whole word; empty if not. */
  peekWord(): string {
    this.#skipBlanks();
    const found = /^[^\s;&|<>()"'`\\$]+/.exec(this.#text.slice(this.#at, this.#at + 100))?.[0] ?? "";
    const next = this.#text[this.#at + found.length];
    return next === undefined || /[\s;&|<>()]/.test(next) ? found : "";
  }

  /** Takes the word that comes next. */
  word(): Word {
    this.#skipBlanks();
    const line = this.#line;
    const parts: Part[] = [];
    for (;;) {
      const next = this.#text[this.#at];
      if (next === undefined || next === " " || next === "\t" || OPERATORS.includes(next)) break;
      if (next === '"') this.#doubleQuotes(parts);
      else if (next === "'") parts.push({ kind: "text", text: this.#singleQuotes(), quoted: true });
      else if (next === "\\") this.#escape(parts);
      else if (next === "$" || next === "`") parts.push(this.#expansion(false));
      else parts.push({ kind: "text", text: this.#run(/[^\s;&|<>()"'`\\$]+/y), quoted: false });
    }
    if (parts.length === 0) this.unexpected();
    return { line, parts };
  }

  fail(reason: string): never {
    throw new ProfileError(this.#file, this.#line, reason);
  }

  unexpected(): never {
    if (this.#at >= this.#text.length) return this.fail("it ends in the middle of a statement");
    const next = this.peekOperator() || this.peekWord() || this.#text[this.#at]!;
    return this.fail(`"${next === "\n" ? "end of line" : next}" is not expected here`);
  }

  #skipBlanks(): void {
    for (;;) {
      const next = this.#text[this.#at];
      if (next === " " || next === "\t") this.#at++;
      else if (next === "\\" && this.#text[this.#at + 1] === "\n") this.#continueLine();
      else if (next === "#") this.#run(/[^\n]*/y);
      else return;
    }
  }

  #continueLine(): void {
    this.#at += 2;
    this.#line++;
  }

  /** @param pattern sticky, and matches at least nothing */
  #run(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text)!;
    this.#at += found.length;
    return found;
  }

  #singleQuotes(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) this.fail("a single quote has no end");
    const inside = this.#text.slice(this.#at + 1, end);
    this.#line += inside.split("\n").length - 1;
    this.#at = end + 1;
    return inside;
  }

  #escape(parts: Part[]): void {
    const next = this.#text[this.#at + 1];
    if (next === undefined) this.fail("it ends in the middle of a statement");
    if (next === "\n") return this.#continueLine();
    parts.push({ kind: "text", text: next, quoted: true });
    this.#at += 2;
  }

  #doubleQuotes(parts: Part[]): void {
    this.#nested(() => {
      this.#at++;
      // Quotes with nothing in them are a word too.
      parts.push({ kind: "text", text: "", quoted: true });
      for (;;) {
        const next = this.#text[this.#at];
        if (next === undefined) this.fail("a double quote has no end");
        if (next === '"') break;
        const after = this.#text[this.#at + 1];
        if (next === "\\" && after === "\n") this.#continueLine();
        else if (next === "\\" && after !== undefined && '$`"\\'.includes(after)) this.#escape(parts);
        else if (next === "$" || next === "`") parts.push(this.#expansion(true));
        else if (next === "\\") parts.push({ kind: "text", text: this.#run(/\\/y), quoted: true });
        else {
          const text = this.#run(/[^"\\$`]+/y);
          this.#line += text.split("\n").length - 1;
          parts.push({ kind: "text", text, quoted: true });
        }
      }
      this.#at++;
    });
  }

  #expansion(quoted: boolean): Part {
    if (this.#text[this.#at] === "`") return this.#backticks();
    const rest = this.#text.slice(this.#at + 1, this.#at + 200);
    const name = /^([A-Za-z_][A-Za-z0-9_]*)|^\{([A-Za-z_][A-Za-z0-9_]*)\}/.exec(rest);
    if (name !== null) {
      this.#at += 1 + name[0].length;
      return { kind: "variable", name: (name[1] ?? name[2])!, quoted };
    }
    if (rest.startsWith("((")) return this.#arithmetic();
    if (rest.startsWith("(")) return this.#commandSubstitution();
    if (rest.startsWith("{")) return this.#braces(quoted);
    if (/^[0-9@*#]/.test(rest)) {
      this.#at += 2;
      return { kind: "refused", reason: `"$${rest[0]}" is of the program's command line`, arguments: rest[0] === "@" };
    }
    if (/^[?$!-]/.test(rest)) {
      this.#at += 2;
      return { kind: "refused", reason: `"$${rest[0]}" is of the shell that runs it` };
    }
    if (!quoted && /^["']/.test(rest)) this.fail(`"$${rest[0]}" is not known to every shell`);
    this.#at++;
    return { kind: "text", text: "$", quoted: true };
  }

  #backticks(): Part {
    let end = this.#at + 1;
    while (this.#text[end] !== "`") {
      if (this.#text[end] === undefined) this.fail("a ` has no end");
      if (this.#text[end] === "\\") end++;
      end++;
    }
    this.#line += this.#text.slice(this.#at, end).split("\n").length - 1;
    this.#at = end + 1;
    return { kind: "refused", reason: "it runs a program (` `)" };
  }

  #commandSubstitution(): Part {
    this.#nested(() => {
      this.#at += 2;
      this.#commands();
      if (this.operator() !== ")") this.fail('"$(" has no end');
    });
    return { kind: "refused", reason: "it runs a program ($( ))" };
  }

  /** ${NAME:-WORD} and the like, whose words may have quotes and substitutions. */
  #braces(quoted: boolean): Part {
    this.#nested(() => {
      this.#at += 2;
      for (;;) {
        const next = this.#text[this.#at];
        if (next === undefined) this.fail('"${" has no end');
        if (next === "}") break;
        if (next === '"') this.#doubleQuotes([]);
        else if (next === "'" && quoted) this.fail("a single quote is within ${ } and double quotes");
        else if (next === "'") this.#singleQuotes();
        else if (next === "\\") this.#escape([]);
        else if (next === "$" || next === "`") this.#expansion(quoted);
        else {
          if (next === "\n") this.#line++;
          this.#at++;
        }
      }
      this.#at++;
    });
    return { kind: "refused", reason: "it changes or replaces the value of a variable (${ })" };
  }

  #arithmetic(): Part {
    const start = this.#at + 3;
    let depth = 0;
    for (let at = start; at < this.#text.length; at++) {
      const next = this.#text[at];
      if (next === "\n") break;
      if (next === "(") depth++;
      if (next === ")" && --depth < 0) {
        if (this.#text[at + 1] !== ")") break;
        this.#at = at + 2;
        return { kind: "arithmetic", text: this.#text.slice(start, at) };
      }
    }
    return this.fail('"$((" has no "))" on the same line');
  }

  #nested(read: () => void): void {
    if (++this.#depth > MAX_DEPTH) this.fail(`more than ${MAX_DEPTH} levels of quotes`);
    read();
    this.#depth--;
  }
}
