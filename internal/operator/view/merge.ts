/** What `kubectl apply` would change of an object, as a JSON merge patch. Pure. */
import { isDeepStrictEqual } from "node:util";
import { fieldsOf, parseJson } from "../../cli/json.ts";
import type { DeepReadonly, KubeObject } from "../../api/core.ts";

/** Where kubectl keeps what it applied last. */
export const LAST_APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

type Fields = Record<string, unknown>;

/**
 * The patch with which `kubectl apply` brings an object to a file: fields of the file that differ are set, and fields
 * that were in the file that was applied before and are in it no more are removed. Everything else stays. Lists are
 * replaced as a whole (kubectl does so for kinds of a CRD).
 */
export function applyPatch(live: DeepReadonly<KubeObject>, file: DeepReadonly<KubeObject>): object {
  const patch = merged(
    removals(lastApplied(live), file as unknown as Fields),
    additions(live as unknown as Fields, file as unknown as Fields),
  );
  return patch as object;
}

/** What kubectl applied before; empty if it did not, or if that cannot be read. */
function lastApplied({ metadata }: DeepReadonly<KubeObject>): Fields {
  try {
    const before = parseJson(metadata.annotations?.[LAST_APPLIED_ANNOTATION] ?? "{}");
    return isFields(before) ? before : {};
  } catch {
    return {};
  }
}

/** What of `file` is not so in `live`. */
function additions(live: Fields, file: Fields): Fields {
  const out: Fields = {};
  for (const [name, value] of Object.entries(file)) {
    const is = Object.hasOwn(live, name) ? live[name] : undefined;
    if (isFields(value) && isFields(is)) {
      const inner = additions(is, value);
      if (Object.keys(inner).length > 0) out[name] = inner;
    } else if (!isDeepStrictEqual(is, value)) out[name] = value;
  }
  return out;
}

/** A null for each field of `before` that `file` does not have. */
function removals(before: Fields, file: Fields): Fields {
  const out: Fields = {};
  for (const [name, value] of Object.entries(before)) {
    const is = Object.hasOwn(file, name) ? file[name] : undefined;
    if (is === undefined) out[name] = null;
    else if (isFields(value) && isFields(is)) {
      const inner = removals(value, is);
      if (Object.keys(inner).length > 0) out[name] = inner;
    }
  }
  return out;
}

function merged(a: Fields, b: Fields): Fields {
  const out = { ...a };
  for (const [name, value] of Object.entries(b)) {
    const is = out[name];
    out[name] = isFields(value) && isFields(is) ? merged(is, value) : value;
  }
  return out;
}

function isFields(value: unknown): value is Fields {
  return fieldsOf(value) !== undefined;
}
