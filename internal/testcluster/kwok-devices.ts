import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster.ts";

/** The pods of a device plugin and the resource that they offer. */
export interface AdvertiseOptions {
  /** Label selector of the device plugin's pods. */
  readonly selector: string;
  /** The extended resource, such as amd.com/onload. */
  readonly resource: string;
  readonly count: number;
  readonly signal: AbortSignal;
}

/**
 * Does the work of kubelets for a device plugin on fake nodes. The allocatable resource of a node is the count while a
 * Running pod of the plugin is there, and 0 after it has gone. Ends when the signal is aborted.
 */
export async function advertiseDevices(cluster: Cluster, options: AdvertiseOptions): Promise<void> {
  const { selector, resource, count, signal } = options;
  const advertised = new Set<string>();
  while (!signal.aborted) {
    try {
      const path = `/api/v1/pods?resourceVersion=0&labelSelector=${encodeURIComponent(selector)}`;
      const { items } = await cluster.request<PodList>("GET", path);
      const running = new Set(
        items
          .filter((pod) => pod.status.phase === "Running" && pod.metadata.deletionTimestamp === undefined)
          .map((pod) => pod.spec.nodeName ?? ""),
      );
      const changes = [
        ...[...running].filter((node) => !advertised.has(node)).map((node) => [node, count] as const),
        ...[...advertised].filter((node) => !running.has(node)).map((node) => [node, 0] as const),
      ];
      await Promise.all(
        changes.map(async ([node, value]) => {
          const quantity = { [resource]: String(value) };
          await cluster.request("PATCH", `/api/v1/nodes/${node}/status`, {
            body: { status: { capacity: quantity, allocatable: quantity } },
            contentType: "merge",
          });
          if (value === 0) advertised.delete(node);
          else advertised.add(node);
        }),
      );
    } catch {
      // The API server cannot be reached, or a node has gone. The next round does the rest.
    }
    await sleep(100);
  }
}

interface PodList {
  readonly items: {
    readonly metadata: { readonly deletionTimestamp?: string };
    readonly spec: { readonly nodeName?: string };
    readonly status: { readonly phase?: string };
  }[];
}
