/**
 * Reads what `orm_json stats more_stats` prints (src/tools/onload_remote_monitor/orm_json_lib.c of Onload 8.1, 9.0 and July
 * 2026):
 *
 *     {"onload_version":"9.0.2","json":[{"7":{"stats":{"k_polls":12,...},"more_stats":{...}}},...]}
 *
 * Numbers of 64 bits are strings. The form of --flat is not used: it also prints the name that a program has given to its
 * stack, as it stands. By a name with quotation marks a program could pass its counters off as another's, or have the
 * whole text be no JSON. In this form everything is of Onload itself.
 */
import { fieldsOf, parseJson } from "../cli/json.ts";
import { STACK_COUNTERS, type StackReading } from "./stack-counters.ts";

/** The words of the tool. --dblbuf: it prints all or nothing. */
export const ORM_JSON: readonly string[] = ["orm_json", "--dblbuf", "stats", "more_stats"];

/**
 * Parses the text, and takes what is shown of the stacks that are wanted.
 *
 * @throws Error if it is something else
 */
export function parseOrmJson(text: string, wanted: ReadonlySet<number>): StackReading {
  const entries = fieldsOf(parseJson(text))?.["json"];
  if (!Array.isArray(entries)) throw new Error("it has no list of stacks");
  const found = new Map<number, Record<string, number>>();
  let total = 0;
  for (const entry of entries) {
    for (const [key, value] of Object.entries(fieldsOf(entry) ?? {})) {
      const stack = fieldsOf(value);
      const id = /^\d{1,10}$/.test(key) ? Number(key) : undefined;
      if (stack === undefined || id === undefined) continue;
      total++;
      if (wanted.has(id) && !found.has(id)) found.set(id, valuesOf(stack));
    }
  }
  return { total, stacks: [...found].map(([id, values]) => ({ id, values })) };
}

function valuesOf(stack: Record<string, unknown>): Record<string, number> {
  const values: Record<string, number> = {};
  for (const { name, section, of } of STACK_COUNTERS) {
    const all = fieldsOf(stack[section]) ?? {};
    const parts = of.map((key) => (Object.hasOwn(all, key) ? numberOf(all[key]) : undefined));
    const known = parts.filter((part) => part !== undefined);
    if (known.length > 0) values[name] = known.reduce((sum, part) => sum + part, 0);
  }
  return values;
}

/** A number that counts something; undefined if it is none. */
function numberOf(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{1,20}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : undefined;
}
