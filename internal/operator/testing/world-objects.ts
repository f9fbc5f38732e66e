/** What the API server would show of a {@link World}. */
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import type { KmmCapabilities, NodeModulesConfig } from "../../api/kmm.ts";
import {
  devicePluginName,
  KMM_MODULE_NAME_LABEL,
  KMM_ROLE_LABEL,
  KMM_WORKER_ACTION_LABEL,
  kmm1ModuleLoaderLabel,
  PLUGIN_NAME_LABEL,
  TEMPLATE_ANNOTATION,
  VERSION_LABEL,
} from "../../api/names.ts";
import { KERNEL, KEY, MODULE, type Entry, type Mod, type ModelNode } from "./world.ts";

/** The Node object. */
export function nodeObject(model: ModelNode): DeepReadonly<Node> {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: model.name,
      resourceVersion: String(model.version),
      labels: { ...model.labels },
      annotations: { ...model.annotations },
    },
    spec: { unschedulable: model.cordoned },
    status: {
      conditions: [{ type: "Ready", status: model.ready ? "True" : "False" }],
      allocatable: { "amd.com/onload": model.allocatable },
      nodeInfo: { kernelVersion: KERNEL, bootID: String(model.boot) },
    },
  };
}

/** The pods on a node of the plugin and of KMM. */
export function podObjects(model: ModelNode, kmm: KmmCapabilities): DeepReadonly<Pod>[] {
  const list: DeepReadonly<Pod>[] = [];
  for (const mod of ["onload", "sfc"] as const) {
    const labels = { [KMM_MODULE_NAME_LABEL]: MODULE[mod] };
    const loader = model.loaders[mod];
    if (loader) {
      const version = kmm1ModuleLoaderLabel(KEY.namespace, MODULE[mod]);
      const extra = { [KMM_ROLE_LABEL]: "module-loader", [version]: loader.version };
      const made = pod(`loader-${mod}`, { ...labels, ...extra }, loader);
      list.push({ ...made, spec: { nodeSelector: { ...loader.selector, [version]: loader.version } } });
    }
    const work = kmm.nodeModulesConfig ? workerAction(model, mod) : undefined;
    if (work) list.push(pod(`worker-${mod}`, { ...labels, [KMM_WORKER_ACTION_LABEL]: work }, { ready: false }));
  }
  if (model.plugin) {
    const { version, template } = model.plugin;
    const labels = { [PLUGIN_NAME_LABEL]: devicePluginName(KEY.name), [VERSION_LABEL]: version };
    list.push(pod("plugin", labels, model.plugin, { [TEMPLATE_ANNOTATION]: template }));
  }
  return list;
}

/** What KMM 2.x says of a node. */
export function nmcObject(model: ModelNode): DeepReadonly<NodeModulesConfig> {
  const entries = (of: Partial<Record<Mod, Entry>>, boots: boolean): object[] =>
    (["onload", "sfc"] as const).flatMap((mod) => {
      const entry = of[mod];
      if (!entry) return [];
      const config = { containerImage: entry.version };
      return [{ namespace: KEY.namespace, name: MODULE[mod], config, ...(boots ? { bootId: entry.boot } : {}) }];
    });
  return {
    apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
    kind: "NodeModulesConfig",
    metadata: { name: model.name },
    spec: { modules: entries(model.wanted, false) },
    status: { modules: entries(model.loaded, true) },
  } as DeepReadonly<NodeModulesConfig>;
}

function workerAction(node: ModelNode, mod: Mod): "Load" | "Unload" | undefined {
  const [wanted, loaded] = [node.wanted[mod], node.loaded[mod]];
  if (!wanted) return loaded ? "Unload" : undefined;
  return loaded?.version === wanted.version && loaded.boot === String(node.boot) ? undefined : "Load";
}

function pod(
  name: string,
  labels: Record<string, string>,
  { ready, going }: { ready: boolean; going?: boolean },
  annotations: Record<string, string> = {},
): DeepReadonly<Pod> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: KEY.namespace,
      labels,
      annotations,
      ...(going ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}
