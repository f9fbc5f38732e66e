/** What must be true when nothing moves any more: either all is done, or the status says why not and what to do. */
import { isDeepStrictEqual } from "node:util";
import type { Node } from "../../../api/core.ts";
import { matches } from "./api.ts";
import type { Cluster } from "./cluster.ts";
import { mappingOf } from "./images.ts";
import { poolOf } from "./judge.ts";
import { mayBeOut } from "./limits.ts";
import {
  CONFIRM,
  type Key,
  keyText,
  moduleName,
  ownLabels,
  PLUGIN_NAME,
  pluginDaemonSet,
  pluginLabel,
  ownAnnotations,
  TEMPLATE,
} from "./names.ts";
import { changeOf, keeps, keyFrom, type OnloadObject, onloadAt, onloadsOf, type Status } from "./resources.ts";
import { amountOf, isNodeReady } from "./world.ts";

/** Nodes that a resource is to serve. */
function wantedBy(cluster: Cluster, onload: OnloadObject): Node[] {
  const onloads = onloadsOf(cluster.world.api);
  return cluster.world.api.list("nodes").filter((node) => keeps(onload, onloads, node));
}

/** The node serves, with a plugin from before the last change of the DaemonSet. */
const OLD_TEMPLATE = "a plugin of the present template";

/** What is missing on a node until it serves a version; undefined if nothing is. */
function missingOn(
  cluster: Cluster,
  { metadata: { name, labels = {} }, ...node }: Node,
  key: Key,
  version: string,
): string | undefined {
  const { world } = cluster;
  const machine = world.machines.get(name)!;
  const module = world.api.get("modules", `${key.namespace}/${moduleName(key.name, "onload")}`);
  const onload = onloadAt(world.api, keyText(key));
  const daemonSet = world.api.get("daemonsets", `${key.namespace}/${pluginDaemonSet(key.name)}`);
  const plugin = world.api
    .podsOn(name)
    .find(({ metadata }) => metadata.labels?.[PLUGIN_NAME] === pluginDaemonSet(key.name));
  if (!module || !mappingOf(module, machine.kernel)) return "a Module for its kernel";
  if (machine.loaded.onload?.version !== version) return `onload ${version}`;
  if (onload && isPromisedSfc(onload, version, machine.kernel) && machine.loaded.sfc?.version !== version)
    return `sfc ${version}`;
  if (labels[pluginLabel(key)] !== version) return "the plugin's label";
  if (!plugin || plugin.metadata.deletionTimestamp !== undefined) return "the plugin";
  if (amountOf({ metadata: { name }, ...node } as Node) === "0") return "amd.com/onload";
  if (!isNodeReady({ metadata: { name }, ...node } as Node)) return "its kubelet";
  if (plugin.metadata.labels?.["onload.amd.com/version"] !== version) return "a plugin of its version";
  const template = daemonSet?.spec.template.metadata.annotations?.[TEMPLATE];
  return plugin.metadata.annotations?.[TEMPLATE] === template ? undefined : OLD_TEMPLATE;
}

/**
 * Whether the spec asks for sfc, on a kernel, and the status does not say that it is held back. A version that a
 * rollback goes back to is not the spec's.
 */
function isPromisedSfc({ spec, status }: OnloadObject, version: string, kernel: string): boolean {
  if (version !== spec.onload.version) return false;
  const held = status && conditionOf(status, "Degraded")?.message.includes("sfc for kernel");
  const mapping = spec.onload.kernelMappings.find(({ regexp }) => new RegExp(regexp).test(kernel));
  return mapping?.sfc !== undefined && held !== true;
}

/** What is wrong with what the statuses say, now that nothing moves. */
export function judgeQuiet(cluster: Cluster): string[] {
  return onloadsOf(cluster.world.api).flatMap((onload) => judgeStatus(cluster, onload));
}

function judgeStatus(cluster: Cluster, onload: OnloadObject): string[] {
  const key = keyFrom(onload);
  const name = keyText(key);
  const { status } = onload;
  if (!status) return [`${name} has no status`];
  const found: string[] = [];
  if (status.observedGeneration !== onload.metadata.generation) found.push(`${name}: the status is of an older spec`);
  const wanted = wantedBy(cluster, onload);
  const version = status.version ?? "";
  const ready = conditionOf(status, "Ready");
  const missing = wanted.flatMap((node) => {
    const what = missingOn(cluster, node, key, version);
    return what === undefined ? [] : [{ node, what }];
  });
  found.push(...judgeHeldSelector(cluster, onload, status), ...judgeLost(cluster, onload, status));
  if (onload.metadata.deletionTimestamp !== undefined) return [...found, ...judgeLeaving(cluster, onload, status)];
  found.push(...judgeUnwanted(cluster, onload, status, wanted));
  const pool = poolOf(key, onload, onloadsOf(cluster.world.api), cluster.world.api.list("nodes")).length;
  const lacking = missing.filter(({ what }) => what !== OLD_TEMPLATE);
  if (ready?.status === "True" && (lacking.length > 0 || wanted.length === 0)) {
    found.push(
      `${name} is Ready, and ${lacking.map(({ node, what }) => `${node.metadata.name} lacks ${what}`).join(", ")}`,
    );
  }
  if (ready?.status !== "True" && missing.length === 0 && wanted.length > 0 && version === onload.spec.onload.version) {
    found.push(`${name} is not Ready (${ready?.message}), and every node has all`);
  }
  found.push(...judgeRows(cluster, onload, missing));
  for (const { node, what } of missing) {
    if (isPersonsWish(onload, node, key, wanted, pool)) continue;
    found.push(...judgeProblem(name, status, node.metadata.name, what));
  }
  return found;
}

/** A node that lacks something without a person having wished so makes the resource degraded, and the status says why and what to do. */
function judgeProblem(name: string, status: Status, node: string, what: string): string[] {
  const degraded = conditionOf(status, "Degraded");
  if (degraded?.status !== "True")
    return [`${name}: ${node} lacks ${what} for ever, and Degraded is False (${degraded?.message})`];
  const { reason, message } = status.problems?.find((each) => each.node === node) ?? degraded;
  if (/^[A-Z]\w+$/.test(reason) && /\S; [a-z]{2}/.test(message)) return [];
  return [`${name}: ${node} lacks ${what}, and nothing says why and what to do: ${reason}: ${message}`];
}

/** Whatever a node lacks, and for whatever reason, a person is told what it waits for. */
function judgeRows(cluster: Cluster, onload: OnloadObject, missing: readonly { node: Node; what: string }[]): string[] {
  if (missing.length === 0) return [];
  const rows = cluster.operator.rows(onload);
  return missing.flatMap(({ node: { metadata }, what }) => {
    const row = rows.find((each) => each.node === metadata.name);
    if (row && row.why.length > 10) return [];
    return [`${metadata.name} lacks ${what}, and \`status\` does not say why: ${JSON.stringify(row)}`];
  });
}

/** A selector that does not hold would let go of too many nodes that serve, and the status says how to confirm it. */
function judgeHeldSelector(cluster: Cluster, onload: OnloadObject, status: Status): string[] {
  const { world } = cluster;
  const name = keyText(keyFrom(onload));
  if (isDeepStrictEqual(status.selector, onload.spec.selector) || onload.metadata.deletionTimestamp !== undefined)
    return [];
  const letGo = wantedBy(cluster, onload).filter(
    (node) => !matches(onload.spec.selector, node.metadata.labels ?? {}) && hasOwn(node, keyFrom(onload)),
  );
  // One that has failed on its way to serve again counts.
  const serving = letGo.filter(({ metadata }) => world.holdersOn(metadata.name).length > 0).length;
  const isHeldBack = world.heldBack.get(onload.metadata.uid!) === JSON.stringify(onload.spec.selector);
  if ((serving === 0 && !isHeldBack) || letGo.length < 2)
    return [`${name}: spec.selector lets go of ${serving} nodes that serve, and does not hold`];
  const degraded = conditionOf(status, "Degraded");
  const says = degraded?.status === "True" && degraded.message.includes(CONFIRM);
  return says ? [] : [`${name}: spec.selector does not hold, and nothing says how to confirm it`];
}

/** Many nodes that serve pods are not selected any more, and the status says how to confirm that. */
function judgeLost(cluster: Cluster, onload: OnloadObject, status: Status): string[] {
  const { world } = cluster;
  const key = keyFrom(onload);
  if (onload.metadata.deletionTimestamp !== undefined || world.confirmed.has(changeOf(onload))) return [];
  const wanted = wantedBy(cluster, onload);
  const whole = world.api.list("nodes").filter(({ metadata }) => pluginLabel(key) in (metadata.labels ?? {}));
  const lost = whole.filter(
    (node) => !wanted.includes(node) && isNodeReady(node) && world.holdersOn(node.metadata.name).length > 0,
  );
  const all = new Set([...whole, ...wanted]).size;
  if (lost.length <= mayBeOut(onload.spec.upgrade.maxUnavailable, all)) return [];
  const degraded = conditionOf(status, "Degraded");
  const says = degraded?.status === "True" && degraded.message.includes(CONFIRM);
  return says ? [] : [`${keyText(key)}: ${lost.length} nodes are not let go, and nothing says how to confirm it`];
}

/** Nodes that a resource does not want and has not let go of either: the status says that something is wrong. */
function judgeUnwanted(cluster: Cluster, onload: OnloadObject, status: Status, wanted: readonly Node[]): string[] {
  const key = keyFrom(onload);
  const kept = cluster.world.api
    .list("nodes")
    .filter((node) => hasOwn(node, key) && !wanted.includes(node) && isNodeReady(node));
  // Those that a person holds may hold all slots.
  const isWish = wanted.some((node) => !isNodeReady(node) || node.spec?.unschedulable === true);
  if (kept.length === 0 || isWish || conditionOf(status, "Degraded")?.status === "True") return [];
  const names = kept.map(({ metadata }) => metadata.name).join(", ");
  return [`${keyText(key)} does not let go of ${names} for ever, and nothing says why`];
}

function judgeLeaving(cluster: Cluster, onload: OnloadObject, status: Status): string[] {
  const key = keyFrom(onload);
  const stuck = cluster.world.api.list("nodes").filter((node) => hasOwn(node, key) && isNodeReady(node));
  if (stuck.length === 0 && cluster.world.api.list("nodes").some((node) => hasOwn(node, key))) return [];
  if (conditionOf(status, "Degraded")?.status === "True") return [];
  return [
    `${keyText(key)} is being deleted for ever, and nothing says why: ${stuck.map(({ metadata }) => metadata.name).join(", ")}`,
  ];
}

function conditionOf(
  { conditions }: Status,
  type: string,
): { status: string; reason: string; message: string } | undefined {
  return conditions?.find((each) => each.type === type);
}

/** Whether a person has it so: paused, cordoned, a machine that is off. */
function isPersonsWish(onload: OnloadObject, node: Node, key: Key, wanted: Node[], pool: number): boolean {
  if (!isNodeReady(node) || node.spec?.unschedulable) return true;
  const whole = pluginLabel(key) in (node.metadata.labels ?? {});
  if (onload.spec.upgrade.paused && whole) return true;
  // Those that a person holds may hold all slots.
  const held = wanted.filter((each) => !isNodeReady(each) || each.spec?.unschedulable === true).length;
  return whole && held > 0 && held >= mayBeOut(onload.spec.upgrade.maxUnavailable, pool);
}

function hasOwn(node: Node, key: Key): boolean {
  const names = { ...node.metadata.labels, ...node.metadata.annotations };
  return [...ownLabels(key), ...ownAnnotations(key)].some((name) => name in names);
}

/** What is not as it must be in the end, after all faults. */
export function judgeEnd(cluster: Cluster, deleted: readonly Key[]): string[] {
  const { api } = cluster.world;
  const found: string[] = [];
  for (const key of deleted) {
    if (onloadAt(api, keyText(key))) found.push(`${keyText(key)} is still there`);
    for (const node of api.list("nodes"))
      if (hasOwn(node, key)) found.push(`${node.metadata.name} has something of ${keyText(key)}`);
    for (const kind of ["modules", "daemonsets"] as const) {
      for (const { metadata } of api.list(kind)) {
        if (metadata.namespace === key.namespace && metadata.name.startsWith(`${key.name}-`))
          found.push(`${metadata.name} is still there`);
      }
    }
  }
  for (const onload of onloadsOf(api)) {
    const key = keyFrom(onload);
    const wanted = wantedBy(cluster, onload);
    for (const node of wanted) {
      const what = missingOn(cluster, node, key, onload.spec.onload.version);
      if (what !== undefined) found.push(`${node.metadata.name} lacks ${what} for ${keyText(key)}`);
    }
    for (const node of api.list("nodes")) {
      if (!wanted.includes(node) && hasOwn(node, key))
        found.push(`${node.metadata.name} has something of ${keyText(key)}, which does not want it`);
    }
    if (!isDeepStrictEqual(onload.status?.selector, onload.spec.selector))
      found.push(`${keyText(key)}: spec.selector does not hold`);
    const ready = onload.status && conditionOf(onload.status, "Ready");
    if (wanted.length > 0 && ready?.status !== "True") found.push(`${keyText(key)} is not Ready: ${ready?.message}`);
  }
  return found;
}
