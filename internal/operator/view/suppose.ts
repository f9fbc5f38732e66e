/** What applying a file would make of an Onload resource, by the API server's own word: a dry run. */
import type { WriteOptions } from "../../kube/call-options.ts";
import type { Client } from "../../kube/client.ts";
import { ApiError, isConflict } from "../../kube/errors.ts";
import { ONLOADS } from "../../api/resources.ts";
import { refOf } from "../../kube/resource.ts";
import type { RawOnload } from "../cache/caches.ts";
import { applyPatch, LAST_APPLIED_ANNOTATION } from "./merge.ts";
import { fieldsText } from "./strict.ts";

/** A resource before and after a file would be applied. */
export interface Supposed {
  /** undefined: there is none of that name. */
  live: RawOnload | undefined;
  applied: RawOnload;
}

/**
 * Asks what applying a resource would make of it: the API server fills in defaults, checks every rule and every field's
 * name, and stores nothing.
 *
 * @throws ApiError with the server's words if it would refuse the resource
 */
export async function suppose(
  client: Pick<Client, "get" | "create" | "apply" | "mergePatch">,
  manifest: RawOnload,
  signal: AbortSignal,
): Promise<Supposed> {
  const live = await client.get<RawOnload>(ONLOADS, refOf(manifest), { signal });
  return { live, applied: await applied(client, live, manifest, { dryRun: true, strict: true, signal }) };
}

/** As `kubectl apply` would do it: by its own patch, or by server-side apply if that made the resource. */
async function applied(
  client: Pick<Client, "create" | "apply" | "mergePatch">,
  live: RawOnload | undefined,
  manifest: RawOnload,
  options: WriteOptions,
): Promise<RawOnload> {
  if (!live) return client.create<RawOnload>(ONLOADS, manifest, options);
  const { annotations = {}, managedFields = [] } = live.metadata;
  const manager = managedFields.find(
    ({ operation, subresource }) => operation === "Apply" && subresource === undefined,
  );
  if (manager?.manager !== undefined && annotations[LAST_APPLIED_ANNOTATION] === undefined) {
    return client.apply<RawOnload>(ONLOADS, manifest, { ...options, fieldManager: manager.manager });
  }
  return client.mergePatch<RawOnload>(ONLOADS, refOf(manifest), applyPatch(live, manifest), options);
}

/**
 * Why the server refuses what a file has, where its own words do not help: it hides fields that it does not know behind the
 * whole resource, and says nothing of the file's line at a conflict.
 *
 * @returns undefined if it is another error
 */
export function refusedBecause(error: unknown, { metadata }: RawOnload): string | undefined {
  if (isConflict(error) && metadata.resourceVersion !== undefined) {
    return "the file has the metadata.resourceVersion of an earlier state, so that kubectl apply would be refused too: take that line out";
  }
  return error instanceof ApiError ? fieldsText(error.detail) : undefined;
}
