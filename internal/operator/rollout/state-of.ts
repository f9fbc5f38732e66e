/** The state of a node, derived from its facts alone. Pure, total, and the same after any crash. */
import type { NodeFacts, Version } from "../assess/facts.ts";
import type { NodeState } from "./states.ts";

/** The node's state. */
export function stateOf(node: NodeFacts): NodeState {
  if (node.want === undefined) return isWhole(node) ? "Unwanted" : goingDown(node);
  if (isWhole(node) && (node.labels.onload !== node.want || lacksSfc(node))) return "Outdated";
  if (isStale(node)) return goingDown(node);
  return goingUp(node, node.want);
}

/**
 * Whether the node has all the labels of one version, whichever: it serves pods, and only with a slot may that change.
 * A missing sfc label does not matter, because an older version may not have managed sfc.
 */
export function isWhole({ labels: { plugin, onload, sfc } }: NodeFacts): boolean {
  return plugin !== undefined && plugin === onload && (sfc === undefined || sfc === onload);
}

/** Whether labels of modules must go before the wanted version can come. A plugin label alone is simply put right. */
function isStale(node: NodeFacts): boolean {
  const { onload, sfc } = node.labels;
  if (lacksSfc(node)) return true;
  if (node.sfcAbandoned && !mayBeLoaded(node.sfc) && !mayBeLoaded(node.onload)) return true;
  return onload === undefined ? sfc !== undefined && sfc !== node.want : onload !== node.want;
}

/**
 * Whether the node was to load the wanted version of onload when that came without sfc: sfc cannot come under it any more.
 * If only the label is missing, because somebody took it away, something of sfc is still there.
 */
function lacksSfc({ want, labels, sfc, sfcManaged }: NodeFacts): boolean {
  return sfcManaged && labels.onload === want && labels.sfc === undefined && !sfc.present;
}

/** Whether a module is loaded, or on its way without having failed. */
function mayBeLoaded({ present, ready, failure }: NodeFacts["onload"]): boolean {
  return present && (ready !== undefined || failure === undefined);
}

/** Down: plugin, pods, onload, sfc, each gone before the next is touched. */
function goingDown(node: NodeFacts): NodeState {
  const { labels } = node;
  if (labels.plugin !== undefined) return "Leaving";
  if (node.plugin.present) return "StoppingPlugin";
  if (labels.onload !== undefined) {
    if (node.holders === undefined) return "Inspecting";
    return node.holders.length > 0 ? "Draining" : "Drained";
  }
  if (node.onload.present) return "UnloadingOnload";
  if (labels.sfc !== undefined) return "OnloadUnloaded";
  if (node.sfc.present) return "UnloadingSfc";
  const isNoted = node.stepRecord !== undefined || node.failureRecord !== undefined;
  return isNoted || node.reminded || hasLoadLabel(node) ? "Cleaned" : "Absent";
}

/** Up: sfc if it is managed, onload on top of it, and then the plugin. */
function goingUp(node: NodeFacts, want: Version): NodeState {
  const { labels } = node;
  if (labels.onload === undefined && labels.sfc === undefined) return bare(node);
  if (node.sfcManaged && (labels.sfc !== want || hasLostLoadLabel(node, "sfc"))) return "SfcUnlabelled";
  if (labels.onload === undefined) {
    if (node.sfc.ready !== want) return "LoadingSfc";
    return node.onload.present ? "UnloadingOnload" : "SfcReady";
  }
  if (node.onload.ready !== want) return hasLostLoadLabel(node, "onload") ? "OnloadUnlabelled" : "LoadingOnload";
  if (node.sfcManaged && node.sfc.ready !== want) return "SfcMissing";
  if (labels.plugin !== want) return "ModuleReady";
  if (node.plugin.present && !node.plugin.current) return "PluginOutdated";
  return node.plugin.ready && node.allocatable > 0 ? "Ready" : "StartingPlugin";
}

/** Whether the node has a load label, on or off. */
export function hasLoadLabel({ loadLabels }: NodeFacts): boolean {
  return loadLabels.onload.value !== undefined || loadLabels.sfc.value !== undefined;
}

/** Whether a module waits for a load label that somebody has removed. */
function hasLostLoadLabel(node: NodeFacts, module: "onload" | "sfc"): boolean {
  const { required, value } = node.loadLabels[module];
  return required && value === undefined && node[module].ready === undefined;
}

/** Wanted, and no module label yet: wait until every trace of the old is gone, then begin. */
function bare(node: NodeFacts): NodeState {
  if (node.plugin.present && node.labels.plugin === undefined) return "StoppingPlugin";
  if (node.onload.present) return "UnloadingOnload";
  if (node.sfc.present) return "UnloadingSfc";
  if (node.blockedBy !== undefined) return "Blocked";
  if (!node.mapped) return "Unmapped";
  if (node.stepRecord !== undefined || node.labels.plugin !== undefined) return "Unloaded";
  if (node.cordoned) return "Cordoned";
  return node.taints.kmm || node.taints.plugin ? "Tainted" : "New";
}
