/** How large the program of a regular expression can become, found out without compiling it. */

/** The longest expression for kernel versions, in characters. The CRD accepts no longer one. */
export const MAX_REGEXP_CHARACTERS = 1024;

/** A group that is open: the sizes of all that is in it but the last atom, and of that one, which a count may repeat. */
interface Group {
  before: number;
  last: number;
}

const COUNT = /\{(\d+)(?:,(\d*))?\}/y;
const BRACED_ESCAPE = /\\[pPx]\{[^}]*\}?/y;
const CLASS_ESCAPE = /\\(?:[dDsSwW]|[pP](?:\{[^}]*\}?|.))/sy;
const CHARACTER_ESCAPE = /\\(?:x\{[^}]*\}?|x[0-9A-Fa-f]{2}|[0-7]{1,3}|.)/sy;
const QUOTED = /\\Q(.*?)(?:\\E|$)/sy;

/**
 * An upper bound of the number of RE2's instructions for an expression. A count such as `{1000}` is compiled as so many
 * copies of what it repeats, so that a short expression can become a large program. Says nothing of an expression that
 * does not parse.
 */
export function programBound(expression: string): number {
  const outer: Group[] = [];
  let group: Group = { before: 3, last: 0 };
  const add = (size: number): void => {
    group.before += group.last;
    group.last = size;
  };
  for (let at = 0; at < expression.length;) {
    const char = expression[at]!;
    let end = at + 1;
    if (char === "(") {
      outer.push(group);
      // Its two ends, and what stands for nothing if it is empty.
      group = { before: 3, last: 0 };
    } else if (char === ")") {
      const size = group.before + group.last;
      group = outer.pop() ?? { before: 0, last: 0 };
      add(size);
    } else if (char === "*" || char === "+" || char === "?") {
      group.last += 2;
    } else if (char === "[") {
      end = endOfClass(expression, at);
      add(1);
    } else if (char === "\\") {
      end = endOfEscape(expression, at, add);
    } else {
      COUNT.lastIndex = at;
      const count = COUNT.exec(expression);
      if (count) {
        group.last = (group.last + 2) * Math.max(1, Number(count[1]), Number(count[2] ?? 0));
        end = COUNT.lastIndex;
      } else {
        // An alternative may be empty, which is an instruction too.
        add(char === "|" ? 2 : 1);
      }
    }
    at = end;
  }
  return [...outer, group].reduce((sum, { before, last }) => sum + before + last, 0);
}

function endOfEscape(expression: string, at: number, add: (size: number) => void): number {
  QUOTED.lastIndex = at;
  const quoted = QUOTED.exec(expression);
  if (quoted) {
    for (const _ of quoted[1]!) add(1);
    return QUOTED.lastIndex;
  }
  add(1);
  BRACED_ESCAPE.lastIndex = at;
  return BRACED_ESCAPE.test(expression) ? BRACED_ESCAPE.lastIndex : at + 2;
}

/** A class such as `[]a[:digit:]\d+-\]]` ends with a bracket that is not its first character, not escaped, not a name's. */
function endOfClass(expression: string, start: number): number {
  let at = start + 1;
  if (expression[at] === "^") at++;
  for (let first = true; at < expression.length; first = false) {
    if (expression[at] === "]" && !first) return at + 1;
    const name = expression.startsWith("[:", at) ? expression.indexOf(":]", at + 2) : -1;
    CLASS_ESCAPE.lastIndex = at;
    if (name >= 0) at = name + 2;
    else if (CLASS_ESCAPE.test(expression)) at = CLASS_ESCAPE.lastIndex;
    else at = endOfRange(expression, at);
  }
  return at;
}

/** A character of a class, or two with a hyphen between: the second may be a bracket that opens no name. */
function endOfRange(expression: string, start: number): number {
  const at = endOfCharacter(expression, start);
  const isRange = expression[at] === "-" && at + 1 < expression.length && expression[at + 1] !== "]";
  return isRange ? endOfCharacter(expression, at + 1) : at;
}

function endOfCharacter(expression: string, at: number): number {
  CHARACTER_ESCAPE.lastIndex = at;
  return CHARACTER_ESCAPE.test(expression) ? CHARACTER_ESCAPE.lastIndex : at + 1;
}
