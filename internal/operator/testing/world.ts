/**
 * A model of what surrounds the operator: nodes, kernels, KMM (1.1 or 2.x), the DaemonSet controller, kubelets and
 * workload pods. Each actor does one small thing at a time, in any order; the caller chooses. It is a model and no
 * more: what it says of KMM is taken from KMM's sources, and the same histories run against the real one elsewhere.
 */
import { isDeepStrictEqual } from "node:util";
import type { KmmCapabilities } from "../../api/kmm.ts";
import { loadLabel as latchLabel, OFF, ON } from "../kmm/load-label.ts";
import {
  moduleReadyLabel,
  moduleVersionLabel,
  moduleVersionReadyLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleName,
  type OnloadKey,
} from "../../api/names.ts";
import type { NodePatch } from "../rollout/patch.ts";

export const KEY: OnloadKey = { namespace: "ns", name: "o" };
export const KERNEL = "6.1.0";
export const SELECTED = "wants-onload";

export type Mod = "onload" | "sfc";
export const MODULE: Record<Mod, string> = { onload: onloadModuleName(KEY.name), sfc: sfcModuleName(KEY.name) };
const VERSION: Record<Mod, string> = {
  onload: moduleVersionLabel(KEY.namespace, MODULE.onload),
  sfc: moduleVersionLabel(KEY.namespace, MODULE.sfc),
};
const LATCH: Record<Mod, string> = {
  onload: latchLabel(KEY.namespace, MODULE.onload),
  sfc: latchLabel(KEY.namespace, MODULE.sfc),
};
const READY: Record<Mod, string> = {
  onload: moduleReadyLabel(KEY.namespace, MODULE.onload),
  sfc: moduleReadyLabel(KEY.namespace, MODULE.sfc),
};
const VERSION_READY: Record<Mod, string> = {
  onload: moduleVersionReadyLabel(KEY.namespace, MODULE.onload),
  sfc: moduleVersionReadyLabel(KEY.namespace, MODULE.sfc),
};

export const KMM_1: KmmCapabilities = {
  tolerations: false,
  pluralInTree: false,
  nodeModulesConfig: false,
  moduleImagesConfig: false,
};
export const KMM_2: KmmCapabilities = {
  tolerations: true,
  pluralInTree: true,
  nodeModulesConfig: true,
  moduleImagesConfig: true,
};

/** Of a Module. What it asks for beside the latch every node has here. */
type Selector = Readonly<Record<string, string>>;

interface Loader {
  version: string;
  /** The Module's selector, as its DaemonSet has it. */
  selector: Selector;
  ready: boolean;
  going: boolean;
}
interface Plugin {
  version: string;
  template: string;
  ready: boolean;
  going: boolean;
}
export interface Entry {
  version: string;
  boot: string;
}
export interface Workload {
  uid: string;
  going: boolean;
}

export interface ModelNode {
  name: string;
  version: number;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  ready: boolean;
  cordoned: boolean;
  boot: number;
  allocatable: number;
  /** What is loaded in the kernel. */
  kernel: Partial<Record<Mod, string>>;
  loaders: Partial<Record<Mod, Loader>>;
  wanted: Partial<Record<Mod, Entry>>;
  loaded: Partial<Record<Mod, Entry>>;
  plugin: Plugin | undefined;
  pods: Workload[];
}

export class World {
  readonly kmm: KmmCapabilities;
  readonly nodes = new Map<string, ModelNode>();
  /** The Modules' version and selectors and the DaemonSet's template, as they were applied last. */
  applied: { version: string; selectors: Record<Mod, Selector>; template: string } | undefined;
  /** KMM 1.1 has a DaemonSet a version and module; those of older versions keep their selector. */
  readonly #daemonSets = new Map<string, Selector>();
  /** The template that the DaemonSet controller has seen. */
  template: { version: string; template: string } | undefined;
  /** Versions that fail to load, anywhere. */
  readonly bad = new Set<string>();
  /** Whether budgets refuse evictions. */
  budgetRefuses = false;
  /** What must never happen and did. */
  readonly violations: string[] = [];
  #uid = 0;

  constructor(kmm: KmmCapabilities) {
    this.kmm = kmm;
  }

  addNode(name: string): void {
    this.nodes.set(name, {
      name,
      version: 1,
      labels: { [SELECTED]: "" },
      annotations: {},
      ready: true,
      cordoned: false,
      boot: 1,
      allocatable: 0,
      kernel: {},
      loaders: {},
      wanted: {},
      loaded: {},
      plugin: undefined,
      pods: [],
    });
  }

  /** The actors; each gives whether it had anything to do. */
  readonly actors: readonly ((node: ModelNode) => boolean)[] = [
    (node) => this.#kmm(node, "onload"),
    (node) => this.#kmm(node, "sfc"),
    (node) => this.#daemonSetController(node),
    (node) => this.#kubeletPlugin(node),
    (node) => this.#kubeletAllocatable(node),
    (node) => this.#endPods(node),
  ];

  /** The DaemonSet controller notices the present template. */
  seeTemplate(): boolean {
    const now = this.applied;
    if (!now || (this.template?.version === now.version && this.template.template === now.template)) return false;
    this.template = { version: now.version, template: now.template };
    return true;
  }

  /** A pod that asks for amd.com/onload is placed, if the node seems to have any; the kubelet admits it or not. */
  schedule(node: ModelNode): void {
    if (node.allocatable === 0 || !node.ready || node.cordoned || node.pods.length >= 2) return;
    if (!node.plugin?.ready || node.plugin.going || node.kernel.onload === undefined) return;
    node.pods.push({ uid: `w${++this.#uid}`, going: false });
  }

  evict(node: ModelNode, uid: string): "evicted" | "refused" {
    const pod = node.pods.find((each) => each.uid === uid);
    if (pod && this.budgetRefuses) return "refused";
    if (pod) pod.going = true;
    return "evicted";
  }

  /** A reboot: kernel and pods start anew, and nothing in the API changes but the boot ID. */
  reboot(node: ModelNode): void {
    node.boot++;
    node.version++;
    node.kernel = {};
    node.pods = [];
    node.allocatable = 0;
    if (node.plugin) node.plugin.ready = false;
    for (const loader of Object.values(node.loaders)) loader.ready = false;
  }

  /** Applies a patch as the API server does; false where the expected version is not the present one. */
  patch(node: ModelNode, patch: NodePatch, expected: number | undefined): boolean {
    if (expected !== undefined && expected !== node.version) return false;
    const { labels = {}, annotations } = patch.metadata;
    if (takesOff(node, labels, "onload") && node.pods.some(({ going }) => !going || node.ready)) {
      this.violations.push(`${node.name}: the onload label was taken off under ${node.pods.length} pods`);
    }
    if (takesOff(node, labels, "sfc") && node.kernel.onload !== undefined) {
      this.violations.push(`${node.name}: the sfc label was taken off under onload`);
    }
    const before = JSON.stringify([node.labels, node.annotations]);
    merge(node.labels, labels);
    merge(node.annotations, annotations);
    if (JSON.stringify([node.labels, node.annotations]) === before) {
      this.violations.push(`${node.name}: a patch changed nothing: ${JSON.stringify(patch)}`);
    }
    node.version++;
    return true;
  }

  // Actors.

  #kmm(node: ModelNode, mod: Mod): boolean {
    return this.kmm.nodeModulesConfig ? this.#kmm2(node, mod) : this.#kmm1(node, mod);
  }

  #kmm1(node: ModelNode, mod: Mod): boolean {
    this.#kmm1DaemonSets(mod);
    const version = node.labels[VERSION[mod]];
    const selector = this.#daemonSets.get(`${mod} ${version}`);
    const label = selector && selects(selector, node, mod) ? version : undefined;
    const loader = node.loaders[mod];
    if (!loader) {
      if (label === undefined || selector === undefined) return this.#drop(node, READY[mod]);
      node.loaders[mod] = { version: label, selector, ready: false, going: false };
      return true;
    }
    if (!loader.going && (label !== loader.version || !isDeepStrictEqual(selector, loader.selector))) {
      const stays = version === loader.version && node.labels[LATCH[mod]] !== OFF;
      if (stays && loader.ready) this.violations.push(`${node.name}: ${mod} is reloaded in place`);
      loader.going = true;
      this.#drop(node, READY[mod]);
      return true;
    }
    if (!node.ready) return false;
    if (loader.going) {
      this.#unload(node, mod);
      delete node.loaders[mod];
      return true;
    }
    if (!loader.ready) {
      if (this.bad.has(loader.version) || !this.#load(node, mod, loader.version)) return false;
      loader.ready = true;
      return true;
    }
    return this.#set(node, READY[mod], "");
  }

  /** No DaemonSet of any version stays while the Module selects no node with the kernel; here all have the same. */
  #kmm1DaemonSets(mod: Mod): void {
    if (!this.applied) return;
    const { version, selectors } = this.applied;
    if ([...this.nodes.values()].some((node) => selects(selectors[mod], node, mod))) {
      this.#daemonSets.set(`${mod} ${version}`, selectors[mod]);
    } else {
      for (const key of this.#daemonSets.keys()) if (key.startsWith(mod)) this.#daemonSets.delete(key);
    }
  }

  #kmm2(node: ModelNode, mod: Mod): boolean {
    const label = node.labels[VERSION[mod]];
    const [wanted, loaded] = [node.wanted[mod], node.loaded[mod]];
    if (label === undefined && wanted) {
      delete node.wanted[mod];
      return true;
    }
    if (label !== undefined && label === this.applied?.version && wanted?.version !== label) {
      if (wanted || loaded) this.violations.push(`${node.name}: ${mod} is reloaded in place`);
      node.wanted[mod] = { version: label, boot: "" };
      return true;
    }
    const boot = String(node.boot);
    if (!node.ready) return false;
    if (!wanted) {
      if (!loaded) return this.#drop(node, READY[mod]) || this.#drop(node, VERSION_READY[mod]);
      this.#unload(node, mod);
      delete node.loaded[mod];
      return true;
    }
    if (loaded?.version !== wanted.version || loaded.boot !== boot) {
      // The labels of the boot before stay meanwhile: only NodeModulesConfig tells.
      if (this.bad.has(wanted.version) || !this.#load(node, mod, wanted.version)) return false;
      node.loaded[mod] = { version: wanted.version, boot };
      return true;
    }
    return this.#set(node, READY[mod], "") || this.#set(node, VERSION_READY[mod], wanted.version);
  }

  /** modprobe; onload needs the sfc of its own version under it where sfc is managed. */
  #load(node: ModelNode, mod: Mod, version: string): boolean {
    if (mod === "onload" && node.labels[VERSION.sfc] !== undefined && node.kernel.sfc !== version) return false;
    node.kernel[mod] = version;
    return true;
  }

  #unload(node: ModelNode, mod: Mod): void {
    if (node.kernel[mod] === undefined) return;
    if (mod === "onload" && node.pods.length > 0) {
      this.violations.push(`${node.name}: onload is unloaded under ${node.pods.length} pods`);
    }
    if (mod === "sfc" && node.kernel.onload !== undefined) {
      this.violations.push(`${node.name}: sfc is unloaded under onload`);
    }
    delete node.kernel[mod];
  }

  #daemonSetController(node: ModelNode): boolean {
    const labelled = pluginLabel(KEY) in node.labels;
    if (labelled && !node.plugin && this.template) {
      node.plugin = { ...this.template, ready: false, going: false };
      return true;
    }
    if (labelled || !node.plugin || node.plugin.going) return false;
    node.plugin.going = true;
    return true;
  }

  #kubeletPlugin(node: ModelNode): boolean {
    if (!node.plugin || !node.ready) return false;
    if (node.plugin.going) node.plugin = undefined;
    else if (node.plugin.ready) return false;
    else node.plugin.ready = true;
    return true;
  }

  #kubeletAllocatable(node: ModelNode): boolean {
    const serves = node.plugin?.ready && !node.plugin.going && node.kernel.onload !== undefined;
    const allocatable = serves ? 100 : 0;
    if (!node.ready || node.allocatable === allocatable) return false;
    node.allocatable = allocatable;
    node.version++;
    return true;
  }

  #endPods(node: ModelNode): boolean {
    if (!node.ready || !node.pods.some(({ going }) => going)) return false;
    node.pods = node.pods.filter(({ going }) => !going);
    return true;
  }

  #set(node: ModelNode, label: string, value: string): boolean {
    if (node.labels[label] === value) return false;
    node.labels[label] = value;
    node.version++;
    return true;
  }

  #drop(node: ModelNode, label: string): boolean {
    if (!(label in node.labels)) return false;
    delete node.labels[label];
    node.version++;
    return true;
  }
}

function selects(selector: Selector, { labels }: ModelNode, mod: Mod): boolean {
  return !(LATCH[mod] in selector) || labels[LATCH[mod]] === ON;
}

/** Whether a patch makes KMM unload a module. */
function takesOff(node: ModelNode, patch: Record<string, string | null>, mod: Mod): boolean {
  return patch[LATCH[mod]] === OFF || (patch[VERSION[mod]] === null && node.labels[LATCH[mod]] !== OFF);
}

function merge(into: Record<string, string>, patch: Record<string, string | null>): void {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete into[key];
    else into[key] = value;
  }
}
