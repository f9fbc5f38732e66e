import { poll } from "../internal/testcluster/lib/poll.ts";
import { progress } from "../internal/testcluster/lib/progress.ts";
import type { Cluster } from "../internal/testcluster/index.ts";

const namespace = "onload-runtime";

/** Tells what happens to the Onload resource: its headline and its events, each once. */
export class Watcher {
  readonly #cluster: Cluster;
  readonly #told = new Set<string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Tells every change and event until the resource is Ready; throws after 3 minutes. */
  async untilReady(signal: AbortSignal): Promise<void> {
    let before = "";
    await poll(
      async () => {
        const onload = await this.#cluster.request<OnloadObject>(
          "GET",
          `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/onload`,
        );
        await this.#tellEvents();
        const now = describe(onload);
        if (now !== before) progress(`  ${now}`);
        before = now;
        const ready = onload.status?.conditions?.find(({ type }) => type === "Ready");
        return ready?.status === "True" && onload.status?.observedGeneration === onload.metadata.generation;
      },
      { what: `Readiness of Onload ${namespace}/onload`, timeoutMs: 180_000, intervalMs: 200, signal },
    );
  }

  async #tellEvents(): Promise<void> {
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    const { items } = await this.#cluster.request<EventList>("GET", path);
    const own = items.filter(({ reportingController }) => reportingController?.includes("onload") === true);
    for (const { reason, regarding, note = "" } of own.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))) {
      const line = `  event ${reason} ${regarding?.kind ?? ""}/${regarding?.name ?? ""}: ${note}`;
      if (!this.#told.has(line)) progress(line);
      this.#told.add(line);
    }
  }
}

function timeOf({ eventTime, metadata }: EventObject): string {
  return eventTime ?? metadata.creationTimestamp;
}

function describe({ status }: OnloadObject): string {
  if (status?.headline === undefined) return "status: none yet";
  return `status ${status.headline.reason}: ${status.headline.message}`;
}

interface OnloadObject {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: { readonly type: string; readonly status: string; readonly reason: string }[];
    readonly headline?: { readonly reason: string; readonly message: string };
  };
}

interface EventObject {
  readonly metadata: { readonly creationTimestamp: string };
  readonly eventTime?: string | null;
  readonly reason: string;
  readonly note?: string;
  readonly reportingController?: string;
  readonly regarding?: { readonly kind: string; readonly name: string };
}

interface EventList {
  readonly items: readonly EventObject[];
}
