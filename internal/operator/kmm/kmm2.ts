/** KMM 2.x: worker pods load modules, and NodeModulesConfig says what is wanted and what is loaded on each node. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, Node } from "../../api/core.ts";
import { kernelName, kernelOf, kernelTag } from "../../api/kernel-tag.ts";
import type { KmmCapabilities, Module, ModuleLoaderContainer, ModuleSpec, NodeModule } from "../../api/kmm.ts";
import {
  KMM_WORKER_ACTION_LABEL,
  moduleReadyLabel,
  moduleVersionLabel,
  moduleVersionReadyLabel,
} from "../../api/names.ts";
import { progressOf } from "../cache/pods.ts";
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
import { loadLabelOn, withoutLoadLabel } from "./load-label.ts";
import { firstFailure, newest, podsOf } from "./module-pods.ts";
import { refusedForParts } from "./refused-kernel.ts";
import { EVERY_LINUX_NODE, keptSelector, optionsOf, inTreeRemovalOf } from "./module-spec.ts";

/** KMM 2.x: worker pods load and unload, and a NodeModulesConfig says what is loaded. */
export class Kmm2 implements Kmm {
  readonly installed = true;
  readonly tellsImages: boolean;
  /** A cordon is a taint; 2.0 to 2.2 know no tolerations (v2.2.0, internal/node/node.go). */
  readonly skipsCordonedNodes: boolean;
  readonly toleratesTaints: boolean;
  /** Neither field is in the configuration that KMM 2.x compares. */
  readonly reloadsForPodFields = false;
  readonly loaderSecurity: LoaderSecurity = { privileged: true, runAsUser: 0 };
  readonly #capabilities: KmmCapabilities;

  constructor(capabilities: KmmCapabilities) {
    this.#capabilities = capabilities;
    this.tellsImages = capabilities.moduleImagesConfig;
    this.toleratesTaints = capabilities.tolerations;
    this.skipsCordonedNodes = !capabilities.tolerations;
  }

  /** A module is loaded as soon as spec and status of the NodeModulesConfig agree, in the node's present boot. */
  observeModule(ref: ModuleRef, { node, kmmPods, nmc, failureLogs }: KmmNodeInputs): ModuleReading {
    const { labels = {} } = node.metadata;
    const { namespace, module } = ref;
    const workers = podsOf(ref, kmmPods).filter(
      ({ metadata }) => metadata.labels?.[KMM_WORKER_ACTION_LABEL] !== undefined,
    );
    const mine = (entry: { namespace: string; name: string }): boolean =>
      entry.namespace === namespace && entry.name === module;
    const wanted = nmc?.spec?.modules?.find(mine);
    const loaded = nmc?.status?.modules?.find(mine);
    const bootId = node.status?.nodeInfo?.bootID;
    const sameBoot = loaded?.bootId === undefined || bootId === undefined || loaded.bootId === bootId;
    const settled =
      wanted !== undefined && loaded !== undefined && sameBoot && isDeepStrictEqual(wanted.config, loaded.config);
    const hasReadyLabel = moduleReadyLabel(namespace, module) in labels;
    return {
      // A load label that KMM 1.1 needed has no meaning any more: the version label counts.
      labelled: labels[moduleVersionLabel(namespace, module)],
      module: {
        present: wanted !== undefined || loaded !== undefined || workers.length > 0,
        lacksPod: workers.length === 0 && !settled,
        ready: settled && hasReadyLabel ? readyVersion(ref, labels, loaded.version) : undefined,
        labelledReady: hasReadyLabel,
        since: newest(workers),
        failure: firstFailure(workers, failureLogs),
        progress: progressOf(workers),
        image: imageOn(node, loaded ?? wanted),
        selector: undefined,
      },
      loadLabel: { value: loadLabelOn(labels, namespace, module), effective: false },
    };
  }

  labelsToLoad(ref: ModuleRef, version: Version, label: LoadLabelFacts): NodeLabels {
    return {
      [moduleVersionLabel(ref.namespace, ref.module)]: version,
      ...withoutLoadLabel(ref.namespace, ref.module, label.value),
    };
  }

  labelsToUnload(ref: ModuleRef, label: LoadLabelFacts): NodeLabels {
    return {
      [moduleVersionLabel(ref.namespace, ref.module)]: null,
      ...withoutLoadLabel(ref.namespace, ref.module, label.value),
    };
  }

  labelsToClear(ref: ModuleRef, label: LoadLabelFacts): NodeLabels {
    return label.value === undefined ? {} : this.labelsToUnload(ref, label);
  }

  moduleOptions(): Pick<ModuleSpec, "tolerations"> {
    return optionsOf(this.#capabilities);
  }

  inTreeRemoval(module: string): Pick<ModuleLoaderContainer, "inTreeModuleToRemove" | "inTreeModulesToRemove"> {
    return inTreeRemovalOf(this.#capabilities, module);
  }

  selectorFor(module: Module, inUse: SelectorInUse): Record<string, string> {
    return keptSelector(module, inUse) ?? EVERY_LINUX_NODE;
  }

  refusesKernel(kernelVersion: string): KernelRefusal | undefined {
    return refusedForParts(kernelVersion, this.kernelInImageNames(kernelVersion));
  }

  /**
   * One trailing `+` is cut, and since 2.1.1 every character that an image tag cannot hold becomes `_` (v2.6.0,
   * internal/controllers/module_reconciler.go and internal/kernel/kernel.go). The CRD of 2.1.0 cannot be told from
   * that of 2.1.1; 2.0 is known by its CRD.
   */
  kernelInImageNames(kernelVersion: string): string {
    return this.#capabilities.pluralInTree ? kernelTag(kernelVersion) : kernelName(kernelVersion);
  }
}

/**
 * What NodeModulesConfig says counts most. The label is next: KMM sets it only together with `.ready`, so a module that
 * KMM 2.4 or earlier loaded has neither after an upgrade of KMM, until it is loaded again. What is loaded then is the
 * version label's, because every change goes through unloading.
 */
function readyVersion(
  { namespace, module }: ModuleRef,
  labels: Readonly<Record<string, string>>,
  listed: Version | undefined,
): Version | undefined {
  return listed ?? labels[moduleVersionReadyLabel(namespace, module)] ?? labels[moduleVersionLabel(namespace, module)];
}

/** The image of what was loaded, or is being loaded, on a node: after a reboot into another kernel it is gone. */
function imageOn(node: DeepReadonly<Node>, entry: DeepReadonly<NodeModule> | undefined): string | undefined {
  const { kernelVersion, containerImage } = entry?.config ?? {};
  return kernelVersion === kernelName(kernelOf(node)) ? containerImage : undefined;
}
