/**
 * What the operator must never do, judged at each of its writes from the world as it is and from what the operator can
 * have seen, with nothing of the operator's own reckoning.
 */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, Node, Pod } from "../../../api/core.ts";
import { isFinished, keyOf, matches, type Stored } from "./api.ts";
import type { Call, Seen } from "./client.ts";
import { Halts } from "./halts.ts";
import { hasThreeParts } from "./images.ts";
import { isOut, mayBeOut } from "./limits.ts";
import {
  CONFIRM,
  type Driver,
  type Key,
  keyText,
  loadLabel,
  loaderLabel,
  moduleName,
  ownAnnotations,
  ownLabels,
  parseKey,
  PLUGIN_NAME,
  pluginDaemonSet,
  pluginLabel,
  readyLabel,
  reminderLabel,
  versionLabel,
} from "./names.ts";
import { changeOf, isStatic, keeps, onloadsOf, type OnloadObject, serves } from "./resources.ts";
import { asksForOnload, isNodeReady, isTainted, type World } from "./world.ts";

type Labels = Record<string, string | null>;

/** Whether a person has confirmed what a resource lets go of. */
function isConfirmed({ confirmed }: World, onload: DeepReadonly<OnloadObject>): boolean {
  return onload.metadata.annotations?.[CONFIRM] !== undefined && confirmed.has(changeOf(onload));
}

/** A node that the operator took down. */
interface TakenDown {
  /** When, in milliseconds since the epoch. */
  at: number;
  /** Whether it was wanted no more then, or has been let go since. */
  isLetGo: boolean;
  /** Whether pods there held the resource. */
  hadPods: boolean;
}

export class Judge {
  readonly #world: World;
  readonly #halts: Halts;
  /** Nodes that served when the operator took them down, by resource; until they serve again. */
  readonly #takenDown = new Map<string, Map<string, TakenDown>>();
  /** spec.onload and the retry annotation at the beginning of each rollback, by resource and `since`. */
  readonly #rollbacks = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
    this.#halts = new Halts(world);
  }

  onWrite(call: Call): void {
    const { verb, kind, pass } = call;
    const key = parseKey(pass.key);
    const allowed: Record<string, string[]> = {
      patch: ["nodes", "onloads", "modules", "daemonsets"],
      apply: ["modules", "daemonsets", "onloads"],
      delete: ["pods", "modules", "daemonsets"],
      evict: ["pods"],
    };
    if (!allowed[verb]!.includes(kind))
      this.#violate(key, `${verb} of ${kind} ${call.key} is none of the operator's business`);
    // A node that has served since is out for another reason.
    this.#down(key);
    if (kind === "nodes" && verb === "patch") this.#judgePatch(key, call);
    if (kind === "pods") this.#judgePod(key, call);
    if (kind === "onloads") this.#judgeOnload(key, call);
    if ((kind === "modules" || kind === "daemonsets") && verb === "delete") this.#judgeRemoval(key, call);
  }

  onWritten(call: Call, old: Stored | undefined, current: Stored): void {
    const key = parseKey(call.pass.key);
    const seen = call.pass.seen.nodes.find(({ metadata }) => metadata.name === call.key);
    // A patch whose answer was lost may be sent again as long as the caches are behind.
    const known = call.kind !== "nodes" || seen?.metadata.resourceVersion === old?.metadata.resourceVersion;
    if (call.verb === "patch" && old === current && known) {
      this.#violate(key, `a patch of ${call.key} changes nothing: ${JSON.stringify(call.body)}`);
    }
    if (call.kind === "modules" && old?.metadata.generation !== current.metadata.generation) this.#noteLoaded(call);
    if (call.kind === "onloads" && call.subresource === "status") {
      this.#noteRollback(old as unknown as OnloadObject, current as unknown as OnloadObject, call.pass.seen);
      this.#halts.note(old as unknown as OnloadObject, current as unknown as OnloadObject);
      this.#judgeSelector(key, old as unknown as OnloadObject, current as unknown as OnloadObject, call.pass.seen);
      this.#noteHeldBack(current as unknown as OnloadObject, call.pass.seen);
    }
  }

  #violate(key: Key, text: string): void {
    this.#world.violate(`${keyText(key)}: ${text}`);
  }

  #judgePatch(key: Key, { key: name, body, pass: { seen } }: Call): void {
    const { metadata, ...rest } = body as PatchBody;
    const { labels = {}, annotations = {}, resourceVersion: _, ...more } = metadata ?? {};
    const foreign = [
      ...Object.keys(rest),
      ...Object.keys(more),
      ...Object.keys(labels).filter((label) => !ownLabels(key).includes(label)),
      ...Object.keys(annotations).filter((annotation) => !ownAnnotations(key).includes(annotation)),
    ];
    if (foreign.length > 0) this.#violate(key, `${foreign.join(", ")} of node ${name} is somebody else's`);
    const node = this.#world.api.get("nodes", name);
    const onload = resourceIn(seen, key);
    if (!node || !onload) return;
    this.#judgeVersions(key, name, labels, onload);
    // A node that was out already is let go by a record alone.
    const isLetGo = annotations[`${pluginLabel(key)}.step`]?.endsWith(" letGo") === true;
    if (Object.keys(labels).length > 0 || isLetGo) this.#judgeInterrupted(key, name, onload, seen);
    if (labels[pluginLabel(key)] === null) this.#judgeStart(key, name, onload, seen);
    for (const driver of ["onload", "sfc"] as const) {
      if (takesOff(node.metadata.labels ?? {}, labels, key, driver)) this.#judgeUnload(key, name, driver);
    }
  }

  /** Where the operator knows a Module to be loaded when it changes it: there KMM must not load it anew. */
  #noteLoaded({ key, pass }: Call): void {
    const { namespace, name } = parseKey(key);
    const loaded = pass.seen.nodes.filter(({ metadata }) => readyLabel(namespace, name) in (metadata.labels ?? {}));
    this.#world.knownLoaded.set(key, new Set(loaded.map(({ metadata }) => metadata.name)));
  }

  /** Versions that are set are those of the spec, or of the last Ready version while a rollback holds. */
  #judgeVersions(key: Key, name: string, labels: Labels, onload: DeepReadonly<OnloadObject>): void {
    const wanted = this.#target(onload);
    for (const [label, value] of Object.entries(labels)) {
      if (value === null || label.startsWith("latch.") || label === reminderLabel(key)) continue;
      if (value !== wanted) this.#violate(key, `${name} gets version ${value}, and ${wanted} is wanted`);
    }
    for (const driver of ["onload", "sfc"] as const) {
      const load = labels[loadLabel(key.namespace, moduleName(key.name, driver))];
      if (load !== undefined && ![null, "on", "off"].includes(load)) this.#violate(key, `${name}: load label ${load}`);
    }
  }

  #target({ metadata, spec, status }: DeepReadonly<OnloadObject>): string {
    const { rollback } = status ?? {};
    if (!rollback) return spec.onload.version;
    const begun = this.#rollbacks.get(`${metadata.uid} ${rollback.since}`);
    return begun === attempt({ metadata, spec }) ? rollback.toVersion : spec.onload.version;
  }

  #noteRollback(old: OnloadObject, onload: OnloadObject, { onloads }: Seen): void {
    const { rollback } = onload.status ?? {};
    const id = `${onload.metadata.uid} ${rollback?.since}`;
    // It was begun for the spec as the operator had seen it.
    const seen = onloads.find(({ metadata }) => metadata.uid === onload.metadata.uid);
    const begun = rollback && !isDeepStrictEqual(rollback, old.status?.rollback);
    if (begun && seen) this.#rollbacks.set(id, attempt(seen));
  }

  /** A node that serves is taken down only if the spec lets it be, and only if nothing has failed. */
  #judgeStart(key: Key, name: string, onload: DeepReadonly<OnloadObject>, pass: Seen): void {
    const { onloads, nodes } = pass;
    const seen = nodes.find(({ metadata }) => metadata.name === name);
    if (!seen || !isWhole(seen, key)) return;
    if (!keeps(onload, onloads, seen)) return this.#judgeLeaving(key, name, onload, pass);
    if (!serves(this.#world, name, key)) return;
    const { paused } = onload.spec.upgrade;
    if (paused) this.#violate(key, `${name} is taken down while paused`);
    if (seen.spec?.unschedulable) this.#violate(key, `${name} is taken down while a person has it cordoned`);
    if (isTainted(seen)) this.#violate(key, `${name} is taken down while it has a taint`);
    if (!isNodeReady(seen)) this.#violate(key, `${name} is taken down while it is not Ready`);
    this.#judgeLimit(key, name, onload, pass);
    const stopping = stopsKmm2(onload, nodes);
    // Without a rollback the Module has the mappings of the spec.
    if (stopping && !onload.status?.rollback && this.#world.api.list("nodemodulesconfigs").length > 0)
      this.#violate(key, `${name} is taken down, and KMM gives up at ${stopping.metadata.name}`);
    const failed = this.#halts.standing(onload);
    if (failed.length > 0) this.#violate(key, `${name} is taken down after ${failed.join(", ")} failed`);
  }

  /**
   * A node that is let go needs a slot too, as long as pods there hold the resource. Of more than may be out none goes, unless
   * the resource is deleted or a person has confirmed it.
   */
  #judgeLeaving(key: Key, name: string, onload: DeepReadonly<OnloadObject>, seen: Seen): void {
    const holding = holdersIn(seen, name);
    if (!holding) this.#violate(key, `${name} is let go, and nobody has looked for pods there`);
    else if (holding.length > 0) {
      this.#judgeLimit(key, name, onload, seen);
      this.#judgeLost(key, onload, seen);
    }
  }

  /** A node that has lost its labels while an upgrade had it out is let go as one that serves. */
  #judgeInterrupted(key: Key, name: string, onload: DeepReadonly<OnloadObject>, seen: Seen): void {
    const taken = this.#takenDown.get(keyText(key))?.get(name);
    const node = seen.nodes.find(({ metadata }) => metadata.name === name);
    if (!node || taken?.isLetGo !== false || keeps(onload, seen.onloads, node)) return;
    this.#judgeLost(key, onload, seen);
    taken.isLetGo = true;
  }

  #judgeLost(key: Key, onload: DeepReadonly<OnloadObject>, seen: Seen): void {
    if (onload.metadata.deletionTimestamp !== undefined || isConfirmed(this.#world, onload)) return;
    const lost = seen.nodes.filter(
      (node) =>
        isWhole(node, key) &&
        isNodeReady(node) &&
        !keeps(onload, seen.onloads, node) &&
        // Pods that went with their node lose nothing.
        holdersIn(seen, node.metadata.name)?.some((pod) => this.#world.api.get("pods", keyOf(pod))),
    );
    const most = mayBeOut(onload.spec.upgrade.maxUnavailable, poolOf(key, onload, seen.onloads, seen.nodes).length);
    const interrupted = seen.nodes.filter(
      (node) =>
        this.#takenDown.get(keyText(key))?.get(node.metadata.name)?.isLetGo === false &&
        !isWhole(node, key) &&
        isNodeReady(node) &&
        !keeps(onload, seen.onloads, node),
    );
    const all = lost.length + interrupted.length;
    if (lost.length > 0 && all > most)
      this.#violate(key, `${all} nodes have lost their labels, ${most} may be out, and nobody confirmed it`);
  }

  /** Another selector holds only if it lets go of few nodes that serve pods, or if a person has confirmed it. */
  #judgeSelector(key: Key, old: OnloadObject, { status }: OnloadObject, seen: Seen): void {
    const before = old.status?.selector;
    const after = status?.selector;
    if (!before || !after || isDeepStrictEqual(before, after)) return;
    const onload = resourceIn(seen, key);
    if (!onload) return;
    if (!isDeepStrictEqual(after, onload.spec.selector))
      this.#violate(key, "a selector holds that nobody has asked for");
    if (isConfirmed(this.#world, onload)) return;
    const letGo = seen.nodes.filter(
      (node) => isWhole(node, key) && keeps(onload, seen.onloads, node) && !matches(after, node.metadata.labels ?? {}),
    );
    const pods = letGo.map(({ metadata }) => holdersIn(seen, metadata.name));
    const serving = pods.filter((each) => each && each.length > 0).length;
    const most = mayBeOut(onload.spec.upgrade.maxUnavailable, poolOf(key, onload, seen.onloads, seen.nodes).length);
    if (pods.includes(undefined)) this.#violate(key, "a selector holds, and nobody has looked for pods on all nodes");
    // Those from which the operator itself has taken pods for the moment are to serve again.
    const down = [...this.#down(key)].flatMap(([name, { hadPods }]) => {
      const node = seen.nodes.find(({ metadata }) => metadata.name === name);
      const isLetGo = node && keeps(onload, seen.onloads, node) && !matches(after, node.metadata.labels ?? {});
      return isLetGo && hadPods ? [name] : [];
    });
    const isHeldBack = this.#world.heldBack.get(onload.metadata.uid!) === JSON.stringify(after);
    const counted = letGo.filter((_, i) => isHeldBack || pods[i]?.length).map(({ metadata }) => metadata.name);
    const total = new Set([...down, ...counted]).size;
    if ((isHeldBack || serving > 0) && total > most)
      this.#violate(key, `a selector lets go of ${total} nodes that serve or are to again, and ${most} may be out`);
  }

  /** What a status says to be held back is so until a person confirms it, whatever serves there later. */
  #noteHeldBack({ metadata: of, status }: OnloadObject, { onloads }: Seen): void {
    const degraded = status?.conditions?.find(({ type }) => type === "Degraded");
    for (const { metadata, spec } of onloads.filter((each) => each.metadata.uid === of.uid)) {
      const { generation, uid } = metadata;
      if (status?.observedGeneration !== generation || uid === undefined) continue;
      const selector = JSON.stringify(spec.selector);
      if (degraded?.status === "True" && degraded.message.includes("spec.selector lets go of"))
        this.#world.heldBack.set(uid, selector);
      else if (this.#world.heldBack.get(uid) !== selector) this.#world.heldBack.delete(uid);
    }
  }

  #judgeLimit(key: Key, name: string, onload: DeepReadonly<OnloadObject>, seen: Seen): void {
    const down = this.#down(key);
    const node = seen.nodes.find(({ metadata }) => metadata.name === name);
    down.set(name, {
      at: this.#world.api.now,
      isLetGo: !node || !keeps(onload, seen.onloads, node),
      hadPods: this.#world.holdersOn(name).length > 0,
    });
    const now = onloadsOf(this.#world.api);
    const wantedNow = this.#world.api.list("nodes").filter((node) => keeps(onload, now, node));
    const wantedSeen = seen.nodes.filter((node) => keeps(onload, seen.onloads, node));
    const pools = [
      poolOf(key, onload, now, this.#world.api.list("nodes")),
      poolOf(key, onload, seen.onloads, seen.nodes),
    ];
    const most = mayBeOut(onload.spec.upgrade.maxUnavailable, Math.max(...pools.map(({ length }) => length)));
    const mine = [...down.keys()].filter(
      (each) => wantedNow.some(({ metadata }) => metadata.name === each) || this.#isBeingEmptied(each, key, seen),
    );
    const seenOut = wantedSeen.filter((node) => isOut(node, key)).map(({ metadata }) => metadata.name);
    const out = new Set([...mine, ...seenOut, name]);
    if (out.size > most) this.#violate(key, `${[...out].join(", ")} are out, and ${most} may be`);
  }

  /** Whether pods have to leave a node that is let go. One that is not Ready has lost them already. */
  #isBeingEmptied(name: string, key: Key, { nodes }: Seen): boolean {
    const seen = nodes.find(({ metadata }) => metadata.name === name);
    const labels = this.#world.api.get("nodes", name)?.metadata.labels ?? {};
    if (!seen || !isNodeReady(seen) || pluginLabel(key) in labels) return false;
    return this.#world.holdersOn(name).length > 0;
  }

  /** Nodes that the operator took down, that do not serve yet, and that it has not let go of. */
  #down(key: Key): Map<string, TakenDown> {
    const down = this.#takenDown.get(keyText(key)) ?? new Map<string, TakenDown>();
    this.#takenDown.set(keyText(key), down);
    for (const name of down.keys())
      if (serves(this.#world, name, key) || !this.#isTouched(name, key)) down.delete(name);
    return down;
  }

  /** Whether the resource has not let go of a node. */
  #isTouched(name: string, key: Key): boolean {
    const { labels, annotations } = this.#world.api.get("nodes", name)?.metadata ?? {};
    return [...ownLabels(key), ...ownAnnotations(key)].some((each) => each in { ...labels, ...annotations });
  }

  #judgeUnload(key: Key, name: string, driver: Driver): void {
    const machine = this.#world.machines.get(name);
    if (!machine?.loaded[driver]) return;
    if (driver === "sfc" && machine.loaded.onload) this.#violate(key, `sfc is taken off ${name} under onload`);
    const holders = driver === "onload" ? this.#world.holdersOn(name).map(keyOf) : [];
    if (holders.length > 0) this.#violate(key, `onload is taken off ${name} under ${holders.join(", ")}`);
  }

  #judgePod(key: Key, call: Call): void {
    const pod = this.#world.api.get("pods", call.key);
    if (!pod) return;
    const name = pod.spec?.nodeName ?? "";
    const plugin = pod.metadata.labels?.[PLUGIN_NAME];
    if (plugin !== undefined) {
      const mine = pod.metadata.namespace === key.namespace && plugin === pluginDaemonSet(key.name);
      if (call.verb !== "delete" || !mine) this.#violate(key, `${call.verb} of the plugin ${call.key}`);
      else this.#judgeReplacement(key, name, call.pass.seen);
      return;
    }
    if (!asksForOnload(pod) || isFinished(pod))
      return this.#violate(key, `${call.verb} of ${call.key}, which holds nothing`);
    if (call.uid === undefined || call.uid !== pod.metadata.uid)
      this.#violate(key, `${call.verb} of ${call.key} by its name alone`);
    const node = this.#world.api.get("nodes", name);
    if (node && pluginLabel(key) in (node.metadata.labels ?? {}))
      this.#violate(key, `${call.verb} of ${call.key} while ${name} is in service`);
    if (isStatic(pod)) this.#violate(key, `${call.verb} of the static pod ${call.key}`);
    this.#judgeParting(key, name, call, pod);
  }

  /** How a pod is asked or made to leave. */
  #judgeParting(key: Key, name: string, call: Call, pod: Pod): void {
    const drain = resourceIn(call.pass.seen, key)?.spec.upgrade.drain;
    if (call.gracePeriodSeconds !== drain?.gracePeriodSeconds)
      this.#violate(key, `${call.verb} of ${call.key} with another grace period`);
    if (call.verb === "delete") this.#judgeForce(key, name, call, pod);
    else if (!(drain?.force && call.pass.seen.consents) && !isEvictable(pod))
      this.#violate(key, `eviction of ${call.key}, which nobody would make again`);
  }

  #judgeForce(key: Key, name: string, call: Call, pod: Pod): void {
    const drain = resourceIn(call.pass.seen, key)?.spec.upgrade.drain;
    const since = this.#takenDown.get(keyText(key))?.get(name)?.at;
    const early = since !== undefined && this.#world.api.now < since + (drain?.timeoutSeconds ?? 0) * 1000;
    if (!drain?.force || early) this.#violate(key, `${call.key} on ${pod.spec?.nodeName} is deleted by force`);
    if (!call.pass.seen.consents)
      this.#violate(key, `${call.key} is deleted by force, and its namespace has not agreed`);
  }

  /** The plugin's pod is replaced: the node is out of service meanwhile. */
  #judgeReplacement(key: Key, name: string, seen: Seen): void {
    const onload = resourceIn(seen, key);
    if (!onload || !serves(this.#world, name, key)) return;
    if (onload.spec.upgrade.paused) this.#violate(key, `the plugin on ${name} is replaced while paused`);
    const failed = this.#halts.standing(onload);
    if (failed.length > 0) this.#violate(key, `the plugin on ${name} is replaced after ${failed.join(", ")} failed`);
    this.#judgeLimit(key, name, onload, seen);
  }

  #judgeOnload(key: Key, call: Call): void {
    if (call.key !== keyText(key)) this.#violate(key, `${call.verb} of Onload ${call.key}`);
    if (call.verb === "patch") {
      const { metadata, ...rest } = call.body as PatchBody;
      const fields = [...Object.keys(rest), ...Object.keys(metadata ?? {})].filter(
        (each) => each !== "resourceVersion",
      );
      if (!isDeepStrictEqual(fields, ["finalizers"]))
        this.#violate(key, `a patch of ${fields.join(", ")} of its resource`);
      const before = (this.#world.api.get("onloads", call.key)?.metadata.finalizers ?? []).toSorted();
      const after = ((metadata?.["finalizers"] ?? []) as string[]).toSorted();
      const foreign = (list: string[]): string[] => list.filter((each) => each !== "onload.amd.com/node-cleanup");
      if (!isDeepStrictEqual(foreign(before), foreign(after)))
        this.#violate(key, `other finalizers: ${after.join(", ")}`);
      if (before.length > after.length) this.#judgeEnd(key);
    }
    if (call.verb === "apply" && call.subresource !== "status") this.#violate(key, "the operator writes a spec");
  }

  /** The resource goes only when nothing of it is left anywhere. */
  #judgeEnd(key: Key): void {
    for (const node of this.#world.api.list("nodes")) {
      // KMM takes its own labels away later.
      const left = [...ownLabels(key), ...ownAnnotations(key)].filter(
        (name) =>
          !name.startsWith("beta.") &&
          (name in (node.metadata.labels ?? {}) || name in (node.metadata.annotations ?? {})),
      );
      if (left.length > 0) this.#violate(key, `it ends while ${node.metadata.name} has ${left.join(", ")}`);
    }
  }

  /** A Module that goes is unloaded: it must be loaded nowhere. */
  #judgeRemoval(key: Key, call: Call): void {
    if (!call.key.startsWith(`${key.namespace}/${key.name}-`)) this.#violate(key, `delete of ${call.kind} ${call.key}`);
    for (const machine of this.#world.machines.values()) {
      for (const driver of ["onload", "sfc"] as const) {
        if (call.kind === "modules" && machine.loaded[driver]?.by === call.key) {
          this.#violate(key, `${call.key} is deleted while ${machine.name} has it loaded`);
        }
      }
    }
  }
}

interface PatchBody {
  metadata?: { labels?: Labels; annotations?: Labels; resourceVersion?: string; [field: string]: unknown };
  [field: string]: unknown;
}

function resourceIn({ onloads }: Seen, key: Key): DeepReadonly<OnloadObject> | undefined {
  return onloads.find((onload) => keyOf(onload) === keyText(key));
}

/** Whether a node has all that a version needs. */
function isWhole({ metadata: { labels = {} } }: DeepReadonly<Node>, { namespace, name }: Key): boolean {
  const version = labels[pluginLabel({ namespace, name })];
  return version !== undefined && version === labels[versionLabel(namespace, moduleName(name, "onload"))];
}

/**
 * The nodes of which a percentage may be out: those that a resource is to serve, those that it still serves, and those that
 * it has begun to leave.
 */
export function poolOf(
  key: Key,
  onload: DeepReadonly<OnloadObject>,
  onloads: readonly DeepReadonly<OnloadObject>[],
  nodes: readonly DeepReadonly<Node>[],
): DeepReadonly<Node>[] {
  const isBegun = ({ metadata: { annotations = {} } }: DeepReadonly<Node>): boolean =>
    `${pluginLabel(key)}.step` in annotations;
  return nodes.filter((node) => keeps(onload, onloads, node) || isWhole(node, key) || isBegun(node));
}

/** The pods that the operator knew to hold the resource on a node; undefined if it never looked. */
function holdersIn({ podsOn }: Seen, node: string): DeepReadonly<Pod>[] | undefined {
  return podsOn(node)?.filter((pod) => asksForOnload(pod) && !isFinished(pod));
}

function attempt({ metadata, spec }: Pick<DeepReadonly<OnloadObject>, "metadata" | "spec">): string {
  return JSON.stringify([spec.onload, metadata.annotations?.["onload.amd.com/retry"]]);
}

function isEvictable(pod: DeepReadonly<Pod>): boolean {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
  return owner !== undefined && owner.kind !== "DaemonSet";
}

/** Whether a patch makes KMM unload a module: the load label goes off, or a label without which it is not loaded goes. */
function takesOff(
  now: Readonly<Record<string, string>>,
  patch: Labels,
  { namespace, name }: Key,
  driver: Driver,
): boolean {
  const module = moduleName(name, driver);
  const load = loadLabel(namespace, module);
  const loads = [versionLabel, loaderLabel].map((label) => label(namespace, module));
  const before = now[loads[0]!] !== undefined && now[load] !== "off";
  const off = patch[load] === "off" || (patch[load] === null && now[load] === "on");
  return (
    before && (off || loads.some((label) => patch[label] !== undefined && patch[label] !== now[label] && label in now))
  );
}

/**
 * A node at whose kernel KMM 2 gives up for all nodes: its version has fewer than three parts, and a mapping matches it.
 * Every node of the model is a Linux node, which a Module for KMM 2 selects.
 */
function stopsKmm2({ spec }: DeepReadonly<OnloadObject>, nodes: Seen["nodes"]): DeepReadonly<Node> | undefined {
  return nodes.find(({ status }) => {
    const kernel = status?.nodeInfo?.kernelVersion ?? "";
    if (hasThreeParts(kernel)) return false;
    return spec.onload.kernelMappings.some(({ regexp }) => new RegExp(regexp).test(kernel));
  });
}
