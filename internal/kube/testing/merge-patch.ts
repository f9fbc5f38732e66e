/** RFC 7386, for doubles of the API server; members that do not change stay the same objects. */
export function mergePatch(target: object, patch: object): Record<string, unknown> {
  const out: Record<string, unknown> = { ...target };
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete out[field];
    else if (isObject(value)) out[field] = mergePatch(isObject(out[field]) ? out[field] : {}, value);
    else if (value !== undefined) out[field] = value;
  }
  return out;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
