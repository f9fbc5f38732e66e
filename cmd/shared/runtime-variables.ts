import { BUN_VARIABLES, SMALL_HEAP } from "../../internal/api/runtime-variables.ts";

/**
 * Why this program does not run with an environment, or undefined if it does. What such a variable has loaded has run
 * by then, and BUN_BE_BUN makes another program of this one: that is for who sets the environment to keep out. A
 * variable that was left in a shell by mistake does not stay unnoticed.
 */
export function environmentProblem(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const ours: Readonly<Record<string, string>> = SMALL_HEAP;
  const found = BUN_VARIABLES.find((name) => ![undefined, "", ours[name]].includes(environment[name]));
  if (found === undefined) return undefined;
  return `Cannot start with ${found} in the environment: it can run other code in this program, or open it to a debugger: unset ${found}`;
}
