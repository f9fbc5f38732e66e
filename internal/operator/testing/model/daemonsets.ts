/** The DaemonSet controller: one pod on every node that a template selects. */
import { isDeepStrictEqual } from "node:util";
import type { DaemonSet, DeepReadonly, KubeObject, Node, Pod } from "../../../api/core.ts";
import { isFinished, keyOf, matches } from "./api.ts";
import { isNodeReady, isTainted, type World } from "./world.ts";

interface Template {
  nodeSelector?: Record<string, string>;
  affinity?: {
    nodeAffinity?: {
      requiredDuringSchedulingIgnoredDuringExecution?: {
        nodeSelectorTerms: { matchExpressions?: { key: string; operator: string; values?: string[] }[] }[];
      };
    };
  };
  containers?: Pod["spec"] extends (infer S) | undefined ? (S extends { containers?: infer C } ? C : never) : never;
}

export class DaemonSets {
  readonly #world: World;
  /** The DaemonSets as the controller has seen them. */
  readonly #seen = new Map<string, DaemonSet>();
  /** What each pod was made from, by uid. */
  readonly #madeFrom = new Map<string, DaemonSet["spec"]["template"]>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The controller takes notice of every DaemonSet as it is now. */
  see(): boolean {
    let acted = false;
    for (const daemonSet of this.#world.api.list("daemonsets")) {
      const key = keyOf(daemonSet);
      if (daemonSet.metadata.generation !== daemonSet.status?.observedGeneration) {
        acted = true;
        const observedGeneration = daemonSet.metadata.generation ?? 0;
        this.#world.api.update("daemonsets", key, (old) => ({ ...old, status: { ...old.status, observedGeneration } }));
      }
      this.#seen.set(key, this.#world.api.get("daemonsets", key)!);
    }
    return acted;
  }

  /** Brings one node's pods nearer to what the DaemonSets ask for. */
  act(name: string): boolean {
    const { api } = this.#world;
    const node = api.get("nodes", name);
    if (!node) return false;
    let acted = false;
    for (const pod of api.podsOn(name)) {
      const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "DaemonSet");
      if (!owner || pod.metadata.deletionTimestamp !== undefined || pod.metadata.namespace === "apps") continue;
      const daemonSet = this.#seen.get(`${pod.metadata.namespace}/${owner.name}`);
      const live = api.get("daemonsets", `${pod.metadata.namespace}/${owner.name}`);
      if (!live) this.#seen.delete(`${pod.metadata.namespace}/${owner.name}`);
      const stays = live && daemonSet && live.metadata.uid === owner.uid && selects(daemonSet, node);
      if (stays && !this.#isReplaced(pod, daemonSet)) continue;
      api.delete("pods", keyOf(pod));
      acted = true;
    }
    for (const daemonSet of this.#seen.values()) {
      const live = api.get("daemonsets", keyOf(daemonSet));
      if (
        !live ||
        live.metadata.uid !== daemonSet.metadata.uid ||
        !isNodeReady(node) ||
        isTainted(node) ||
        !selects(daemonSet, node)
      )
        continue;
      const owned = api.podsOn(name).some((pod) => isOwned(pod, daemonSet) && !isFinished(pod));
      if (!owned) acted = this.#make(daemonSet, name);
    }
    return acted;
  }

  /** RollingUpdate is the default; OnDelete leaves pods alone. */
  #isReplaced(pod: Pod, { spec }: DaemonSet): boolean {
    if (spec.updateStrategy?.type === "OnDelete") return false;
    return !isDeepStrictEqual(this.#madeFrom.get(pod.metadata.uid ?? ""), spec.template);
  }

  #make({ metadata, spec }: DaemonSet, node: string): boolean {
    const { labels, annotations } = spec.template.metadata;
    const template = spec.template.spec as Template;
    const pod = this.#world.api.create("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        namespace: metadata.namespace ?? "",
        name: `${metadata.name}-${node}-${++this.#made}`,
        labels: { ...labels },
        annotations: { ...annotations },
        ownerReferences: [
          { apiVersion: "apps/v1", kind: "DaemonSet", name: metadata.name, uid: metadata.uid ?? "", controller: true },
        ],
      },
      spec: {
        nodeName: node,
        ...(template.nodeSelector ? { nodeSelector: template.nodeSelector } : {}),
        containers: template.containers ?? [],
      },
      status: { phase: "Pending" },
    });
    this.#madeFrom.set(pod.metadata.uid ?? "", spec.template);
    return true;
  }

  #made = 0;
}

/** Whether a DaemonSet has made a pod. */
export function isOwned({ metadata }: Pod, daemonSet: DeepReadonly<KubeObject>): boolean {
  return metadata.ownerReferences?.some(({ uid }) => uid === daemonSet.metadata.uid) ?? false;
}

/** Whether a DaemonSet wants a pod on a node: a cordon does not keep its pods away. */
export function selects(daemonSet: DeepReadonly<DaemonSet>, node: DeepReadonly<Node>): boolean {
  const labels = node.metadata.labels ?? {};
  const { nodeSelector = {}, affinity } = daemonSet.spec.template.spec as Template;
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const fits = (terms ?? [{}]).some(({ matchExpressions = [] }) =>
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === "Exists") return key in labels;
      if (operator === "In") return values.includes(labels[key] ?? "");
      throw new Error(`The model's DaemonSet controller does not know operator ${operator}`);
    }),
  );
  return fits && matches(nodeSelector, labels);
}
