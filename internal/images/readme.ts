/** What the end of the README of a release says about the release. */
export interface ReleaseNote {
  /** Lower case, such as "onload" or "enterpriseonload". */
  product: string;
  version: string;
  /** Git revision, abbreviated. */
  revision: string;
}

/**
 * Reads the trailer that scripts/onload_mkdist fills in: after a line of ten equals signs,
 * `version: PRODUCT-VERSION`, `revision: HASH` and `date: DATE`.
 *
 * Undefined if there is none, or if it is still the template of a checkout.
 */
export function parseReadme(text: string): ReleaseNote | undefined {
  const [, trailer] = text.split(/^={10}$/m);
  if (trailer === undefined) return undefined;
  const fields = new Map<string, string>();
  for (const [, name, value] of trailer.matchAll(/^\s*(\w+):[ \t]*(.*)$/gm)) fields.set(name!, value!.trim());
  const match = /^([a-z]+)-(.+)$/.exec(fields.get("version") ?? "");
  if (!match) return undefined;
  return { product: match[1]!, version: match[2]!, revision: fields.get("revision") ?? "" };
}

/** The name under which a product is sold, as Onload's container scripts write it in labels. */
export function brandOf(product: string): string {
  if (product === "onload") return "OpenOnload";
  if (product === "enterpriseonload") return "EnterpriseOnload";
  return "Onload";
}

/**
 * Why `version` cannot be the version of a release; undefined if it can. A version becomes part of an image tag and the
 * value of a node label, whose rules are stricter.
 */
export function versionProblem(version: string): string | undefined {
  if (version.length > 63) return "it is longer than the 63 characters of a node label";
  if (/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(version)) return undefined;
  return "it may only hold letters, digits and, inside, - _ and .";
}
