/** What a person asks of a rollout, as changes of the Onload resource: pause, resume, retry, rollback. Pure. */
import { fieldsOf } from "../cli/json.ts";
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../api/core.ts";
import { RETRY_ANNOTATION } from "../api/names.ts";
import type { OnloadStatus } from "../api/onload.ts";
import type { RawOnload } from "./cache/caches.ts";

/** A change that was asked for. */
export interface Request {
  /** A JSON merge patch; undefined if there is nothing to change. */
  patch: object | undefined;
  /** What is done, or why nothing is: a sentence without its subject and its end. */
  what: string;
}

type Resource = DeepReadonly<RawOnload>;
type Spec = { onload?: { version?: string }; upgrade?: { paused?: boolean } };

/**
 * Nodes of an older version stay as they are.
 *
 * @throws Error if the resource is being deleted
 */
export function pause(onload: Resource): Request {
  refuseIfDeleted(onload, "pause");
  if (specOf(onload).upgrade?.paused === true) return { patch: undefined, what: "is paused already" };
  return {
    patch: change(onload, { spec: { upgrade: { paused: true } } }),
    what: "is paused: no further node is upgraded",
  };
}

/** Ends a pause. @throws Error if the resource is being deleted */
export function resume(onload: Resource): Request {
  refuseIfDeleted(onload, "resume");
  if (specOf(onload).upgrade?.paused !== true) return { patch: undefined, what: "is not paused" };
  return { patch: change(onload, { spec: { upgrade: { paused: false } } }), what: "is no longer paused" };
}

/**
 * What has failed is tried again, and a rollback ends.
 *
 * @param now milliseconds since the epoch
 */
export function retry(onload: Resource, now: number): Request {
  const annotations = { [RETRY_ANNOTATION]: new Date(now).toISOString() };
  const { version } = specOf(onload).onload ?? {};
  const what = isDeleted(onload)
    ? "is cleaned from the nodes: what has failed is tried again"
    : `tries version ${version} again`;
  return { patch: change(onload, { metadata: { annotations } }), what };
}

/**
 * spec.onload becomes what was Ready on every node last.
 *
 * @throws Error if no version has been Ready on every node, or the resource is being deleted
 */
export function rollback(onload: Resource): Request {
  refuseIfDeleted(onload, "roll back");
  const { lastReady } = (onload.status ?? {}) as DeepReadonly<OnloadStatus>;
  const { namespace, name } = onload.metadata;
  if (!lastReady) {
    throw new Error(
      `Cannot roll back Onload "${namespace}/${name}": no version has been Ready on every node; set spec.onload yourself`,
    );
  }
  const present = specOf(onload).onload ?? {};
  if (isDeepStrictEqual(present, lastReady.onload)) {
    return { patch: undefined, what: `has version ${lastReady.version}, the last that was Ready on every node` };
  }
  const patch = change(onload, { spec: { onload: mergePatchOf(present, lastReady.onload) } });
  return { patch, what: `goes from version ${present.version} back to ${lastReady.version}` };
}

/** The nodes of such a resource are cleaned, and nothing of its rollout holds that up. */
function refuseIfDeleted(onload: Resource, verb: string): void {
  if (!isDeleted(onload)) return;
  const { namespace, name } = onload.metadata;
  throw new Error(
    `Cannot ${verb} Onload "${namespace}/${name}": it is being deleted, and its nodes are cleaned whatever it says; \`onloadctl status ${name} -n ${namespace}\` says what is left`,
  );
}

function isDeleted({ metadata }: Resource): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** A change of the resource as it was read: what others have changed since must not be overlooked. */
function change({ metadata: { resourceVersion } }: Resource, patch: { metadata?: object; spec?: object }): object {
  return { ...patch, metadata: { ...patch.metadata, resourceVersion } };
}

function specOf({ spec }: Resource): DeepReadonly<Spec> {
  return (spec ?? {}) as DeepReadonly<Spec>;
}

/** The JSON merge patch (RFC 7396) that makes `to` from `from`. */
function mergePatchOf(from: object, to: object): Record<string, unknown> {
  const old = from as Record<string, unknown>;
  const wanted = to as Record<string, unknown>;
  const removed = Object.keys(old).filter((key) => !(key in wanted));
  return {
    ...Object.fromEntries(removed.map((key) => [key, null])),
    ...Object.fromEntries(
      Object.entries(wanted).map(([key, value]) => {
        const [before, after] = [fieldsOf(old[key]), fieldsOf(value)];
        return [key, before && after ? mergePatchOf(before, after) : value];
      }),
    ),
  };
}
