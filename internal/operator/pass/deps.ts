/** What every stage of a pass works with. */
import type { ReconcilerCaches } from "../cache/caches.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import type { NodePods } from "../cache/node-pods.ts";
import type { OperatorEnvironment } from "../plan.ts";
import type { EventReporter } from "../report/events.ts";
import type { Standing } from "../observe/rivals.ts";

export interface PassDeps {
  client: ClusterClient;
  caches: ReconcilerCaches;
  pods: NodePods;
  reporter: EventReporter;
  /** Read anew in every pass. */
  environment: OperatorEnvironment;
  /** What to do with the resources of a namespace, as far as other operators are concerned. */
  standing: (namespace: string) => Standing;
  /** Why the caches may be far behind the API server, on one line; undefined if they are not. */
  outdated: () => string | undefined;
  /** Until when no operator had acted for long, in milliseconds since the epoch; undefined if nothing tells of it. */
  absence: () => number | undefined;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Milliseconds of a clock that does not go back, for intervals. */
  monotonic: () => number;
}
