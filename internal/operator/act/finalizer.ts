/** Our finalizer: it keeps a resource that is deleted until every node is clean and its objects are gone. */
import { asError } from "../../cli/errors.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { FINALIZER } from "../../api/names.ts";
import { isConflict, isNotFound } from "../../kube/errors.ts";
import { ONLOADS } from "../../api/resources.ts";
import { refOf } from "../../kube/resource.ts";
import type { RawOnload, ReconcilerCaches } from "../cache/caches.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";

/** What came of changing the finalizers. */
export interface FinalizerResult {
  done: boolean;
  /** What went wrong. */
  errors: Error[];
  /** Why the change was refused although nothing is wrong: the cache does not know of another change yet. */
  overtaken: Error[];
}

const DONE: FinalizerResult = { done: true, errors: [], overtaken: [] };

function refused(error: unknown, overtaken: boolean): FinalizerResult {
  return { done: false, errors: overtaken ? [] : [asError(error)], overtaken: overtaken ? [asError(error)] : [] };
}

interface Deps {
  client: Pick<ClusterClient, "mergePatch">;
  caches: Pick<ReconcilerCaches, "onloads">;
}

/**
 * Adds the finalizer if it is missing.
 *
 * @throws the signal's reason when it aborts
 */
export async function addFinalizer(
  { client, caches }: Deps,
  raw: DeepReadonly<RawOnload>,
  signal: AbortSignal,
): Promise<FinalizerResult> {
  const { finalizers = [], resourceVersion } = raw.metadata;
  if (finalizers.includes(FINALIZER)) return DONE;
  const patch = { metadata: { finalizers: [...finalizers, FINALIZER] } };
  try {
    caches.onloads.observe(await client.mergePatch<RawOnload>(ONLOADS, refOf(raw), patch, { resourceVersion, signal }));
    return DONE;
  } catch (error) {
    signal.throwIfAborted();
    return refused(error, isConflict(error) || isNotFound(error));
  }
}

/**
 * Removes the finalizer, with which the resource ends.
 *
 * @throws the signal's reason when it aborts
 */
export async function removeFinalizer(
  { client }: Deps,
  raw: DeepReadonly<RawOnload>,
  signal: AbortSignal,
): Promise<FinalizerResult> {
  const { finalizers = [], resourceVersion } = raw.metadata;
  if (!finalizers.includes(FINALIZER)) return DONE;
  const patch = { metadata: { finalizers: finalizers.filter((each) => each !== FINALIZER) } };
  try {
    await client.mergePatch(ONLOADS, refOf(raw), patch, { resourceVersion, signal });
    return DONE;
  } catch (error) {
    signal.throwIfAborted();
    // The cache may not know yet that our last patch let it go.
    return isNotFound(error) ? DONE : refused(error, isConflict(error));
  }
}
