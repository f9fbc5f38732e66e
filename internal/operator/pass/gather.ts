/** Stage 1 of a pass: what is known of a resource, beside the caches. */
import type { DeepReadonly } from "../../api/core.ts";
import { onloadKeyOf, type OnloadKey } from "../../api/names.ts";
import type { Onload } from "../../api/onload.ts";
import type { RawOnload } from "../cache/caches.ts";
import { readOnload, withoutSpec, type ResourceProblem } from "../observe/preflight.ts";
import type { PassDeps } from "./deps.ts";
import type { ResourceSession } from "./session.ts";

/** What is known of a resource, beside the caches. */
export interface Gathered {
  key: OnloadKey;
  raw: DeepReadonly<RawOnload>;
  onload: DeepReadonly<Onload>;
  deleting: boolean;
  /** Why the resource cannot work. */
  invalid: ResourceProblem | undefined;
  /** What is wrong with its ServiceAccount. */
  account: ResourceProblem | undefined;
}

/**
 * Reads the spec, and looks up the ServiceAccount that it names.
 *
 * @returns why the spec cannot be read, if that is so: then nothing may be touched until it is corrected
 */
export async function gather(
  { client, monotonic }: PassDeps,
  raw: DeepReadonly<RawOnload>,
  session: ResourceSession,
  signal: AbortSignal,
): Promise<Gathered | { unreadable: ResourceProblem }> {
  const { uid, resourceVersion, deletionTimestamp } = raw.metadata;
  const deleting = deletionTimestamp !== undefined;
  const { onload: read, problem } = session.read.get(`${uid} ${resourceVersion}`, () => readOnload(raw));
  const onload = read ?? (deleting ? withoutSpec(raw) : undefined);
  // Not even its nodes are known.
  if (!onload) return { unreadable: problem! };
  const account = deleting ? undefined : await session.account.problem(client, onload, monotonic(), signal);
  return { key: onloadKeyOf(raw), raw, onload, deleting, invalid: deleting ? undefined : problem, account };
}
