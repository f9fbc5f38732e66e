/**
 * The objects of an Onload resource, kept as they should be by server-side apply: on every change of what they should
 * be, and at once when somebody else changes them.
 *
 * They have no owner reference to their resource, and lose one that another operator gave them: a deletion in the
 * foreground (kubectl delete --cascade=foreground, Argo CD) takes an owner's objects first, here the drivers from under
 * running pods. The operator deletes them itself when every node is clean.
 */
import { asError } from "../../cli/errors.ts";
import type { DeepReadonly, KubeObject, Pod } from "../../api/core.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { KMM_MODULE_NAME_LABEL, KMM_ROLE_LABEL, MANAGED_BY_LABEL, OPERATOR_NAME } from "../../api/names.ts";
import { hasLabels } from "../../api/label-selector.ts";
import { isConflict } from "../../kube/errors.ts";
import { MODULES, type Resource } from "../../api/resources.ts";
import { DAEMON_SETS, PODS, refOf } from "../../kube/resource.ts";
import { adopt, isByOnload } from "./adopt.ts";
import type { ReconcilerCaches } from "../cache/caches.ts";
import type { DesiredObjects } from "../desired/objects.ts";
import type { LiveObjects } from "../observe/cluster.ts";

/** An object as it was applied last. */
interface Applied {
  desired: KubeObject;
  /** The same as text. */
  body: string;
  uid: string | undefined;
  generation: number | undefined;
  /** Milliseconds of a clock that does not go back. */
  at: number;
  /** How often in a row it was applied because somebody had changed or deleted it. */
  repeats: number;
}

/** What was applied last for one resource, by plural and name. It is lost with the process, which then applies again. */
export type AppliedObjects = Map<string, Applied>;

/** What applying needs. */
export interface Applier {
  client: Pick<ClusterClient, "get" | "list" | "apply" | "mergePatch" | "delete">;
  caches: Pick<ReconcilerCaches, "modules" | "daemonSets" | "nodes">;
  applied: AppliedObjects;
  /** Milliseconds of a clock that does not go back. */
  monotonic: () => number;
}

/** An object that somebody has changed or deleted is applied again no sooner: a webhook or controller may do so each time. */
const SAME_APPLY_MS = 1000;
/** After this time without a change, the next one is the first. */
const QUIET_MS = 60_000;
/** So often in a row somebody may change or delete an object before a person is told. */
const MAX_REPEATS = 5;

/** An object is not applied yet again. */
class HeldError extends Error {
  override name = "HeldError";
  readonly waitMs: number;
  /** Whether a person has to know. */
  readonly lasts: boolean;

  constructor({ kind, metadata }: KubeObject, waitMs: number, repeats: number) {
    super(
      `Cannot keep ${kind} "${metadata.name}" as it should be: somebody deletes it, or changes its labels, owners or spec, each time`,
    );
    this.waitMs = waitMs;
    this.lasts = repeats > MAX_REPEATS;
  }
}

/** A cache does not have an object yet that is in the cluster. */
class BehindError extends Error {
  override name = "BehindError";
}

/**
 * Makes an object in the cluster as `desired` says, unless it is already.
 *
 * What a Module may become depends on what it is while nodes have it loaded, so a Module that the cache does not have is
 * looked for first: the cache may be behind our own write.
 *
 * @param live the object as the cache has it
 * @returns the object as the API server answered; undefined if nothing was sent
 * @throws HeldError if somebody changes it again and again
 */
async function applyObject<T extends KubeObject>(
  { client, applied, monotonic }: Applier,
  resource: Resource,
  desired: T,
  live: DeepReadonly<T> | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  const id = idOf(resource, desired);
  const before = applied.get(id);
  const body = before?.desired === desired ? before.body : JSON.stringify(desired);
  if (before && live && before.body === body && isUntouched(before, desired, live)) {
    before.desired = desired;
    return undefined;
  }
  const now = monotonic();
  const isRepeat = before !== undefined && before.body === body && now - before.at < QUIET_MS;
  const repeats = isRepeat ? before.repeats + 1 : 0;
  if (isRepeat && before.at + SAME_APPLY_MS > now) {
    throw new HeldError(desired, before.at + SAME_APPLY_MS - now, repeats);
  }
  if (!live && resource === MODULES && (await client.get(resource, refOf(desired), { signal }))) {
    throw new BehindError(
      `Cannot apply ${resource.kind} "${desired.metadata.name}": it is there, and the cache is behind`,
    );
  }
  let answer = await client.apply<T>(resource, desired as DeepReadonly<T>, { signal });
  const metadata = adopt(answer.metadata);
  if (metadata) {
    const { resourceVersion } = answer.metadata;
    await client.mergePatch<T>(resource, refOf(answer), { metadata }, { resourceVersion, signal });
    answer = await client.apply<T>(resource, desired as DeepReadonly<T>, { signal });
  }
  applied.set(id, {
    desired,
    body,
    uid: answer.metadata.uid,
    generation: answer.metadata.generation,
    at: now,
    repeats,
  });
  if (repeats > MAX_REPEATS) throw new HeldError(desired, SAME_APPLY_MS, repeats);
  return answer;
}

/** What came of applying or deleting a resource's objects. */
export interface ObjectResults {
  /** What went wrong, one error per object. */
  errors: Error[];
  /** What was not done because the object is not as the cache has it: the cache will say. */
  overtaken: Error[];
  /** Milliseconds until an object that is not as it should be may be applied again; undefined if none waits for that. */
  heldMs: number | undefined;
}

/** What is to be applied of a resource's objects. */
export interface ObjectsToApply {
  applied: Partial<DesiredObjects["applied"]>;
  daemonSet: DesiredObjects["daemonSet"];
}

/**
 * Applies objects of an Onload resource. The failure of one does not stop the others, but for sfc: KMM unloads it from
 * a node that its Module loses, whatever rests on it there. So the Module of sfc never loses a node that onload's has kept.
 *
 * @param drop what of `live` is to be deleted
 * @throws the signal's reason when it aborts
 */
export async function applyObjects(
  applier: Applier,
  { applied: { onload, sfc }, daemonSet }: ObjectsToApply,
  live: LiveObjects,
  drop: { sfc: boolean },
  signal: AbortSignal,
): Promise<ObjectResults> {
  const { modules, daemonSets } = applier.caches;
  const one = async <T extends KubeObject>(
    resource: Resource,
    cache: { observe(object: T): void },
    desired: T | undefined,
    current: DeepReadonly<T> | undefined,
  ): Promise<void> => {
    const answer = desired && (await applyObject(applier, resource, desired, current, signal));
    if (answer) cache.observe(answer);
  };
  const both = async (): Promise<void> => {
    await one(MODULES, modules, onload, live.onload);
    await one(MODULES, modules, sfc, live.sfc);
  };
  return resultsOf(
    [
      both(),
      one(DAEMON_SETS, daemonSets, daemonSet, live.daemonSet),
      ...(drop.sfc ? [removeObject(applier, MODULES, live.sfc, signal)] : []),
    ],
    signal,
  );
}

/**
 * Deletes all objects of an Onload resource, side by side.
 *
 * @throws the signal's reason when it aborts
 */
export async function removeObjects(applier: Applier, live: LiveObjects, signal: AbortSignal): Promise<ObjectResults> {
  return resultsOf(
    [
      removeObject(applier, MODULES, live.onload, signal),
      removeObject(applier, MODULES, live.sfc, signal),
      removeObject(applier, DAEMON_SETS, live.daemonSet, signal),
      removeUnseen(applier, live, signal),
    ],
    signal,
  );
}

async function resultsOf(work: Promise<void>[], signal: AbortSignal): Promise<ObjectResults> {
  const settled = await Promise.allSettled(work);
  signal.throwIfAborted();
  const thrown = settled.flatMap((each) => (each.status === "rejected" ? [asError(each.reason)] : []));
  const isOvertaken = (error: Error): boolean => error instanceof BehindError || isConflict(error);
  const held = thrown.filter((each) => each instanceof HeldError);
  return {
    errors: thrown.filter((each) => !isOvertaken(each) && (!(each instanceof HeldError) || each.lasts)),
    overtaken: thrown.filter(isOvertaken),
    heldMs: held.length > 0 ? Math.min(...held.map(({ waitMs }) => waitMs)) : undefined,
  };
}

/** Whether an object was made for an Onload resource, by us or by the original operator, which set owners. */
function isOurs({ metadata: { labels, ownerReferences = [] } }: DeepReadonly<KubeObject>): boolean {
  return labels?.[MANAGED_BY_LABEL] === OPERATOR_NAME || ownerReferences.some(isByOnload);
}

/** Deletes an object, if it is there, and not somebody else's of that name. */
async function removeObject(
  applier: Applier,
  resource: Resource,
  live: DeepReadonly<KubeObject> | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (!live || live.metadata.deletionTimestamp || !isOurs(live)) return;
  if (resource === MODULES) await requireUnloaded(applier, live, signal);
  await applier.client.delete(resource, refOf(live), { uid: live.metadata.uid, signal });
  applier.applied.delete(idOf(resource, live));
}

/**
 * KMM unloads a Module that is deleted, on all nodes at once and not after what depends on it. With KMM 1.1 only pods tell
 * what is loaded, and their cache may be behind that of the nodes: they are listed afresh.
 */
async function requireUnloaded(
  { client, caches }: Applier,
  { metadata: { namespace, name } }: DeepReadonly<KubeObject>,
  signal: AbortSignal,
): Promise<void> {
  const labelSelector = `${KMM_MODULE_NAME_LABEL}=${name},${KMM_ROLE_LABEL}=module-loader`;
  const { items } = await client.list<Pod>(PODS, { namespace, labelSelector, signal });
  const node = items.map(({ spec }) => spec?.nodeName ?? "").find((each) => caches.nodes.store.get(each));
  if (node === undefined) return;
  throw new BehindError(`Cannot delete Module "${name}": it is on node ${node}, and the cache is behind`);
}

/** Deletes what was applied and what the caches do not have: they may be behind our own write. */
async function removeUnseen(applier: Applier, live: LiveObjects, signal: AbortSignal): Promise<void> {
  const { client, applied } = applier;
  const seen = new Set(Object.values(live).map((object: DeepReadonly<KubeObject> | undefined) => object?.metadata.uid));
  for (const [id, { desired, uid }] of applied) {
    if (uid === undefined || seen.has(uid)) continue;
    const resource = desired.kind === MODULES.kind ? MODULES : DAEMON_SETS;
    if (resource === MODULES) await requireUnloaded(applier, desired, signal);
    try {
      await client.delete(resource, refOf(desired), { uid, signal });
    } catch (error) {
      // Somebody has made another in its place.
      if (!isConflict(error)) throw error;
    }
    applied.delete(id);
  }
}

function idOf({ plural }: Resource, { metadata }: DeepReadonly<KubeObject>): string {
  return `${plural}/${metadata.name}`;
}

/** The generation counts changes of the spec; labels and owners are compared. */
function isUntouched(before: Applied, desired: KubeObject, live: DeepReadonly<KubeObject>): boolean {
  const { uid, generation, labels = {}, ownerReferences = [] } = live.metadata;
  // The cache may still be behind our own write.
  const behind = uid === before.uid && (generation ?? 0) < (before.generation ?? 0);
  if (behind) return true;
  return (
    uid === before.uid &&
    generation === before.generation &&
    hasLabels(desired.metadata.labels ?? {}, labels) &&
    !ownerReferences.some(isByOnload)
  );
}
