/** The Onload resources of a file that a person would apply. Pure. */
import { UsageError } from "../../cli/errors.ts";
import type { KubeObject } from "../../api/core.ts";
import { ONLOAD_GROUP, ONLOAD_KIND } from "../../api/names.ts";
import { ONLOADS } from "../../api/resources.ts";
import { apiVersionOf } from "../../kube/resource.ts";
import { objectKey } from "../../kube/object.ts";
import type { RawOnload } from "../cache/caches.ts";

/** What a file has. */
export interface Manifests {
  /** With their namespaces, in the order of the file. */
  onloads: RawOnload[];
  /** Everything else. It would be applied too, and is not planned for. */
  others: KubeObject[];
}

/** Most objects that a file may have. */
const MAX_OBJECTS = 1000;

/**
 * Sorts what a file has, as kubectl takes it: several documents, empty ones, and Lists.
 *
 * @param purpose what it is read for, for messages: `plan for FILE`
 * @param namespace of objects that name none
 * @param asked the namespace that the person named, which must be that of every Onload resource; undefined: any
 * @throws UsageError that names the object and what would be right
 */
export function readManifests(
  documents: readonly unknown[],
  purpose: string,
  namespace: string,
  asked: string | undefined,
): Manifests {
  const refuse = (why: string): never => {
    throw new UsageError(`Cannot ${purpose}: ${why}`);
  };
  const objects = documents.flatMap(itemsOf).filter((object) => object !== null && object !== undefined);
  if (objects.length > MAX_OBJECTS) refuse(`it has ${objects.length} objects: give it in files of ${MAX_OBJECTS}`);
  const found: Manifests = { onloads: [], others: [] };
  for (const object of objects) {
    const { apiVersion, kind, metadata } = object as Partial<KubeObject>;
    if (typeof object !== "object" || typeof apiVersion !== "string" || typeof kind !== "string") {
      return refuse("it has an object without apiVersion or kind");
    }
    const name: unknown = metadata?.name;
    const isOnload = kind === ONLOAD_KIND && apiVersion.split("/")[0] === ONLOAD_GROUP;
    if (typeof name !== "string" || name === "") return refuse(`metadata.name of ${article(kind)} is missing`);
    const placed = {
      ...(object as KubeObject),
      metadata: { ...metadata, name, namespace: metadata?.namespace ?? namespace },
    };
    if (!isOnload) {
      found.others.push(placed);
      continue;
    }
    if (apiVersion !== apiVersionOf(ONLOADS)) {
      refuse(`apiVersion of Onload "${name}" is ${apiVersion}: it must be ${apiVersionOf(ONLOADS)}`);
    }
    if (asked !== undefined && placed.metadata.namespace !== asked) {
      refuse(
        `Onload "${name}" is of namespace "${placed.metadata.namespace}", and --namespace is "${asked}": correct one of them`,
      );
    }
    if (found.onloads.some((other) => objectKey(other) === objectKey(placed))) {
      refuse(`it has Onload "${name}" of namespace "${placed.metadata.namespace}" twice`);
    }
    found.onloads.push(placed as RawOnload);
  }
  if (found.onloads.length === 0) refuse("it has no Onload resource");
  return found;
}

/** The objects of a document: a List has several. */
function itemsOf(document: unknown): unknown[] {
  const { kind, items } = (document ?? {}) as { kind?: unknown; items?: unknown };
  return typeof kind === "string" && kind.endsWith("List") && Array.isArray(items) ? items : [document];
}

function article(kind: string): string {
  return `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`;
}
