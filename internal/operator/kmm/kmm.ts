/**
 * What the operator needs of Kernel Module Management. KMM 1.1 and 2.x do it in different ways; each has one
 * implementation (kmm1.ts, kmm2.ts), and nothing outside this folder asks which one is installed.
 */
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import type { Module, ModuleLoaderContainer, ModuleSpec, NodeModulesConfig } from "../../api/kmm.ts";
import type { NodeReason } from "../../api/reasons.ts";
import type { LoadLabelValue } from "./load-label.ts";

/** A label's or a module's version: the value of spec.onload.version. */
export type Version = string;

/** Namespace and name of a Module. */
export interface ModuleRef {
  namespace: string;
  module: string;
}

/** Labels of a JSON merge patch of a node: a new value, or null to remove the label. */
export type NodeLabels = Record<string, string | null>;

/** What KMM or the kubelet reports as failed, in their own words. */
export interface Failure {
  reason: NodeReason;
  message: string;
}

/** The objects in which KMM tells about one node. */
export interface KmmNodeInputs {
  node: DeepReadonly<Node>;
  /** The node's pods, or those of them that KMM made. */
  kmmPods: readonly DeepReadonly<Pod>[];
  /** KMM 2.x: the node's NodeModulesConfig. */
  nmc: DeepReadonly<NodeModulesConfig> | undefined;
  /** The end of the logs of failed pods, by the pods' uid. */
  failureLogs: ReadonlyMap<string, string>;
}

/** The load label of one module on one node; see load-label.ts. KMM 2.x never has any use for it. */
export interface LoadLabelObservation {
  /** undefined: the node has none. */
  value: LoadLabelValue | undefined;
  /** The module that is on the node goes as soon as the label is `off`. */
  effective: boolean;
}

/** One kernel module on one node, as KMM tells it. */
export interface ModuleObservation {
  /** Something of the module is there: a module-loader pod, a worker pod, or an entry in the NodeModulesConfig. */
  present: boolean;
  /** KMM has made no pod that loads or unloads it; how it stands without one is for the caller to judge. */
  lacksPod: boolean;
  /** The version that is loaded and ready. */
  ready: Version | undefined;
  /** KMM's label on the node says that it is loaded. The pods may be seen later, and the label may be missing. */
  labelledReady: boolean;
  /** When its newest pod was made or changed readiness, in milliseconds since the epoch. */
  since: number | undefined;
  failure: Failure | undefined;
  /** What KMM's pod for it is at, while that has not done its work. */
  progress?: string | undefined;
  /** The image that it was loaded from, or is being loaded from. */
  image: string | undefined;
  /** KMM 1.1: the Module's selector when this was loaded. */
  selector: Readonly<Record<string, string>> | undefined;
}

/** All that is read of one kernel module on one node. */
export interface ModuleReading {
  module: ModuleObservation;
  /** The version that the node's labels ask KMM for; undefined: none. */
  labelled: Version | undefined;
  loadLabel: LoadLabelObservation;
}

/** A module's load label, together with what its Module asks for. */
export interface LoadLabelFacts extends LoadLabelObservation {
  /** The Module loads only on nodes whose load label is on. */
  required: boolean;
}

/** How a resource's Module is in use on nodes; what its selector depends on. */
export interface SelectorInUse {
  /** The Module in the cluster. */
  live: DeepReadonly<Module> | undefined;
  /** The desired version is loaded on some node, whether it is wanted there or not. */
  loaded: boolean;
  /** The Module's selector when that version was loaded, if KMM tells it. */
  loadedBy: Readonly<Record<string, string>> | undefined;
  /** Some node has any version of the module and does not obey its load label. */
  unlabelled: boolean;
}

/** Why KMM cannot take a kernel version. */
export interface KernelRefusal {
  /** What is wrong: a sentence without its end. */
  why: string;
  /** What a person can do about it. */
  remedy: string;
  /** Nothing can be loaded on any node because of it, whatever that node's own kernel is. */
  stopsAll?: true;
}

/** The part of a container's securityContext by which a pod of KMM may be refused. */
export interface LoaderSecurity {
  privileged?: true;
  allowPrivilegeEscalation?: false;
  capabilities?: { add: string[] };
  runAsUser: number;
  seLinuxOptions?: { type: string };
}

/** Kernel Module Management, as far as it is installed. */
export interface Kmm {
  /** Whether there is a KMM at all. Without one nothing can be loaded, but nodes can be cleaned. */
  readonly installed: boolean;
  /** Whether a ModuleImagesConfig says which images exist, before KMM loads any of them (2.4 and later). */
  readonly tellsImages: boolean;
  /** Whether KMM skips nodes that are cordoned, and does not notice when they are uncordoned. */
  readonly skipsCordonedNodes: boolean;
  /** Whether our Modules tolerate every taint. KMM that knows no tolerations skips nodes with taints. */
  readonly toleratesTaints: boolean;

  /** What is known of one module on one node. */
  observeModule(ref: ModuleRef, inputs: KmmNodeInputs): ModuleReading;
  /** The label changes by which KMM loads a version on a node. */
  labelsToLoad(ref: ModuleRef, version: Version, loadLabel: LoadLabelFacts): NodeLabels;
  /** The label changes by which KMM unloads whatever version the node has. */
  labelsToUnload(ref: ModuleRef, loadLabel: LoadLabelFacts): NodeLabels;
  /** The label changes that remove what unloading has left on the node. */
  labelsToClear(ref: ModuleRef, loadLabel: LoadLabelFacts): NodeLabels;

  /** Fields of a Module's spec that only some versions know. */
  moduleOptions(): Pick<ModuleSpec, "tolerations">;
  /** The field by which a Module removes an in-tree module first. */
  inTreeRemoval(module: string): Pick<ModuleLoaderContainer, "inTreeModuleToRemove" | "inTreeModulesToRemove">;
  /** The selector that a Module is to have, given how it is in use. */
  selectorFor(module: Module, inUse: SelectorInUse): Record<string, string>;
  /** Whether changes of a Module's serviceAccountName and imageRepoSecret reload what is loaded. */
  readonly reloadsForPodFields: boolean;
  /** What the container in which KMM loads a module may do, as far as admission looks at it. */
  readonly loaderSecurity: LoaderSecurity;
  /** Why KMM does not go on if a Module is for a node of this kernel version; undefined if it does. */
  refusesKernel(kernelVersion: string): KernelRefusal | undefined;
  /** A kernel version as KMM puts it into the names of images. */
  kernelInImageNames(kernelVersion: string): string;
}
