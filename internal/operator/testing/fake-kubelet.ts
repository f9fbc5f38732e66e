/**
 * Plays the kubelets of a few nodes against a real API server, if a test must decide what becomes of a pod: KMM, the
 * DaemonSet controller and the operator are the real ones. Kernel modules are what the ready module-loader pods say.
 */
import type { Node, Pod } from "../../api/core.ts";
import { KMM_MODULE_NAME_LABEL, ONLOAD_RESOURCE, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import { silentLogger } from "../../cli/log.ts";
import type { Client } from "../../kube/client.ts";
import { isNotFound } from "../../kube/errors.ts";
import { Informer } from "../../kube/informer.ts";
import { LEASES, NODES, PODS } from "../../kube/resource.ts";
import { isReady } from "../cache/pods.ts";
import { asksForOnload } from "./model/world.ts";

/** What becomes of a pod: it runs, waits for ever, or the container waits for a reason. */
export type Fate = "ready" | "pending" | { reason: string; message: string };

export class FakeKubelet {
  /** Decides what becomes of a pod; by default it runs. */
  fate: (pod: Pod) => Fate = () => "ready";
  /** Whether a pod that is being deleted may go; by default it may. */
  mayGo: (pod: Pod) => boolean = () => true;
  /** Pods that held amd.com/onload on a node whose module went. Must stay empty. */
  readonly violations: string[] = [];
  readonly #client: Client;
  readonly #nodes = new Map<string, number>();
  readonly #pods: Informer<Pod, "node">;
  readonly #stop = new AbortController();
  readonly #busy = new Set<string>();
  /** Nodes whose devices are being written. */
  readonly #writing = new Set<string>();
  readonly #errors: unknown[] = [];
  #running: Promise<void> | undefined;
  #leases: NodeJS.Timeout | undefined;

  constructor(client: Client) {
    this.#client = client;
    this.#pods = new Informer<Pod, "node">({
      client,
      resource: PODS,
      log: silentLogger,
      indexes: { node: (pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []) },
    });
    this.#pods.subscribe(({ current, old }) => {
      const pod = (current ?? old)!;
      if (current) this.#tend(current as Pod);
      if (pod.spec?.nodeName) this.#count(pod.spec.nodeName);
    });
  }

  /** Makes Ready nodes and returns their names. */
  async createNodes(
    count: number,
    prefix: string,
    labels: Record<string, string>,
    kernel = "5.14.0-test",
  ): Promise<string[]> {
    this.#running ??= this.#pods.run(this.#stop.signal);
    this.#leases ??= setInterval(() => void this.#renewAll(), 10_000);
    const names = Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
    await Promise.all(names.map((name) => this.createNode(name, labels, kernel)));
    return names;
  }

  async createNode(name: string, labels: Record<string, string>, kernel = "5.14.0-test"): Promise<void> {
    const resources = { cpu: "64", memory: "256Gi", pods: "250", [ONLOAD_RESOURCE]: "0" };
    const metadata = { name, labels: { "kubernetes.io/os": "linux", "kubernetes.io/hostname": name, ...labels } };
    await this.#client.create(NODES, {
      apiVersion: "v1",
      kind: "Node",
      metadata,
      status: {
        allocatable: resources,
        capacity: resources,
        nodeInfo: { kernelVersion: kernel, bootID: crypto.randomUUID() },
      },
    } as unknown as Node);
    this.#nodes.set(name, 0);
    await this.#renew(name);
    await this.setReady(name, true);
  }

  async deleteNode(name: string): Promise<void> {
    this.#nodes.delete(name);
    await this.#client.delete(NODES, { name });
  }

  /** The kubelet stops saying that it is well, or says so again. */
  async setReady(name: string, ready: boolean): Promise<void> {
    const now = new Date().toISOString();
    const condition = {
      type: "Ready",
      status: ready ? "True" : "False",
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    await this.#client.mergePatch(NODES, { name }, { status: { conditions: [condition] } }, { subresource: "status" });
  }

  /** The node comes back with another boot id; gives it. */
  async reboot(name: string): Promise<string> {
    const bootID = crypto.randomUUID();
    await this.#client.mergePatch(NODES, { name }, { status: { nodeInfo: { bootID } } }, { subresource: "status" });
    return bootID;
  }

  /** Looks at every pod again, after `fate` or `mayGo` has changed. */
  review(): void {
    for (const pod of this.#pods.store.list()) this.#tend(pod as Pod);
    for (const node of this.#nodes.keys()) this.#count(node);
  }

  async close(): Promise<void> {
    clearInterval(this.#leases);
    this.#stop.abort();
    await this.#running;
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, "The fake kubelet failed");
  }

  #tend(pod: Pod): void {
    if (!pod.spec?.nodeName || !this.#nodes.has(pod.spec.nodeName)) return;
    const uid = pod.metadata.uid ?? "";
    if (this.#busy.has(uid)) return;
    const work = pod.metadata.deletionTimestamp ? this.#end(pod) : this.#start(pod);
    if (!work) return;
    this.#busy.add(uid);
    void work
      .catch((error: unknown) => {
        // The API server may be down for a while, and pods come and go.
        if (!isNotFound(error) && !this.#stop.signal.aborted) setTimeout(() => this.review(), 500);
      })
      .finally(() => {
        this.#busy.delete(uid);
        const now = this.#pods.store.get(`${pod.metadata.namespace}/${pod.metadata.name}`);
        if (now && now.metadata.uid === uid && now.metadata.resourceVersion !== pod.metadata.resourceVersion) {
          this.#tend(now as Pod);
        }
      });
  }

  #end(pod: Pod): Promise<unknown> | undefined {
    if (!this.mayGo(pod)) return undefined;
    const node = pod.spec?.nodeName ?? "";
    if (pod.metadata.labels?.[KMM_MODULE_NAME_LABEL]?.endsWith("-module")) {
      const holders = this.#on(node).filter((each) => asksForOnload(each) && each.status?.phase === "Running");
      for (const { metadata } of holders) this.violations.push(`${metadata.name} held amd.com/onload on ${node}`);
    }
    const { namespace, name } = pod.metadata;
    const ref = { name, ...(namespace ? { namespace } : {}) };
    const uid = pod.metadata.uid ? { uid: pod.metadata.uid } : {};
    return this.#client.delete(PODS, ref, { gracePeriodSeconds: 0, ...uid });
  }

  #start(pod: Pod): Promise<unknown> | undefined {
    const phase = pod.status?.phase;
    if (phase === "Failed" || phase === "Succeeded") return undefined;
    const fate = this.fate(pod);
    if (fate === "pending") return undefined;
    if (fate === "ready" && isReady(pod)) return undefined;
    const names = (pod.spec?.containers ?? []).map(({ name }) => name);
    const ready = fate === "ready";
    if (!ready && pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === fate.reason) return undefined;
    const now = new Date().toISOString();
    const state = ready ? { running: { startedAt: now } } : { waiting: fate };
    const status = {
      phase: ready ? "Running" : "Pending",
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: now }],
      containerStatuses: names.map((name) => ({ name, ready, restartCount: 0, image: "", imageID: "", state })),
    };
    const { namespace, name } = pod.metadata;
    return this.#client.mergePatch(
      PODS,
      { name, ...(namespace ? { namespace } : {}) },
      { status },
      { subresource: "status" },
    );
  }

  /**
   * The device plugin offers its devices while it and the module are there. One answer is awaited after the other: two
   * writes at once may come to the API server in the other order.
   */
  #count(name: string): void {
    const known = this.#nodes.get(name);
    if (known === undefined || this.#writing.has(name)) return;
    const pods = this.#on(name).filter(isReady);
    const plugin = pods.some(({ metadata }) => metadata.labels?.[PLUGIN_NAME_LABEL] !== undefined);
    const module = pods.some(({ metadata }) => metadata.labels?.[KMM_MODULE_NAME_LABEL]?.endsWith("-module"));
    const amount = plugin && module ? 100 : 0;
    if (amount === known) return;
    this.#nodes.set(name, amount);
    const status = {
      allocatable: { [ONLOAD_RESOURCE]: String(amount) },
      capacity: { [ONLOAD_RESOURCE]: String(amount) },
    };
    this.#writing.add(name);
    const written = this.#client.mergePatch(NODES, { name }, { status }, { subresource: "status" });
    const after = (ms: number): void => {
      this.#writing.delete(name);
      if (!this.#stop.signal.aborted) setTimeout(() => this.#count(name), ms);
    };
    void written.then(
      () => after(0),
      () => {
        if (this.#nodes.has(name)) this.#nodes.set(name, -1);
        after(500);
      },
    );
  }

  #on(node: string): Pod[] {
    return this.#pods.store.byIndex("node", node) as Pod[];
  }

  async #renewAll(): Promise<void> {
    await Promise.allSettled([...this.#nodes.keys()].map((name) => this.#renew(name)));
  }

  async #renew(name: string): Promise<void> {
    const spec = {
      holderIdentity: name,
      leaseDurationSeconds: 40,
      renewTime: `${new Date().toISOString().slice(0, -1)}000Z`,
    };
    const metadata = { namespace: "kube-node-lease", name };
    await this.#client.apply(LEASES, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec } as never);
  }
}
