/** The largest number of the shell's arithmetic. */
const MAX = 2n ** 63n - 1n;
/** The longest expression, in characters. */
const MAX_TEXT = 500;

/**
 * The value of an expression between $(( and )): whole numbers, variables, + - * / % and parentheses.
 *
 * @param value the text of a variable
 * @throws Error with the reason if it is anything else, or if shells would disagree about it
 */
export function calculate(text: string, value: (name: string) => string): string {
  if (text.length > MAX_TEXT) throw new Error(`an expression has more than ${MAX_TEXT} characters`);
  const expression = new Expression(tokens(text), value);
  return String(expression.whole());
}

function tokens(text: string): string[] {
  const found = [...text.matchAll(/\d+|\$?[A-Za-z_]\w*|\$\{[A-Za-z_]\w*\}|\S/g)].map(([token]) => token);
  const odd = found.find((token, index) => {
    if (/^\d/.test(token)) return /^0\d/.test(token) || /^[\w$]/.test(found[index + 1] ?? "");
    if (/^[-+*/%]$/.test(token)) return "+-*/%".includes(found[index + 1] ?? "none");
    return !/^(\$?[A-Za-z_]\w*|\$\{\w+\}|[()])$/.test(token);
  });
  if (odd !== undefined) throw new Error(`an expression has "${odd}" at a place where it is not understood`);
  return found;
}

class Expression {
  readonly #tokens: string[];
  readonly #value: (name: string) => string;
  #at = 0;

  constructor(list: string[], value: (name: string) => string) {
    this.#tokens = list;
    this.#value = value;
  }

  whole(): bigint {
    const sum = this.#sum();
    if (this.#at < this.#tokens.length) throw new Error(`an expression has "${this.#tokens[this.#at]}" after its end`);
    return sum;
  }

  #sum(): bigint {
    let left = this.#product();
    for (let sign = this.#take("+", "-"); sign !== undefined; sign = this.#take("+", "-")) {
      const right = this.#product();
      left = bounded(sign === "+" ? left + right : left - right);
    }
    return left;
  }

  #product(): bigint {
    let left = this.#number();
    for (let sign = this.#take("*", "/", "%"); sign !== undefined; sign = this.#take("*", "/", "%")) {
      const right = this.#number();
      if (sign !== "*" && right === 0n) throw new Error("an expression divides by 0");
      left = bounded(sign === "*" ? left * right : sign === "/" ? left / right : left % right);
    }
    return left;
  }

  #number(): bigint {
    if (this.#take("(") !== undefined) {
      const inside = this.#sum();
      if (this.#take(")") === undefined) throw new Error('an expression lacks a ")"');
      return inside;
    }
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new Error("an expression ends too early");
    if (/^\d/.test(token)) return bounded(BigInt(token));
    const name = /^\$?\{?([A-Za-z_]\w*)\}?$/.exec(token)?.[1];
    if (name === undefined) throw new Error(`an expression has "${token}" where a number should be`);
    const value = this.#value(name);
    if (!/^(0|[1-9]\d{0,18})$/.test(value))
      throw new Error(`${name} is "${value}", which is not a whole number of 0 or more`);
    return bounded(BigInt(value));
  }

  #take(...wanted: string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || !wanted.includes(token)) return undefined;
    this.#at++;
    return token;
  }
}

function bounded(value: bigint): bigint {
  if (value > MAX || value < -MAX) throw new Error("an expression goes beyond the numbers of a shell");
  return value;
}
