/** A client whose writes ask a fence first, as those of {@link Client.fencedBy} do right before they are sent. */
import type { Fence } from "../../kube/client.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";

export function checkedClient(client: ClusterClient, fence: Fence): ClusterClient {
  return {
    get: (...args) => client.get(...args),
    list: (...args) => client.list(...args),
    podLog: (...args) => client.podLog(...args),
    mergePatch: async (...args) => (fence.check(), client.mergePatch(...args)),
    apply: async (...args) => (fence.check(), client.apply(...args)),
    delete: async (...args) => (fence.check(), client.delete(...args)),
    evict: async (...args) => (fence.check(), client.evict(...args)),
  };
}
