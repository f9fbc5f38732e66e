/**
 * What is known of one node for one Onload resource: what is seen of it, and what follows from the objects that the
 * resource asks for. Everything that the rollout decides follows from these facts and the clock: nothing is remembered
 * in the operator.
 */
import type { BlockingTaints } from "./taints.ts";
import type { MissingImage } from "../kmm/images.ts";
import type { KernelRefusal, LoadLabelFacts, Version } from "../kmm/kmm.ts";
import type { NodeObservation, PluginObservation } from "../observe/observation.ts";

export type { Holder } from "../cache/holders.ts";
export type { Failure, LoadLabelFacts, Version } from "../kmm/kmm.ts";

/** One node, seen from one Onload resource. */
export interface NodeFacts extends Omit<NodeObservation, "sfcAtBoot" | "plugin" | "loadLabels" | "taints"> {
  /** Why KMM can load nothing here: it cannot take this node's kernel, gives up at that of another one, or it is no Linux. */
  kernelRefused: KernelRefusal | undefined;
  /** Whether a kernel mapping gives the node's kernel an image, and KMM takes it. */
  mapped: boolean;
  /** Why it cannot be told which mapping is for that kernel; see ChosenMapping. */
  mappingProblem: string | undefined;
  /** Expressions of all kernel mappings if none of them matches; else empty. */
  mappingsTried: readonly string[];
  /** Images of the wanted version that KMM has not found for that kernel; empty if KMM does not say (before 2.4). */
  missingImages: readonly MissingImage[];
  taints: BlockingTaints;
  /** Whether the sfc module is managed for this node's kernel. */
  sfcManaged: boolean;
  /** The node's labels ask for an sfc that is not managed here, and that no Module loads any more. */
  sfcAbandoned: boolean;
  /** The MachineConfig by which the node loads sfc itself at boot, although the resource asks to manage sfc here. */
  sfcConflict: string | undefined;
  loadLabels: { onload: LoadLabelFacts; sfc: LoadLabelFacts };
  plugin: PluginFacts;
}

/** The device plugin's pod on a node. */
export interface PluginFacts extends Omit<PluginObservation, "made"> {
  /** It was made from the DaemonSet's present template, or will be. */
  current: boolean;
  /** The version of the pod that stays; undefined if there is none, or if it does not say. */
  version: Version | undefined;
}
