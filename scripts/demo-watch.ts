import { poll } from "../internal/testcluster/lib/poll.ts";
import { progress } from "../internal/testcluster/lib/progress.ts";
import type { Cluster } from "../internal/testcluster/index.ts";

const namespace = "onload-runtime";

/** Prints every change of the Onload resource, its nodes' labels and its events until it is Ready; throws after 3 minutes. */
export async function watchUntilReady(cluster: Cluster, signal: AbortSignal): Promise<void> {
  const told = new Set<string>();
  const tell = (line: string): void => {
    if (!told.has(line)) progress(line);
    told.add(line);
  };
  let before = "";
  await poll(
    async () => {
      const onload = await cluster.request<OnloadObject>(
        "GET",
        `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/onload`,
      );
      const events = await cluster.request<EventList>("GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
      for (const event of events.items) {
        if (event.reportingController?.includes("onload") !== true) continue;
        tell(
          `  event ${event.reason} ${event.regarding?.kind ?? ""}/${event.regarding?.name ?? ""}: ${event.note ?? ""}`,
        );
      }
      const now = describe(onload);
      if (now !== before) progress(`  ${now}`);
      before = now;
      const ready = onload.status?.conditions?.find(({ type }) => type === "Ready");
      return ready?.status === "True" && onload.status?.observedGeneration === onload.metadata.generation;
    },
    { what: `Readiness of Onload ${namespace}/onload`, timeoutMs: 180_000, intervalMs: 200, signal },
  );
}

function describe({ status }: OnloadObject): string {
  if (status === undefined) return "status: none yet";
  const conditions = (status.conditions ?? []).map(({ type, status: value, reason }) => `${type}=${value} (${reason})`);
  const counts = Object.entries(status.nodes ?? {}).map(([name, count]) => `${name} ${String(count)}`);
  return `status: ${conditions.join(", ")}; nodes: ${counts.join(", ")}`;
}

interface OnloadObject {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: { readonly type: string; readonly status: string; readonly reason: string }[];
    readonly nodes?: Record<string, unknown>;
  };
}

interface EventList {
  readonly items: {
    readonly reason: string;
    readonly note?: string;
    readonly reportingController?: string;
    readonly regarding?: { readonly kind: string; readonly name: string };
  }[];
}
