/**
 * A model of KMM 2 on a real API server: it makes the same objects, pods and labels in the same order. Its rules were
 * read from the controllers of KMM 2 and compared with their run; what KMM itself does beyond them (builds, signatures,
 * device plugins, webhooks) is left out.
 */
import type { DeepReadonly, KubeObject, Node, Pod } from "../../../api/core.ts";
import type { Module, ModuleImagesConfig, NodeModulesConfig } from "../../../api/kmm.ts";
import { silentLogger } from "../../../cli/log.ts";
import type { Client } from "../../../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../../../kube/errors.ts";
import { Informer } from "../../../kube/informer.ts";
import { MODULE_IMAGES_CONFIGS, MODULES, NODE_MODULES_CONFIGS, type Resource } from "../../../api/resources.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NODES, PODS } from "../../../kube/resource.ts";
import { poll } from "../../../testcluster/lib/poll.ts";
import { KMM2_CRDS } from "./crds.ts";
import { decideImages } from "./images.ts";
import { decideLabels } from "./labels.ts";
import { decideModules } from "./modules.ts";
import { decideWorkers } from "./workers.ts";
import type { View, Write } from "./view.ts";
import { discover } from "../../../kube/testing/discovery.ts";

const RETRY_MS = 100;

export class Kmm2Model implements AsyncDisposable {
  readonly #client: Client;
  readonly #stop = new AbortController();
  readonly #informers: Informer<KubeObject>[] = [];
  readonly #errors: unknown[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #wake: () => void = () => undefined;
  #stale = true;
  #paused = false;

  private constructor(client: Client) {
    this.#client = client;
  }

  /**
   * Installs the CRDs and runs until it is disposed of.
   *
   * @param admin who may install CRDs
   */
  static async start(client: Client, admin: Client = client): Promise<Kmm2Model> {
    for (const crd of KMM2_CRDS) await admin.apply(CUSTOM_RESOURCE_DEFINITIONS, crd);
    const served = async (): Promise<boolean> =>
      (await discover(admin, "kmm.sigs.x-k8s.io", "v1beta1")).filter(({ name }) => !name.includes("/")).length === 3;
    await poll(served, { what: "The CRDs being served" });
    const model = new Kmm2Model(client);
    const view = model.#follow();
    model.#running = Promise.all([
      ...model.#informers.map((informer) => informer.run(model.#stop.signal)),
      model.#loop(view),
    ]);
    await Promise.all(model.#informers.map((informer) => informer.synced(model.#stop.signal)));
    return model;
  }

  /** Does nothing until {@link resume}, as a KMM that is slow or away. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#look();
  }

  #follow(): () => View {
    const follow = <T extends KubeObject>(resource: Resource): (() => DeepReadonly<T>[]) => {
      const informer = new Informer<T>({ client: this.#client, resource, log: silentLogger });
      informer.subscribe(() => this.#look());
      this.#informers.push(informer as unknown as Informer<KubeObject>);
      return () => [...informer.store.list()];
    };
    const modules = follow<Module>(MODULES);
    const nodes = follow<Node>(NODES);
    const configs = follow<NodeModulesConfig>(NODE_MODULES_CONFIGS);
    const images = follow<ModuleImagesConfig>(MODULE_IMAGES_CONFIGS);
    const pods = follow<Pod>(PODS);
    return () => ({ modules: modules(), nodes: nodes(), configs: configs(), images: images(), pods: pods() });
  }

  #look(): void {
    this.#stale = true;
    this.#wake();
  }

  async #loop(view: () => View): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.synced(this.#stop.signal)));
    while (!this.#stop.signal.aborted) {
      if (!this.#stale || this.#paused) await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#paused) continue;
      this.#stale = false;
      const now = view();
      const writes = [...decideModules(now), ...decideLabels(now), ...decideImages(now), ...decideWorkers(now)];
      for (const write of writes) {
        if (this.#stop.signal.aborted) return;
        await this.#write(write);
      }
    }
  }

  async #write(write: Write): Promise<void> {
    try {
      if (write.verb === "create") await this.#client.create(write.resource, write.object);
      else if (write.verb === "delete") await this.#client.delete(write.resource, write.ref);
      else {
        const { resource, ref, patch, version } = write;
        const options = {
          ...(version === undefined ? {} : { resourceVersion: version }),
          ...(write.status ? { subresource: "status" as const } : {}),
        };
        await this.#client.mergePatch(resource, ref, patch, options);
      }
    } catch (error) {
      // Decided on what has changed since: the change is on its way here. The API server may be away, too.
      if (!isConflict(error) && !isNotFound(error) && !isAlreadyExists(error)) this.#errors.push(error);
      setTimeout(() => this.#look(), RETRY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running.catch(() => undefined);
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, "The model of KMM 2 failed");
  }
}
