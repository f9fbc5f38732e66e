/** What the API server says of fields that it does not know, in short and with the name that was meant. Pure. */
import { nearest } from "../../cli/nearest.ts";
import { printable } from "../../cli/printable.ts";
import type { JsonSchema } from "../../api/core.ts";
import { SPEC_FORM } from "../../api/spec-form.gen.ts";

/** How the server begins to speak of fields (k8s.io/apimachinery, pkg/runtime/error.go). */
const STRICT = "strict decoding error: ";
/** How it refuses what was applied server-side (sigs.k8s.io/structured-merge-diff). */
const UNDECLARED = /failed to create typed patch object .*: \.([^ ]{1,500}): field not declared in schema$/;
const FIELD = /^(unknown|duplicate) field "([^"]{1,500})"$/;

/**
 * What is wrong with the fields of a resource; undefined if a refusal is about something else.
 *
 * @param detail the server's words, which may have the whole resource before what is wrong
 */
export function fieldsText(detail: string): string | undefined {
  const [, undeclared] = UNDECLARED.exec(detail) ?? [];
  if (undeclared !== undefined) return partText(`unknown field "${undeclared}"`);
  const at = detail.lastIndexOf(STRICT);
  if (at < 0) return undefined;
  const parts = detail.slice(at + STRICT.length).split(/, (?=unknown field|duplicate field)/);
  return parts.map(partText).join("; ");
}

function partText(part: string): string {
  const [, what, field = ""] = FIELD.exec(part) ?? [];
  if (what === undefined) return printable(part);
  const name = printable(field);
  const near = what === "unknown" ? nearField(field) : undefined;
  return `${what} field "${name}"${near === undefined ? "" : `: did you mean ${near}?`}`;
}

/** Fields of a spec that the CRD does not have, which the API server would refuse or drop; undefined if there are none. */
export function unknownFieldsText(spec: unknown): string | undefined {
  const found = unknownFields(spec, SPEC_FORM, "spec");
  return found.length === 0 ? undefined : found.map((field) => partText(`unknown field "${field}"`)).join("; ");
}

function unknownFields(value: unknown, schema: JsonSchema, path: string): string[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((item, i) => unknownFields(item, items, `${path}[${i}]`));
  }
  const { properties } = schema;
  if (typeof value !== "object" || value === null || properties === undefined) return [];
  return Object.entries(value).flatMap(([name, each]) => {
    const below = Object.hasOwn(properties, name) ? properties[name] : undefined;
    return below === undefined ? [`${path}.${name}`] : unknownFields(each, below, `${path}.${name}`);
  });
}

/** The field beside it whose name is near. */
function nearField(path: string): string | undefined {
  const names = path.replaceAll(/\[\d+\]/g, "").split(".");
  const last = names.pop() ?? "";
  if (names.length === 0) return nearest(last, ["metadata", "spec"]);
  if (names.shift() !== "spec") return undefined;
  let schema: JsonSchema | undefined = SPEC_FORM;
  for (const name of names) schema = partsOf(schema)?.[name];
  return nearest(last, Object.keys(partsOf(schema) ?? {}));
}

function partsOf(schema: JsonSchema | undefined): Readonly<Record<string, JsonSchema>> | undefined {
  return schema?.items?.properties ?? schema?.properties;
}
