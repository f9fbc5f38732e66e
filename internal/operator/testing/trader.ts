/** An application that holds amd.com/onload: a Deployment of one pod, and a budget that can protect it. */
import type { NodeCluster } from "../../testcluster/index.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import type { Pod } from "../../api/core.ts";
import { ONLOAD_RESOURCE } from "../../api/names.ts";

const LABELS = { app: "trader" };
const LIBRARY = "/opt/onload/usr/lib64/libonload.so";

export class Trader {
  readonly #cluster: NodeCluster;
  readonly #namespace: string;
  readonly #image: string;

  constructor(cluster: NodeCluster, namespace: string, image: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#image = image;
  }

  async deploy(): Promise<void> {
    const container = {
      name: "trader",
      image: this.#image,
      command: ["/test", "--stay"],
      resources: { limits: { [ONLOAD_RESOURCE]: 1 } },
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    };
    const pod = {
      terminationGracePeriodSeconds: 5,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [container],
    };
    await this.#apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: this.#named("trader"),
      spec: {
        replicas: 1,
        selector: { matchLabels: LABELS },
        template: { metadata: { labels: LABELS }, spec: pod },
      },
    });
  }

  /** Waits until the Deployment's pod runs. */
  async runs(): Promise<void> {
    const runs = ({ status }: Pod): boolean => status?.phase === "Running";
    await poll(async () => (await this.pods()).some(runs), { what: "The Deployment's pod", timeoutMs: 150_000 });
  }

  /**
   * Waits until the Deployment's pod runs, has every device file, and has mapped the library of that version.
   *
   * @returns its name
   */
  async runsWith(version: string): Promise<string> {
    return poll(
      async () => {
        const pod = (await this.pods()).find(({ status, metadata: { deletionTimestamp } }) => {
          return status?.phase === "Running" && deletionTimestamp === undefined;
        });
        if (!pod) throw new Error("no pod of the Deployment runs");
        const { name } = pod.metadata;
        const log = await this.#cluster.plane.kubectl(["logs", "-n", this.#namespace, name]);
        if (!log.includes("/dev/onload: character device") || !log.includes(`mapped library: ${LIBRARY}`)) {
          throw new Error(log);
        }
        const id = (pod.status as { containerStatuses?: { containerID?: string }[] }).containerStatuses?.[0]
          ?.containerID;
        const { node } = this.#cluster;
        const inspect = ["crictl", "inspect", "--output=go-template", "--template={{.info.pid}}"];
        const pid = (await node.exec([...inspect, (id ?? "").replace("containerd://", "")])).stdout.trim();
        // The library as the pod's own process sees it; the stand-in's holds its version as a text.
        await node.exec(["grep", "--quiet", "--fixed-strings", "--text", version, `/proc/${pid}/root${LIBRARY}`]);
        return name;
      },
      { what: `The Deployment's pod on version ${version}`, timeoutMs: 150_000, intervalMs: 200 },
    );
  }

  /** All pods of the Deployment, ended ones too. */
  async pods(): Promise<Pod[]> {
    const path = `/api/v1/namespaces/${this.#namespace}/pods?labelSelector=app%3Dtrader`;
    return (await this.#cluster.plane.request<{ items: Pod[] }>("GET", path)).items;
  }

  /** Sets a PodDisruptionBudget named trading-hours. */
  async protect(minAvailable: number): Promise<void> {
    await this.#apply({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: this.#named("trading-hours"),
      spec: { minAvailable, selector: { matchLabels: LABELS } },
    });
    // Until the disruption controller has counted, every eviction is refused, or still allowed as before.
    const path = `/apis/policy/v1/namespaces/${this.#namespace}/poddisruptionbudgets/trading-hours`;
    await poll(
      async () => {
        const { metadata, status } = await this.#cluster.plane.request("GET", path);
        const counted = status?.observedGeneration === metadata.generation && status.currentHealthy === 1;
        return counted && status.disruptionsAllowed === 1 - minAvailable;
      },
      { what: "The budget's count" },
    );
  }

  /** Removes the PodDisruptionBudget. */
  async unprotect(): Promise<void> {
    await this.#delete("poddisruptionbudget", "trading-hours");
  }

  async remove(): Promise<void> {
    await this.unprotect();
    await this.#delete("deployment", "trader");
  }

  #named(name: string): { name: string; namespace: string } {
    return { name, namespace: this.#namespace };
  }

  async #apply(object: object): Promise<void> {
    await this.#cluster.plane.apply(JSON.stringify(object));
  }

  async #delete(kind: string, name: string): Promise<void> {
    await this.#cluster.plane.kubectl(["delete", kind, "-n", this.#namespace, name, "--ignore-not-found"]);
  }
}
