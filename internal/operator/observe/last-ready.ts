/** What status.lastReady holds. A status is stored as it was written: by an earlier version, or by a person. */
import type { DeepReadonly } from "../../api/core.ts";
import { readOnloadVersion, type Onload } from "../../api/onload.ts";

/** spec.onload of the version that was Ready everywhere last; undefined if there is none, or if it cannot be read. */
export function lastReadyOnload({ status }: DeepReadonly<Onload>): Onload["spec"]["onload"] | undefined {
  const lastReady = status?.lastReady;
  const onload = lastReady && readOnloadVersion(lastReady.onload);
  return onload?.version === lastReady?.version ? onload : undefined;
}
