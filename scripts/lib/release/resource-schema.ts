type Schema = Record<string, unknown>;

/**
 * The JSON schema of an Onload resource, by which editors complete and check files (yaml-language-server, kubeconform). What the CRD
 * checks by CEL is not in it: a JSON schema cannot say that.
 */
export function resourceSchema(crd: object): Schema {
  const { spec } = crd as {
    spec: { group: string; names: { kind: string }; versions: { name: string; schema: { openAPIV3Schema: Schema } }[] };
  };
  const [version] = spec.versions;
  const schema = converted(version!.schema.openAPIV3Schema);
  const properties = schema["properties"] as Record<string, Schema>;
  properties["apiVersion"] = { type: "string", enum: [`${spec.group}/${version!.name}`] };
  properties["kind"] = { type: "string", enum: [spec.names.kind] };
  properties["metadata"] = { type: "object" };
  return { $schema: "http://json-schema.org/draft-07/schema#", ...schema, required: ["apiVersion", "kind", "spec"] };
}

/** OpenAPI as the API server takes it, without its extensions. Unknown fields are errors, as with `kubectl apply`. */
function converted(schema: Schema): Schema {
  const entries = Object.entries(schema).filter(([name]) => !name.startsWith("x-kubernetes-") && name !== "nullable");
  const out: Schema = Object.fromEntries(entries);
  if (schema["x-kubernetes-int-or-string"] === true) {
    delete out["anyOf"];
    out["type"] = ["integer", "string"];
  }
  const properties = schema["properties"] as Record<string, Schema> | undefined;
  if (properties) {
    out["properties"] = Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, converted(each)]));
    if (schema["x-kubernetes-preserve-unknown-fields"] !== true) out["additionalProperties"] = false;
  }
  for (const name of ["items", "additionalProperties"] as const) {
    const inner = schema[name];
    if (typeof inner === "object" && inner !== null) out[name] = converted(inner as Schema);
  }
  return out;
}
