/** Tests of numbers. */
const NUMBERS: Record<string, (left: bigint, right: bigint) => boolean> = {
  "-eq": (left, right) => left === right,
  "-ne": (left, right) => left !== right,
  "-lt": (left, right) => left < right,
  "-le": (left, right) => left <= right,
  "-gt": (left, right) => left > right,
  "-ge": (left, right) => left >= right,
};

/**
 * What `[` or `test` says about texts and numbers.
 *
 * @param words without the command itself
 * @throws Error with the reason if it looks at files, or if shells would disagree
 */
export function decide(command: string, words: readonly string[]): boolean {
  const given = command === "[" ? words.slice(0, -1) : words;
  if (command === "[" && words.at(-1) !== "]") throw new Error('"[" has no "]"');
  const [left = "", operator = "", right = ""] = given;
  if (given.length === 2 && left === "-z") return operator === "";
  if (given.length === 2 && left === "-n") return operator !== "";
  if (given.length === 2 && /^-[a-zA-Z]$/.test(left)) throw new Error(`the condition looks at the machine ("${left}")`);
  if (given.length === 3 && operator === "=") return left === right;
  if (given.length === 3 && operator === "!=") return left !== right;
  const compare = NUMBERS[operator];
  if (given.length === 3 && compare !== undefined && Object.hasOwn(NUMBERS, operator)) {
    return compare(numberOf(left), numberOf(right));
  }
  throw new Error(
    "the condition is not a comparison of texts (-z, -n, =, !=) or numbers (-eq, -ne, -lt, -le, -gt, -ge)",
  );
}

function numberOf(text: string): bigint {
  if (!/^-?\d{1,18}$/.test(text)) throw new Error(`"${text.slice(0, 100)}" is not a whole number`);
  return BigInt(text);
}
