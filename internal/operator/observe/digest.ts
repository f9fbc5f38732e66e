/** A short digest of plain data: the same for equal data, whatever the order of its keys. */
import { createHash } from "node:crypto";

/**
 * @param value data as JSON has it; keys whose value is undefined count as left out
 * @returns 16 hexadecimal digits of SHA-256
 */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(canonical(value)).digest("hex").slice(0, 16);
}

/** JSON without spaces and with the keys of every object sorted by their code units. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((each) => canonical(each ?? null)).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join()}}`;
}
