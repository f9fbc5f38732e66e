/** What reconciling asks of the API server: the few calls that a test's cluster in memory has to answer. */
import type { Client, Fence } from "../../kube/client.ts";

/** The API server, as far as reconciling talks to it; {@link Client} is the real one. */
export type ClusterClient = Pick<Client, "get" | "list" | "mergePatch" | "apply" | "delete" | "evict" | "podLog">;

/** One whose writes can be made to depend on more, up to the moment in which they are sent; see {@link Client.fencedBy}. */
export interface FencedClient extends ClusterClient {
  fencedBy: (fence: Fence) => ClusterClient;
}
