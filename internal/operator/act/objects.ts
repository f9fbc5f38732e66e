/**
 * The objects of an Onload resource, kept as they should be by server-side apply: on every change of what they should
 * be, and at once when somebody else changes them.
 *
 * They have no owner reference to their resource, and lose one that another operator gave them: a deletion in the
 * foreground (kubectl delete --cascade=foreground, Argo CD) takes an owner's objects first, here the drivers from under
 * running pods. The operator deletes them itself when every node is clean.
 */
import type { DeepReadonly, KubeObject } from "../../api/core.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { MODULES, type Resource } from "../../api/resources.ts";
import { DAEMON_SETS, refOf } from "../../kube/resource.ts";
import { adopt, isByOnload } from "./adopt.ts";
import type { ReconcilerCaches } from "../cache/caches.ts";
import type { DesiredObjects } from "../desired/objects.ts";
import type { LiveObjects } from "../observe/cluster.ts";

interface Applied {
  desired: KubeObject;
  /** The same as text. */
  body: string;
  uid: string | undefined;
  generation: number | undefined;
}

/** Applies objects, and applies them again when the one in the cluster is not the one that was applied. */
export class Applier {
  readonly #client: ClusterClient;
  readonly #applied = new Map<string, Applied>();

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /**
   * Makes the object in the cluster as `desired` says, unless it is already.
   *
   * @param live the object as the cache has it
   * @returns the object as the API server answered; undefined where nothing was sent
   */
  async apply<T extends KubeObject>(
    resource: Resource,
    desired: T,
    live: DeepReadonly<T> | undefined,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const id = `${resource.plural}/${desired.metadata.namespace}/${desired.metadata.name}`;
    const before = this.#applied.get(id);
    const body = before?.desired === desired ? before.body : JSON.stringify(desired);
    if (before && live && before.body === body && isUntouched(before, desired, live)) {
      before.desired = desired;
      return undefined;
    }
    let answer = await this.#client.apply<T>(resource, desired as DeepReadonly<T>, { signal });
    const metadata = adopt(answer.metadata);
    if (metadata) {
      const { resourceVersion } = answer.metadata;
      await this.#client.mergePatch<T>(resource, refOf(answer), { metadata }, { resourceVersion, signal });
      answer = await this.#client.apply<T>(resource, desired as DeepReadonly<T>, { signal });
    }
    this.#applied.set(id, { desired, body, uid: answer.metadata.uid, generation: answer.metadata.generation });
    return answer;
  }

  /** Applies all objects of an Onload resource. */
  async applyAll(
    caches: ReconcilerCaches,
    desired: DesiredObjects,
    live: LiveObjects,
    signal: AbortSignal,
  ): Promise<void> {
    const { onload, sfc, daemonSet } = desired;
    const done = await Promise.allSettled([
      this.apply(MODULES, onload, live.onload, signal).then((answer) => answer && caches.modules.observe(answer)),
      sfc && this.apply(MODULES, sfc, live.sfc, signal).then((answer) => answer && caches.modules.observe(answer)),
      daemonSet &&
        this.apply(DAEMON_SETS, daemonSet, live.daemonSet, signal).then(
          (answer) => answer && caches.daemonSets.observe(answer),
        ),
    ]);
    const errors = done.flatMap((each) => (each.status === "rejected" ? [each.reason as Error] : []));
    if (errors.length > 0) throw errors.length === 1 ? errors[0]! : new AggregateError(errors, "Cannot apply objects");
  }

  /** Deletes an object, if it is there. */
  async remove(resource: Resource, live: DeepReadonly<KubeObject> | undefined, signal: AbortSignal): Promise<void> {
    if (!live || live.metadata.deletionTimestamp) return;
    const { uid, namespace, name } = live.metadata;
    this.#applied.delete(`${resource.plural}/${namespace}/${name}`);
    await this.#client.delete(resource, refOf(live), { ...(uid ? { uid } : {}), signal });
  }
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
    Object.entries(desired.metadata.labels ?? {}).every(([key, value]) => labels[key] === value) &&
    !ownerReferences.some(isByOnload)
  );
}
