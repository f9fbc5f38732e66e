/** NodeModulesConfig -> worker pods -> NodeModulesConfig's status (KMM's NodeModulesConfig controller). */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, KubeObject, Node, Pod } from "../../../api/core.ts";
import type { NodeModulesConfig } from "../../../api/kmm.ts";
import { KMM_API_VERSION, KMM_MODULE_NAME_LABEL, KMM_WORKER_ACTION_LABEL } from "../../../api/names.ts";
import { NODE_MODULES_CONFIGS } from "../../../api/resources.ts";
import { PODS } from "../../../kube/resource.ts";
import { isTolerated, refOf, type Entry, type View, type Write } from "./view.ts";

/** Where a worker pod keeps the entry that it loads or unloads. */
const ENTRY_ANNOTATION = "kmm.node.kubernetes.io/worker-config";

type Config = DeepReadonly<NodeModulesConfig>;

export function decideWorkers(view: View): Write[] {
  return view.configs.flatMap((config) => {
    const node = view.nodes.find(({ metadata }) => metadata.name === config.metadata.name);
    return node ? decideNode(config, node, view) : [];
  });
}

function decideNode(config: Config, node: DeepReadonly<Node>, view: View): Write[] {
  const pods = view.pods.filter(
    ({ metadata, spec }) =>
      spec?.nodeName === config.metadata.name && KMM_WORKER_ACTION_LABEL in (metadata.labels ?? {}),
  );
  const recorded = record(config, node, pods);
  // What is decided next depends on the status, which has to be seen first.
  if (recorded) return recorded;
  const wanted = entries(config.spec?.modules);
  const loaded = entries(config.status?.modules);
  const writes: Write[] = [];
  for (const entry of wanted) {
    if (isTolerated(node, entry.tolerations ?? [])) {
      const is = loaded.find((each) => isSame(each, entry));
      writes.push(...towards(entry, is, podOf(entry, pods), config, node));
    }
  }
  for (const entry of loaded) {
    if (!wanted.some((each) => isSame(each, entry))) writes.push(...away(entry, podOf(entry, pods), config, node));
  }
  const known = [...wanted, ...loaded];
  for (const pod of pods) {
    if (!known.some(({ name }) => name === pod.metadata.labels?.[KMM_MODULE_NAME_LABEL])) writes.push(remove(pod));
  }
  return writes;
}

/**
 * Takes what finished pods have done into the status, and deletes them once it is there: it would be lost otherwise.
 *
 * @returns undefined if none has finished
 */
function record(config: Config, node: DeepReadonly<Node>, pods: DeepReadonly<Pod>[]): Write[] | undefined {
  const ended = pods.filter(({ status }) => status?.phase === "Succeeded" || status?.phase === "Failed");
  if (ended.length === 0) return undefined;
  let modules = entries(config.status?.modules);
  for (const pod of ended) {
    const entry = JSON.parse(pod.metadata.annotations?.[ENTRY_ANNOTATION] ?? "{}") as Entry;
    if (pod.status?.phase === "Failed") continue;
    const bootId = node.status?.nodeInfo?.bootID ?? "";
    modules = modules.filter((each) => !isSame(each, entry));
    if (!isUnloader(pod)) modules = [...modules, { ...entry, bootId }];
  }
  if (!isDeepStrictEqual(modules, entries(config.status?.modules))) return [status(config, modules)];
  return ended.map(remove);
}

/** A module that the node is to have. */
function towards(
  entry: DeepReadonly<Entry>,
  is: DeepReadonly<Entry> | undefined,
  pod: DeepReadonly<Pod> | undefined,
  config: Config,
  node: DeepReadonly<Node>,
): Write[] {
  if (pod) return isUnloader(pod) || !hasRestarted(pod) || holds(pod, entry) ? [] : [remove(pod)];
  if (!is) return [worker("Load", entry, config)];
  if (!isDeepStrictEqual(is.config, entry.config)) {
    const sameKernel = is.config?.kernelVersion === entry.config?.kernelVersion;
    return [sameKernel ? worker("Unload", is, config) : worker("Load", entry, config)];
  }
  return isRebooted(node, is) ? [worker("Load", entry, config)] : [];
}

/** A module that is loaded and is not to be. */
function away(
  is: DeepReadonly<Entry>,
  pod: DeepReadonly<Pod> | undefined,
  config: Config,
  node: DeepReadonly<Node>,
): Write[] {
  if (isRebooted(node, is))
    return [
      status(
        config,
        entries(config.status?.modules).filter((each) => !isSame(each, is)),
      ),
    ];
  if (!pod) return [worker("Unload", is, config)];
  return isUnloader(pod) ? [] : [remove(pod)];
}

function worker(action: "Load" | "Unload", entry: DeepReadonly<Entry>, config: Config): Write {
  const { namespace, name, serviceAccountName, tolerations = [] } = entry;
  const owner = {
    apiVersion: KMM_API_VERSION,
    kind: "NodeModulesConfig",
    name: config.metadata.name,
    uid: config.metadata.uid!,
    controller: true,
  };
  const metadata = {
    namespace,
    name: `kmm-worker-${config.metadata.name}-${name}`,
    labels: { [KMM_MODULE_NAME_LABEL]: name, [KMM_WORKER_ACTION_LABEL]: action },
    annotations: { [ENTRY_ANNOTATION]: JSON.stringify(entry) },
    ownerReferences: [owner],
  };
  const spec = {
    nodeName: config.metadata.name,
    serviceAccountName,
    tolerations,
    restartPolicy: "OnFailure",
    initContainers: [{ name: "image-extractor", image: entry.config?.containerImage }],
    containers: [{ name: "worker", image: "kmm-worker:2" }],
  };
  return { verb: "create", resource: PODS, object: { apiVersion: "v1", kind: "Pod", metadata, spec } as KubeObject };
}

function status({ metadata }: Config, modules: DeepReadonly<Entry>[]): Write {
  const { name, resourceVersion: version } = metadata;
  const patch = { status: { modules } };
  return { verb: "patch", resource: NODE_MODULES_CONFIGS, ref: { name }, patch, status: true, version };
}

function remove(pod: DeepReadonly<Pod>): Write {
  return { verb: "delete", resource: PODS, ref: refOf(pod) };
}

function podOf(entry: DeepReadonly<Entry>, pods: DeepReadonly<Pod>[]): DeepReadonly<Pod> | undefined {
  return pods.find(
    ({ metadata }) => metadata.namespace === entry.namespace && metadata.labels?.[KMM_MODULE_NAME_LABEL] === entry.name,
  );
}

function isUnloader({ metadata }: DeepReadonly<Pod>): boolean {
  return metadata.labels?.[KMM_WORKER_ACTION_LABEL] === "Unload";
}

function hasRestarted({ status: podStatus }: DeepReadonly<Pod>): boolean {
  return podStatus?.containerStatuses?.some(({ restartCount = 0 }) => restartCount > 0) ?? false;
}

function holds({ metadata }: DeepReadonly<Pod>, entry: DeepReadonly<Entry>): boolean {
  return metadata.annotations?.[ENTRY_ANNOTATION] === JSON.stringify(entry);
}

function isRebooted(node: DeepReadonly<Node>, { bootId }: DeepReadonly<Entry>): boolean {
  const ready = node.status?.conditions?.some((each) => each.type === "Ready" && each.status === "True");
  return ready === true && bootId !== node.status?.nodeInfo?.bootID;
}

function isSame(a: { namespace: string; name: string }, b: { namespace: string; name: string }): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}

function entries(modules: readonly unknown[] | undefined): DeepReadonly<Entry>[] {
  return [...((modules ?? []) as DeepReadonly<Entry>[])];
}
