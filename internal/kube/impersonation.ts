import type { Headers } from "./credentials.ts";

/** Whom a kubeconfig's user acts as. */
export interface Impersonation {
  user: string;
  uid: string | undefined;
  groups: string[];
  extra: Record<string, string[]>;
}

/**
 * Reads `as`, `as-uid`, `as-groups` and `as-user-extra`.
 *
 * @throws Error when they are malformed or, as in client-go, when there is no `as`
 */
export function parseImpersonation(name: string, raw: Record<string, unknown>): Impersonation | undefined {
  const { as: user = "", "as-uid": uid = "", "as-groups": groups, "as-user-extra": extra } = raw;
  if (typeof user !== "string") throw new Error(`user "${name}" has as that is not a string`);
  if (typeof uid !== "string") throw new Error(`user "${name}" has as-uid that is not a string`);
  if (!isStrings(groups ?? [])) throw new Error(`user "${name}" has as-groups that is not a list of strings`);
  if (!isExtra(extra ?? {})) throw new Error(`user "${name}" has as-user-extra that is not a map of lists of strings`);
  const result = {
    user,
    uid: uid === "" ? undefined : uid,
    groups: (groups ?? []) as string[],
    extra: (extra ?? {}) as Record<string, string[]>,
  };
  if (user !== "") return result;
  if (result.uid === undefined && result.groups.length === 0 && Object.keys(result.extra).length === 0)
    return undefined;
  throw new Error(`user "${name}" has as-uid, as-groups or as-user-extra, but no as: name the user to impersonate`);
}

/** The headers that client-go sends. */
export function impersonationHeaders({ user, uid, groups, extra }: Impersonation): Headers {
  const headers: Headers = { "impersonate-user": user };
  if (uid !== undefined) headers["impersonate-uid"] = uid;
  if (groups.length > 0) headers["impersonate-group"] = groups;
  for (const [key, values] of Object.entries(extra)) {
    headers[`impersonate-extra-${escapeHeaderName(key).toLowerCase()}`] = values;
  }
  return headers;
}

/** Every byte that a header name cannot have, and %, as %XX. */
function escapeHeaderName(text: string): string {
  return Array.from(Buffer.from(text, "utf8"), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9!#$&'*+.^_`|~-]/.test(character) ? character : `%${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isExtra(value: unknown): value is Record<string, string[]> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(isStrings);
}
