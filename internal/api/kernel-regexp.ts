/**
 * Regular expressions for kernel versions, evaluated as KMM and the API server do it: with RE2's syntax, and in time that
 * grows no faster than the text. JavaScript's own engine knows another syntax, and can need hours for one expression.
 *
 * RE2JS is a port of Go's package regexp. It takes all that Go 1.26 takes, with the same meaning, except for two groups of
 * one name, and for the names of character classes that Go has since 1.25, such as `\p{Letter}`.
 */
import { RE2JS, RE2JSSyntaxException } from "re2js";
import { MAX_REGEXP_CHARACTERS, programBound } from "./regexp-size.ts";

/** Linux knows no longer release than 64 characters. A node can say anything. */
export const MAX_KERNEL_CHARACTERS = 256;
/** Of one expression. They bound the time for a character of the text, to about 0.2 ms. */
const MAX_INSTRUCTIONS = 2000;
/** Of all compiled expressions that are kept, about 10 MB. The one that was not used for longest goes first. */
const MAX_KEPT_INSTRUCTIONS = 64_000;
/** Kernel versions whose answer is kept, for each expression. */
const MAX_KEPT_ANSWERS = 256;

/** An expression cannot be evaluated. The message says why, as a part of a sentence that quotes none of it. */
export class RegexpError extends Error {
  override name = "RegexpError";
}

interface Compiled {
  /** Its share of MAX_KEPT_INSTRUCTIONS; even an expression that cannot be evaluated takes room. */
  size: number;
  program: RE2JS | RegexpError;
  answers: Map<string, boolean>;
}

const kept = new Map<string, Compiled>();
let keptInstructions = 0;

/**
 * Whether an expression matches anywhere in a kernel version.
 *
 * @throws RegexpError if the expression, or a kernel version such as no kernel has, cannot be evaluated
 */
export function matchesKernel(expression: string, kernel: string): boolean {
  if (kernel.length > MAX_KERNEL_CHARACTERS) {
    throw new RegexpError(`the node's kernel version has more than ${MAX_KERNEL_CHARACTERS} characters`);
  }
  // A character is at most two units of UTF-16.
  if (expression.length > 2 * MAX_REGEXP_CHARACTERS) {
    throw new RegexpError(`it has more than ${MAX_REGEXP_CHARACTERS} characters`);
  }
  const { program, answers } = compiled(expression);
  if (program instanceof RegexpError) throw program;
  let answer = answers.get(kernel);
  if (answer === undefined) {
    // Unlike test(), it builds no table of states, which would stay in memory with the program.
    answer = program.matcher(kernel).find();
    if (answers.size >= MAX_KEPT_ANSWERS) answers.clear();
    answers.set(kernel, answer);
  }
  return answer;
}

function compiled(expression: string): Compiled {
  let found = kept.get(expression);
  if (found) {
    kept.delete(expression);
  } else {
    found = { ...compile(expression), answers: new Map() };
    keptInstructions += found.size;
    for (const [oldest, { size }] of kept) {
      if (keptInstructions <= MAX_KEPT_INSTRUCTIONS) break;
      kept.delete(oldest);
      keptInstructions -= size;
    }
  }
  // The newest is the last.
  kept.set(expression, found);
  return found;
}

function compile(expression: string): Pick<Compiled, "size" | "program"> {
  const size = 50 + programBound(expression);
  if (size > MAX_INSTRUCTIONS) {
    return { size: 100, program: new RegexpError("it is too large: repeat less, and use a shorter expression") };
  }
  try {
    return { size, program: RE2JS.compile(expression) };
  } catch (error) {
    const reason = error instanceof RE2JSSyntaxException ? error.getDescription() : "RE2 does not compile it";
    return { size, program: new RegexpError(reason, { cause: error }) };
  }
}
