/** What reconciling asks of the API server: the few calls that a test's cluster in memory has to answer. */
import type { Client } from "../../kube/client.ts";

/** The API server, as far as reconciling talks to it; {@link Client} is the real one. */
export type ClusterClient = Pick<Client, "get" | "list" | "mergePatch" | "apply" | "delete" | "evict" | "podLog">;
