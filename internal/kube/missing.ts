/** What to say of an object that a person named and that is not there: where one of that name is, or which names are near. */
import { firstFew } from "../cli/first-few.ts";
import { nearest } from "../cli/nearest.ts";
import { printable } from "../cli/printable.ts";
import type { KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import type { Client } from "./client.ts";
import { isNotFound } from "./errors.ts";

/** So many objects are looked through for a near name. */
const MAX_OBJECTS = 2000;
const MAX_NAMED = 5;

const NO_KIND = ": the CRD of that kind is not installed in this cluster";

/** What was looked for. */
export interface Missing {
  /** As people call it: "pod". */
  what: string;
  resource: Resource;
  name: string;
  /** Where it was looked for; undefined: everywhere, or it has no namespace. */
  namespace?: string | undefined;
}

/**
 * `Cannot find pod "a" in namespace "b": it is in namespace c; give --namespace=c`. What the caller may not list is left out.
 *
 * @throws the signal's reason when it aborts, and nothing else
 */
export async function missingText(
  client: Pick<Client, "list">,
  missing: Missing,
  signal: AbortSignal,
): Promise<string> {
  const { what, name, namespace } = missing;
  const found = `Cannot find ${what} "${name}"${namespace === undefined ? "" : ` in namespace "${namespace}"`}`;
  if (namespace !== undefined) {
    const elsewhere = await list(client, missing.resource, { fieldSelector: `metadata.name=${name}` }, signal);
    if (elsewhere === "no such kind") return found + NO_KIND;
    const places = (elsewhere ?? []).flatMap(({ metadata }) => metadata.namespace ?? []);
    const [first] = places;
    if (places.length === 1) return `${found}: it is in namespace ${first}; give --namespace=${first}`;
    if (places.length > 1) return `${found}: it is in namespaces ${firstFew(places, MAX_NAMED)}; give --namespace`;
  }
  const all = await list(client, missing.resource, namespace === undefined ? {} : { namespace }, signal);
  if (all === "no such kind") return found + NO_KIND;
  if (all === undefined) return namespace === undefined ? found : `${found}: give the right --namespace`;
  const names = all.map(({ metadata }) => metadata.name);
  // The pods of a Deployment have its name and more.
  const near = nearest(name, names) ?? names.find((each) => each.startsWith(`${name}-`));
  if (near !== undefined) return `${found}: did you mean ${near}?`;
  if (all.length === 0) return `${found}: there is no ${what} ${namespace === undefined ? "at all" : "there"}`;
  const few = firstFew(all, MAX_NAMED, ({ metadata }) =>
    namespace === undefined && metadata.namespace !== undefined
      ? `${metadata.namespace}/${metadata.name}`
      : metadata.name,
  );
  return `${found}: there ${all.length === 1 ? "is only" : "are"} ${printable(few)}`;
}

/** undefined if the caller may not list them, or the server does not answer. */
async function list(
  client: Pick<Client, "list">,
  resource: Resource,
  where: { namespace?: string; fieldSelector?: string },
  signal: AbortSignal,
): Promise<KubeObject[] | "no such kind" | undefined> {
  try {
    const transform = ({ apiVersion, kind, metadata: { name, namespace } }: KubeObject): KubeObject =>
      ({ apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }) as KubeObject;
    return (await client.list<KubeObject>(resource, { ...where, transform, atMost: MAX_OBJECTS, signal })).items;
  } catch (error) {
    signal.throwIfAborted();
    return isNotFound(error) ? "no such kind" : undefined;
  }
}
