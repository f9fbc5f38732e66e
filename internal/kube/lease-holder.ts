/** What the holder of a Lease says of itself, in an annotation of the Lease. Pure. */
import type { DeepReadonly } from "../api/core.ts";
import { HOLDER_ANNOTATION } from "../api/names.ts";
import { isNamespaceName } from "../cli/values.ts";
import type { Lease } from "./kinds.ts";

/** Namespaces of which a holder has the resources; empty: all of them. */
export type Scope = readonly string[];

/** What a holder says of itself. */
export interface LeaseHolder {
  version: string;
  scope: Scope;
}

const EVERYWHERE = "*";
const ALL: Scope = [];

/** What an annotation says: `IDENTITY VERSION NAMESPACE,NAMESPACE`, or `*` for all namespaces. */
export function holderText(identity: string, { version, scope }: LeaseHolder): string {
  return `${identity} ${version} ${scope.join(",") || EVERYWHERE}`;
}

/**
 * What the holder says of itself. An annotation that names another than the holder was left behind by it: a program that
 * writes none, as the original operator, leaves it as it is.
 *
 * @returns undefined if nothing tells it
 */
export function holderOf(lease: DeepReadonly<Lease>): LeaseHolder | undefined {
  const identity = identityOf(lease);
  return identity === "" ? undefined : lastHolder(lease, identity);
}

/** Who holds a Lease; "" if nobody does. */
export function identityOf({ spec }: DeepReadonly<Lease>): string {
  return spec?.holderIdentity ?? "";
}

/**
 * The namespaces that the holder of a Lease has; for one that was released, those of its last holder. A holder that does
 * not say it, as those of earlier versions and the original operator, has all.
 */
export function scopeOf(lease: DeepReadonly<Lease>): Scope {
  return lastHolder(lease, identityOf(lease) || undefined)?.scope ?? ALL;
}

/** Whether a holder has the resources of a namespace. */
export function covers(scope: Scope, namespace: string): boolean {
  return scope.length === 0 || scope.includes(namespace);
}

/** @param identity undefined: whoever it was */
function lastHolder({ metadata }: DeepReadonly<Lease>, identity: string | undefined): LeaseHolder | undefined {
  const [holder = "", version = "", scope = EVERYWHERE] = (metadata.annotations?.[HOLDER_ANNOTATION] ?? "").split(" ");
  if (holder === "" || (identity !== undefined && holder !== identity)) return undefined;
  const namespaces = scope.split(",");
  return { version, scope: namespaces.every(isNamespaceName) ? namespaces : ALL };
}
