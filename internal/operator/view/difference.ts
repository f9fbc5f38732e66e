/** How two versions of a resource differ, field by field. Pure. */
import { isDeepStrictEqual } from "node:util";
import { LAST_APPLIED_ANNOTATION } from "./merge.ts";

/** One field that differs. */
export interface FieldChange {
  /** Such as `spec.onload.kernelMappings[0].regexp`. */
  field: string;
  /** undefined: it was not there. */
  from: unknown;
  /** undefined: it will not be there. */
  to: unknown;
}

/** The parts of a resource that people write. */
interface Written {
  readonly metadata?: { readonly labels?: object; readonly annotations?: object };
  readonly spec?: unknown;
}

/** What differs of what people write. The API server's defaults count as written. */
export function resourceChanges(before: Written | undefined, after: Written | undefined): FieldChange[] {
  return changes("", written(before), written(after));
}

function written(resource: Written | undefined): object {
  const { [LAST_APPLIED_ANNOTATION]: _, ...annotations } = (resource?.metadata?.annotations ?? {}) as Record<
    string,
    string
  >;
  return { metadata: { labels: resource?.metadata?.labels ?? {}, annotations }, spec: resource?.spec ?? {} };
}

function changes(field: string, from: unknown, to: unknown): FieldChange[] {
  if (isDeepStrictEqual(from, to)) return [];
  const [a, b] = [partsOf(from), partsOf(to)];
  // A whole that comes or goes is told by its parts too, so that each line has one value.
  const isWhole = (parts: Map<string, unknown> | undefined, value: unknown): boolean =>
    parts !== undefined || value === undefined;
  if ((!a && !b) || !isWhole(a, from) || !isWhole(b, to)) return [{ field, from, to }];
  const names = [...new Set([...(a?.keys() ?? []), ...(b?.keys() ?? [])])];
  if (names.length === 0) return [{ field, from, to }];
  return names.flatMap((name) => changes(field === "" ? name.slice(1) : `${field}${name}`, a?.get(name), b?.get(name)));
}

/** The parts of a list or of an object, by how they are written behind its own name. */
function partsOf(value: unknown): Map<string, unknown> | undefined {
  if (Array.isArray(value)) return new Map(value.map((item, index) => [`[${index}]`, item as unknown]));
  if (typeof value !== "object" || value === null) return undefined;
  return new Map(
    Object.entries(value).map(([name, item]) => [/^\w+$/.test(name) ? `.${name}` : `["${name}"]`, item as unknown]),
  );
}

/** One line for each change, as in a diff. */
export function changeLines(all: readonly FieldChange[]): string[] {
  return all.map(({ field, from, to }) => {
    if (from === undefined) return `+ ${field}: ${JSON.stringify(to)}`;
    if (to === undefined) return `- ${field}: ${JSON.stringify(from)}`;
    return `~ ${field}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
  });
}
