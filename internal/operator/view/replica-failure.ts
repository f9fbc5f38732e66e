import type { DeepReadonly, Deployment } from "../../api/core.ts";
import { printable } from "../../cli/printable.ts";

/** So much of what an API server says is quoted. */
const MAX_QUOTED = 1000;

/** Why the API server takes no pod of a Deployment that has none, as its ReplicaSet was told; printable. */
export function replicaFailure({ spec, status }: DeepReadonly<Deployment>): string | undefined {
  if (spec?.replicas === 0 || (status?.replicas ?? 0) > 0) return undefined;
  const found = status?.conditions?.find((each) => each.type === "ReplicaFailure" && each.status === "True");
  return found && printable(found.message ?? "", MAX_QUOTED);
}
