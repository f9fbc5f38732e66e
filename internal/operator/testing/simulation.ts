/** The operator's planner at work in a {@link World}, driven by random commands, and what must hold all the time. */
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import type { KmmCapabilities, Module, NodeModulesConfig } from "../../api/kmm.ts";
import { loadLabel as latchLabel } from "../kmm/load-label.ts";
import { onloadModuleLabel, pluginLabel, RETRY_ANNOTATION, sfcModuleLabel } from "../../api/names.ts";
import type { Onload } from "../../api/onload.ts";
import { assess } from "../assess/assess.ts";
import { kmmFor } from "../kmm/installed.ts";
import { observeNode } from "../observe/node.ts";
import type { NodeObservation } from "../observe/observation.ts";
import { ownerOf } from "../observe/ownership.ts";
import { modulesInUse } from "../desired/objects.ts";
import type { Holder, NodeFacts } from "../assess/facts.ts";
import { nodePatch, needsFreshNode } from "../rollout/patch.ts";
import { planRollout, type NodePlan, type RolloutPlan } from "../rollout/plan.ts";
import { attemptFor, beginRollback, effectiveOnload, nextLastReady } from "../rollout/rollback.ts";
import { resolveMaxUnavailable } from "../rollout/slots.ts";
import { nmcObject, nodeObject, podObjects } from "./world-objects.ts";
import { KERNEL, KEY, MODULE, SELECTED, World, type Mod, type ModelNode } from "./world.ts";

export type Command =
  | { do: "act"; node: number; actor: number }
  | { do: "settle"; rounds: number }
  | { do: "reconcile"; writes: number; nodes: boolean; pods: boolean }
  | { do: "schedule" | "cordon" | "notReady" | "reboot" | "lose" | "select"; node: number }
  | { do: "version"; to: string }
  | { do: "maxUnavailable"; to: number | string }
  | { do: "pause" | "budget"; to: boolean }
  | { do: "onFailure"; to: "Halt" | "Rollback" }
  | { do: "template" | "retry" }
  | { do: "bad"; version: string }
  | { do: "time"; seconds: number };

/** How another operator's Modules select nodes. */
const THEIRS = { other: "" };

interface Modules {
  onload: Module;
  sfc: Module | undefined;
}

/** Thrown where the operator's process dies. */
class Crash extends Error {}

export class Simulation {
  readonly world: World;
  readonly #sfc: boolean;
  #now = Date.UTC(2026, 0, 1);
  #template = 1;
  #onload: Onload;
  /** The Modules in the cluster. */
  #live: Modules | undefined;
  /** Nodes that served pods when the operator began to take them down, and have not been done since. */
  readonly #takenDown = new Set<string>();

  // What the operator's process has in memory.
  readonly #nodeCache = new Map<string, DeepReadonly<Node>>();
  readonly #podCache = new Map<string, { pods: DeepReadonly<Pod>[]; nmc: DeepReadonly<NodeModulesConfig> }>();
  readonly #holders = new Map<string, string[]>();

  constructor(kmm: KmmCapabilities, sfc: boolean, nodes: number) {
    this.world = new World(kmm);
    this.#sfc = sfc;
    for (let i = 0; i < nodes; i++) this.world.addNode(`n${i}`);
    this.#onload = onloadResource();
  }

  get violations(): string[] {
    return this.world.violations;
  }

  run(command: Command): void {
    const node = "node" in command ? this.#at(command.node) : undefined;
    switch (command.do) {
      case "act":
        if (node) this.world.actors[command.actor]!(node);
        return;
      case "settle":
        for (let i = 0; i < command.rounds; i++) this.#settleOnce();
        return;
      case "reconcile":
        this.#sync(command.nodes, command.pods);
        this.#reconcile(command.writes);
        return;
      case "time":
        this.#now += command.seconds * 1000;
        return;
      case "budget":
        this.world.budgetRefuses = command.to;
        return;
      case "bad":
        this.world.bad.add(command.version);
        return;
      default:
        if (node) this.#disturb(command.do, node);
        else this.#edit(command);
    }
  }

  #disturb(what: string, node: ModelNode): void {
    if (what === "schedule") this.world.schedule(node);
    if (what === "cordon") node.cordoned = !node.cordoned;
    if (what === "notReady") node.ready = !node.ready;
    if (what === "reboot") this.world.reboot(node);
    if (what === "select") {
      if (SELECTED in node.labels) delete node.labels[SELECTED];
      else node.labels[SELECTED] = "";
    }
    if (what === "lose") {
      this.world.nodes.delete(node.name);
      this.world.addNode(node.name);
      this.#takenDown.delete(node.name);
      // Its pods go with it, and the caches see another object of the same name.
      this.#forget(node.name);
    }
    node.version++;
  }

  #edit(command: Command): void {
    const { spec, metadata } = this.#onload;
    if (command.do === "version") spec.onload.version = command.to;
    if (command.do === "maxUnavailable") spec.upgrade.maxUnavailable = command.to;
    if (command.do === "pause") spec.upgrade.paused = command.to;
    if (command.do === "onFailure") spec.upgrade.onFailure = command.to;
    if (command.do === "template") this.#template++;
    if (command.do === "retry") metadata.annotations = { [RETRY_ANNOTATION]: String(this.#now) };
    else metadata.generation!++;
  }

  /**
   * Brings every node to the first version, with pods on it.
   *
   * @param adopted whether another operator has done so, whose Modules ask for no latch
   */
  install(adopted: boolean): void {
    if (adopted) {
      this.#live = this.#modules(() => THEIRS);
      this.world.applied = { version: "v1", selectors: { onload: THEIRS, sfc: THEIRS }, template: "0" };
      const labels = [pluginLabel(KEY), onloadModuleLabel(KEY), ...(this.#sfc ? [sfcModuleLabel(KEY)] : [])];
      for (const node of this.world.nodes.values()) for (const label of labels) node.labels[label] = "v1";
      for (let i = 0; i < 10; i++) this.#settleOnce();
    }
    this.converge(100);
    for (const node of this.world.nodes.values()) this.world.schedule(node);
  }

  /** Ends all trouble, and asks for a version that works. */
  calm(): void {
    this.world.budgetRefuses = false;
    this.world.bad.clear();
    for (const node of this.world.nodes.values())
      Object.assign(node, { ready: true, cordoned: false, version: node.version + 1 });
    this.#onload.spec.upgrade.paused = false;
    this.#onload.metadata.generation!++;
  }

  delete(): void {
    this.#onload.metadata.deletionTimestamp = new Date(this.#now).toISOString();
  }

  /** Lets everything act until nothing changes; gives how many rounds that took. */
  converge(most: number): number {
    for (let round = 1; round <= most; round++) {
      this.#sync(true, true);
      const wrote = this.#reconcile(Infinity);
      const acted = this.#settleOnce();
      this.#now += 1000;
      if (!wrote && !acted) return round;
      if (this.violations.length > 0) return round;
    }
    return most;
  }

  /** Nodes that are not in the end state. */
  unfinished(): string[] {
    const deleted = this.#onload.metadata.deletionTimestamp !== undefined;
    return [...this.world.nodes.values()].flatMap((node) => {
      const wanted = !deleted && SELECTED in node.labels;
      const version = this.#target();
      const { onload, sfc } = node.kernel;
      const good = wanted
        ? onload === version &&
          (!this.#sfc || sfc === version) &&
          node.allocatable > 0 &&
          node.plugin?.template === String(this.#template)
        : onload === undefined &&
          sfc === undefined &&
          !node.plugin &&
          Object.keys(node.annotations).length === 0 &&
          !ownLabels(node);
      return good ? [] : [`${node.name}: ${JSON.stringify({ ...node, wanted: undefined, isWanted: wanted, version })}`];
    });
  }

  #target(): string {
    return effectiveOnload(this.#onload).spec.onload.version;
  }

  #settleOnce(): boolean {
    let acted = this.world.seeTemplate();
    for (const node of this.world.nodes.values()) for (const actor of this.world.actors) acted = actor(node) || acted;
    return acted;
  }

  #at(index: number): ModelNode | undefined {
    return [...this.world.nodes.values()][index];
  }

  // The operator.

  #sync(nodes: boolean, pods: boolean): void {
    for (const node of this.world.nodes.values()) {
      if (nodes || !this.#nodeCache.has(node.name)) this.#nodeCache.set(node.name, nodeObject(node));
      if (pods || !this.#podCache.has(node.name)) {
        this.#podCache.set(node.name, { pods: podObjects(node, this.world.kmm), nmc: nmcObject(node) });
      }
    }
    for (const [name, uids] of this.#holders) {
      const alive = new Set(this.world.nodes.get(name)?.pods.map(({ uid }) => uid));
      this.#holders.set(
        name,
        uids.filter((uid) => alive.has(uid)),
      );
    }
  }

  #forget(name: string): void {
    this.#nodeCache.delete(name);
    this.#podCache.delete(name);
    this.#holders.delete(name);
  }

  /** One reconcile; gives whether it wrote anything. */
  #reconcile(writes: number): boolean {
    let wrote = 0;
    let looked = false;
    const write = (): void => {
      if (wrote >= writes) throw new Crash();
      wrote++;
    };
    try {
      const deleting = this.#onload.metadata.deletionTimestamp !== undefined;
      const modules = deleting && this.#live ? this.#live : this.#settle();
      if (!deleting) this.#applyObjects(modules, write);
      const plan = this.#plan(modules);
      const rollback = beginRollback(this.#onload, plan, this.#now);
      if (rollback) {
        write();
        this.#onload.status = { ...this.#onload.status, rollback };
        return true;
      }
      looked = plan.nodes.some(({ step }) => step === "Inspect");
      for (const node of plan.nodes) this.#act(node, write);
      const lastReady = nextLastReady(this.#onload, plan, false, this.#now);
      if (lastReady && lastReady !== this.#onload.status?.lastReady) {
        write();
        this.#onload.status = { ...this.#onload.status, lastReady };
      }
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      // A new process lists everything.
      this.#holders.clear();
      this.#sync(true, true);
    }
    return wrote > 0 || looked;
  }

  #applyObjects(modules: Modules, write: () => void): void {
    const selectors = { onload: modules.onload.spec.selector, sfc: modules.sfc?.spec.selector ?? {} };
    const applied = { version: this.#target(), selectors, template: String(this.#template) };
    if (JSON.stringify(applied) === JSON.stringify(this.world.applied)) return;
    write();
    this.#live = modules;
    this.world.applied = applied;
  }

  /** The Modules as they shall be: like the operator, by what is loaded, which is known after a first look. */
  #settle(): Modules {
    const { selectors } = modulesInUse(this.#observations(), this.#target());
    const kmm = kmmFor(this.world.kmm);
    return this.#modules((module, mod) => kmm.selectorFor(module, { live: this.#live?.[mod], ...selectors[mod] }));
  }

  #modules(selector: (module: Module, mod: Mod) => Record<string, string>): Modules {
    const container = { version: this.#target(), kernelMappings: [{ regexp: KERNEL }] };
    const module = (mod: Mod): Module => {
      const metadata = { namespace: KEY.namespace, name: MODULE[mod] };
      const made = { metadata, spec: { selector: {}, moduleLoader: { container } } } as unknown as Module;
      return { ...made, spec: { ...made.spec, selector: selector(made, mod) } };
    };
    return { onload: module("onload"), sfc: this.#sfc ? module("sfc") : undefined };
  }

  #observations(): NodeObservation[] {
    const deleting = this.#onload.metadata.deletionTimestamp !== undefined;
    const context = {
      key: KEY,
      version: this.#target(),
      kmm: kmmFor(this.world.kmm),
      claims: [{ ...ownerOf(KEY), selector: { [SELECTED]: "" }, created: "", deleting }],
      machineConfigs: [],
      ownNode: "n0",
    };
    return [...this.#nodeCache.values()].map((node) => {
      const holders = this.#holders.get(node.metadata.name)?.map((uid): Holder => ({
        namespace: "a",
        name: uid,
        uid,
        terminating: false,
        evictable: true,
        refusal: undefined,
      }));
      const { pods, nmc } = this.#podCache.get(node.metadata.name)!;
      return observeNode({ node, plugins: pods, kmmPods: pods, nmc, holders, failureLogs: new Map() }, context);
    });
  }

  #facts(modules: Modules): NodeFacts[] {
    const kmm = kmmFor(this.world.kmm);
    const wanted = { kmm, version: this.#target(), modules, images: undefined, template: String(this.#template) };
    return this.#observations().map((each) => assess(each, wanted));
  }

  #plan(modules: Modules): RolloutPlan {
    const version = this.#target();
    const facts = this.#facts(modules);
    const { upgrade } = this.#onload.spec;
    const total = facts.filter(({ want }) => want !== undefined).length;
    const { template } = this.world;
    return planRollout(
      facts,
      {
        maxUnavailable: resolveMaxUnavailable(upgrade.maxUnavailable, total),
        paused: upgrade.paused,
        limits: { step: 900_000, drain: 300_000, force: false },
        attempt: attemptFor(this.#onload),
        templateSeen: template?.version === version && template.template === String(this.#template),
        pluginImageKnown: true,
        kmmSkipsCordoned: false,
        stalledSince: undefined,
      },
      this.#now,
    );
  }

  #act(plan: NodePlan, write: () => void): void {
    const model = this.world.nodes.get(plan.facts.name);
    if (!model) return;
    if (plan.step === "Inspect") {
      // A fresh list: the plugin's pod is looked for too, because the cache may be behind.
      if (plan.state === "Outdated" || !model.plugin)
        this.#holders.set(
          model.name,
          model.pods.map(({ uid }) => uid),
        );
      return;
    }
    const patch = nodePatch(plan, KEY, kmmFor(this.world.kmm), attemptFor(this.#onload), this.#now);
    if (patch) {
      write();
      this.#check(plan, model);
      const seen = Number(this.#nodeCache.get(model.name)?.metadata.resourceVersion);
      if (this.world.patch(model, patch, needsFreshNode(plan) ? seen : undefined)) {
        if (plan.step === "UnlabelPlugin") this.#holders.delete(model.name);
      }
      this.#nodeCache.set(model.name, nodeObject(model));
    }
    if (plan.step === "Evict") {
      for (const { uid } of plan.facts.holders ?? []) {
        if (!model.pods.some((pod) => pod.uid === uid && !pod.going)) continue;
        write();
        if (this.world.evict(model, uid) === "refused") break;
      }
    }
    if (plan.step === "ReplacePlugin" && model.plugin) {
      write();
      model.plugin.going = true;
    }
    if (!["Inspecting", "Draining", "Drained", "Outdated"].includes(plan.state)) this.#holders.delete(model.name);
  }

  /** Never more nodes down because of the operator than spec.upgrade.maxUnavailable says. */
  #check({ step, state }: NodePlan, node: ModelNode): void {
    const wanted = [...this.world.nodes.values()].filter(({ labels }) => SELECTED in labels);
    for (const name of this.#takenDown) {
      const model = this.world.nodes.get(name);
      const done = model && model.allocatable > 0 && pluginLabel(KEY) in model.labels;
      if (done || !wanted.some((each) => each.name === name)) this.#takenDown.delete(name);
    }
    const serves = node.allocatable > 0 && node.ready && SELECTED in node.labels;
    if (step !== "UnlabelPlugin" || state !== "Outdated" || !serves || this.#onload.metadata.deletionTimestamp) return;
    this.#takenDown.add(node.name);
    // A percentage is of the nodes that the operator knows to be selected; it cannot know of a label taken off just now.
    const known = [...this.#nodeCache.values()].filter(({ metadata }) => SELECTED in (metadata.labels ?? {})).length;
    const most = resolveMaxUnavailable(this.#onload.spec.upgrade.maxUnavailable, Math.max(known, wanted.length));
    const down = [...this.#takenDown].filter((name) => wanted.some((each) => each.name === name));
    if (down.length > most) this.violations.push(`${down.join(", ")} are down, and ${most} may be`);
  }
}

function ownLabels(node: ModelNode): boolean {
  const latches = [MODULE.onload, MODULE.sfc].map((module) => latchLabel(KEY.namespace, module));
  const own = [pluginLabel(KEY), onloadModuleLabel(KEY), sfcModuleLabel(KEY), ...latches];
  return own.some((label) => label in node.labels);
}

function onloadResource(): Onload {
  return {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { ...KEY, generation: 1 },
    spec: {
      selector: { [SELECTED]: "" },
      onload: { version: "v1" },
      upgrade: { maxUnavailable: 1, paused: false, onFailure: "Halt" },
    },
  } as unknown as Onload;
}
