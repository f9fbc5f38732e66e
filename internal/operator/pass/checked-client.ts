/** A client whose writes are checked right before they are sent. */
import type { ClusterClient } from "../cache/cluster-client.ts";

/** @param check throws what a write is to fail with */
export function checkedClient(client: ClusterClient, check: () => void): ClusterClient {
  return {
    get: (...args) => client.get(...args),
    list: (...args) => client.list(...args),
    podLog: (...args) => client.podLog(...args),
    mergePatch: async (...args) => (check(), client.mergePatch(...args)),
    apply: async (...args) => (check(), client.apply(...args)),
    delete: async (...args) => (check(), client.delete(...args)),
    evict: async (...args) => (check(), client.evict(...args)),
  };
}
