import type { DeepReadonly, JsonSchema } from "./core.ts";

/**
 * A value as the API server would store it under a structural schema: with the schema's defaults, and without fields
 * that the schema does not know. The value itself is left as it is.
 *
 * @param path of the value, for messages, such as "spec"
 * @throws Error "PATH: what is wrong" if the value does not have the form that the schema asks for
 */
export function applySchema(value: unknown, schema: DeepReadonly<JsonSchema>, path: string): unknown {
  if (schema["x-kubernetes-preserve-unknown-fields"]) return structuredClone(value);
  checkType(value, schema, path);
  if (Array.isArray(value))
    return value.map((item, index) => applySchema(item, schema.items ?? {}, `${path}[${index}]`));
  if (typeof value !== "object" || value === null) return value;
  return applyToObject(value as Record<string, unknown>, schema, path);
}

function applyToObject(
  value: Record<string, unknown>,
  schema: DeepReadonly<JsonSchema>,
  path: string,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  const further = schema["additionalProperties"] as DeepReadonly<JsonSchema> | undefined;
  if (further) {
    for (const [name, field] of Object.entries(value)) out[name] = applySchema(field, further, `${path}.${name}`);
  }
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    // As for the API server, a null that is not allowed is the same as nothing.
    const given = value[name] ?? field["default"];
    if (given !== undefined) out[name] = applySchema(given, field, `${path}.${name}`);
  }
  for (const name of (schema["required"] as readonly string[] | undefined) ?? []) {
    if (out[name] === undefined) throw new Error(`${path}.${name}: Required value`);
  }
  return out;
}

function checkType(value: unknown, schema: DeepReadonly<JsonSchema>, path: string): void {
  const wanted = schema["x-kubernetes-int-or-string"] ? "integer or string" : schema.type;
  const is = Array.isArray(value)
    ? "array"
    : Number.isInteger(value)
      ? "integer"
      : value === null
        ? "null"
        : (typeof value as string);
  const fits = wanted === undefined || wanted.split(" or ").includes(is);
  if (!fits) throw new Error(`${path}: Must be of type ${wanted}, not ${is}`);
  const values = schema["enum"] as readonly unknown[] | undefined;
  if (values && !values.includes(value)) {
    throw new Error(`${path}: Cannot be ${JSON.stringify(value)}: use one of ${values.join(", ")}`);
  }
}
