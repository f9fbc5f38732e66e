/** KMM 1.1: one module-loader pod per node and module, put there by node labels. */
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import { kernelName } from "../../api/kernel-tag.ts";
import type { KmmCapabilities, Module, ModuleLoaderContainer, ModuleSpec } from "../../api/kmm.ts";
import {
  KMM_KERNEL_LABEL,
  KMM_ROLE_LABEL,
  kmm1DevicePluginLabel,
  kmm1ModuleLoaderLabel,
  moduleReadyLabel,
  moduleVersionLabel,
} from "../../api/names.ts";
import { isReady, progressOf } from "../cache/pods.ts";
import type {
  KernelRefusal,
  Kmm,
  KmmNodeInputs,
  LoadLabelFacts,
  ModuleReading,
  ModuleRef,
  NodeLabels,
  SelectorInUse,
  Version,
  LoaderSecurity,
} from "./kmm.ts";
import { loadLabel, loadLabelOn, loadLabelSelector, OFF, ON, withoutLoadLabel } from "./load-label.ts";
import { firstFailure, newest, podsOf } from "./module-pods.ts";
import { refusedAsLabel, refusedForParts } from "./refused-kernel.ts";
import { EVERY_LINUX_NODE, keptSelector, optionsOf, inTreeRemovalOf } from "./module-spec.ts";

const KMM_PREFIX = /^(beta\.)?kmm\.node\.kubernetes\.io\//;

/** KMM 1.1: module-loader pods of DaemonSets load a module, and its end unloads it. */
export class Kmm1 implements Kmm {
  readonly installed: boolean = true;
  readonly tellsImages = false;
  /** v1.1.0, controllers/module_reconciler.go: unschedulable nodes are left out, and only labels wake it. */
  readonly skipsCordonedNodes = true;
  /**
   * v1.1.0, controllers/module_reconciler.go: a node with any taint of effect NoSchedule is left out. The module-loader
   * pods tolerate what every DaemonSet's pods tolerate, and nothing else.
   */
  readonly toleratesTaints: boolean = false;
  /** Both fields are in the template of the module-loader pods. */
  readonly reloadsForPodFields = true;
  /** Its loaders may load modules, and nothing else. */
  readonly loaderSecurity: LoaderSecurity = {
    allowPrivilegeEscalation: false,
    capabilities: { add: ["SYS_MODULE"] },
    runAsUser: 0,
    seLinuxOptions: { type: "spc_t" },
  };
  readonly #capabilities: KmmCapabilities;

  constructor(capabilities: KmmCapabilities) {
    this.#capabilities = capabilities;
  }

  /**
   * The module is loaded by its pod's postStart hook, before the pod is Ready, and unloaded by its preStop hook. The
   * node's `.ready` label says no more than the pod, and less surely: KMM patches what differs from the node in its
   * cache, and after an outage of the API server that may be the labelled node of the version before; then the label
   * stays away for good (v1.1.0, controllers/pod_node_module_reconciler.go).
   */
  observeModule(ref: ModuleRef, { node, kmmPods, failureLogs }: KmmNodeInputs): ModuleReading {
    const { labels = {} } = node.metadata;
    const loaders = podsOf(ref, kmmPods).filter(
      ({ metadata }) => metadata.labels?.[KMM_ROLE_LABEL] === "module-loader",
    );
    const versions = loaders.map((pod) => (isReady(pod) ? loaderVersion(ref, pod) : undefined));
    const loader = loaders.find(isReady) ?? loaders[0];
    const selector = moduleSelector(loader);
    const value = loadLabelOn(labels, ref.namespace, ref.module);
    const label = loadLabel(ref.namespace, ref.module);
    return {
      labelled: value === OFF ? undefined : labels[moduleVersionLabel(ref.namespace, ref.module)],
      module: {
        present: loaders.length > 0,
        lacksPod: loaders.length === 0,
        ready: versions.find((version) => version !== undefined),
        labelledReady: moduleReadyLabel(ref.namespace, ref.module) in labels,
        since: newest(loaders),
        failure: firstFailure(loaders, failureLogs),
        progress: progressOf(loaders),
        image: isForKernelOf(node, loader) ? loader?.spec?.containers?.[0]?.image : undefined,
        selector,
      },
      loadLabel: { value, effective: selector ? label in selector : value === ON },
    };
  }

  labelsToLoad(ref: ModuleRef, version: Version, label: LoadLabelFacts): NodeLabels {
    // If the Module does not ask for it, the label would only mislead.
    const rest = label.required
      ? { [loadLabel(ref.namespace, ref.module)]: ON }
      : withoutLoadLabel(ref.namespace, ref.module, label.value);
    return { ...versionLabels(ref, version), ...rest };
  }

  labelsToUnload(ref: ModuleRef, label: LoadLabelFacts): NodeLabels {
    // The version labels stay until the next version takes their place, or until the node is cleared.
    if (label.effective) return { [loadLabel(ref.namespace, ref.module)]: OFF };
    return withoutModule(ref, label);
  }

  labelsToClear(ref: ModuleRef, label: LoadLabelFacts): NodeLabels {
    return label.value === undefined ? {} : withoutModule(ref, label);
  }

  moduleOptions(): Pick<ModuleSpec, "tolerations"> {
    return optionsOf(this.#capabilities);
  }

  inTreeRemoval(module: string): Pick<ModuleLoaderContainer, "inTreeModuleToRemove" | "inTreeModulesToRemove"> {
    return inTreeRemovalOf(this.#capabilities, module);
  }

  /**
   * KMM 1.1 has the selector in the template of its module-loader pods, and makes all of them anew when it changes. The
   * load label is asked for only if every node obeys it: KMM deletes the module-loader DaemonSets of all versions for a
   * kernel that no selected node runs (v1.1.0, internal/daemonset, GarbageCollect), which would take the drivers from
   * nodes that another operator has loaded.
   */
  selectorFor(module: Module, inUse: SelectorInUse): Record<string, string> {
    const kept = keptSelector(module, inUse);
    if (kept) return kept;
    if (inUse.loadedBy) return { ...inUse.loadedBy };
    if (inUse.unlabelled) return EVERY_LINUX_NODE;
    return loadLabelSelector(module.metadata.namespace ?? "", module.metadata.name);
  }

  refusesKernel(kernelVersion: string): KernelRefusal | undefined {
    return refusedForParts(kernelVersion, this.kernelInImageNames(kernelVersion)) ?? refusedAsLabel(kernelVersion);
  }

  /** Only one trailing `+` is cut (v1.1.0, controllers/module_reconciler.go). */
  kernelInImageNames(kernelVersion: string): string {
    return kernelName(kernelVersion);
  }
}

/** KMM is not installed: nothing is loaded, and whatever labels are left are removed at once. */
export class NoKmm extends Kmm1 {
  override readonly installed = false;
  override readonly toleratesTaints = true;

  constructor() {
    super({ tolerations: false, pluralInTree: false, nodeModulesConfig: false, moduleImagesConfig: false });
  }

  override refusesKernel(): undefined {
    return undefined;
  }

  override observeModule(ref: ModuleRef, inputs: KmmNodeInputs): ModuleReading {
    return super.observeModule(ref, { ...inputs, kmmPods: [] });
  }

  override labelsToUnload(ref: ModuleRef, label: LoadLabelFacts): NodeLabels {
    return withoutModule(ref, label);
  }
}

/**
 * The label that asks KMM 1.1 for a module's version, and the two that it would make from it.
 *
 * KMM 1.1 would set or remove them one by one, each with a request of a client that sends 20 a second. If the second
 * comes after the module-loader pod, it is refused and tried again and again (v1.1.0,
 * controllers/node_label_module_version_reconciler.go), which in an upgrade of several nodes at once made 12 requests
 * per node and held up everything else. With all three in place its table of actions has nothing left to do, and if
 * something takes one away KMM does what it always did.
 */
export function versionLabels({ namespace, module }: ModuleRef, version: Version | null): NodeLabels {
  return {
    [moduleVersionLabel(namespace, module)]: version,
    [kmm1ModuleLoaderLabel(namespace, module)]: version,
    [kmm1DevicePluginLabel(namespace, module)]: version,
  };
}

function withoutModule(ref: ModuleRef, label: LoadLabelFacts): NodeLabels {
  return { ...versionLabels(ref, null), ...withoutLoadLabel(ref.namespace, ref.module, label.value) };
}

/** The Module's selector when the pod was made: KMM 1.1 adds labels of its own to it. */
function moduleSelector(loader: DeepReadonly<Pod> | undefined): Record<string, string> | undefined {
  const selector = loader?.spec?.nodeSelector;
  if (!selector) return undefined;
  return Object.fromEntries(Object.entries(selector).filter(([label]) => !KMM_PREFIX.test(label)));
}

/** Whether a module-loader pod is for the kernel that the node runs, and not for the one before a reboot. */
function isForKernelOf({ metadata }: DeepReadonly<Node>, loader: DeepReadonly<Pod> | undefined): boolean {
  const kernel = loader?.spec?.nodeSelector?.[KMM_KERNEL_LABEL];
  return kernel === undefined || kernel === metadata.labels?.[KMM_KERNEL_LABEL];
}

/** The version of a module-loader pod, which KMM 1.1 writes into its labels. */
function loaderVersion({ namespace, module }: ModuleRef, pod: DeepReadonly<Pod>): Version | undefined {
  return pod.metadata.labels?.[kmm1ModuleLoaderLabel(namespace, module)];
}
