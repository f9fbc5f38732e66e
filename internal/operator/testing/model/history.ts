/** Histories: lists of what happens to a {@link Cluster}, one thing after the other. */
import { type CacheName, CACHE_NAMES } from "./caches.ts";
import type { Fault } from "./client.ts";
import { Cluster, POOLS, type Setup } from "./cluster.ts";
import { judgeEnd, judgeQuiet } from "./ending.ts";
import { hasThreeParts } from "./images.ts";
import { APPS, CONFIRM, CONSENT, type Key, keyText, RETRY } from "./names.ts";
import {
  changeOf,
  editSpec,
  endProtected,
  EVERY_KERNEL,
  moduleImage,
  onloadAt,
  onloadsOf,
  schedule,
  type Spec,
  type Workload,
} from "./resources.ts";
import { isTainted, type Machine } from "./world.ts";

export type Command =
  | { do: "act"; node: number; actor: number }
  | { do: "control" }
  | { do: "actAll"; rounds: number }
  | { do: "reconcile"; resource: number; behind: readonly CacheName[]; holders: boolean; faults: readonly Fault[] }
  | { do: "release"; call: number }
  | { do: "quiet" | "crash" }
  | { do: "time"; seconds: number }
  /** The operator's clock is set back, to be so many seconds behind all others, unless it is already. */
  | { do: "clock"; behind: number }
  | { do: "schedule"; node: number; what: Workload }
  | { do: "cordon" | "taint" | "down" | "lose" | "pool"; node: number }
  | { do: "reboot"; node: number; kernel: string }
  | { do: "version"; resource: number; to: string }
  | { do: "image"; resource: number; revision: number }
  | { do: "maxUnavailable"; resource: number; to: number | string }
  | { do: "pause" | "force"; resource: number; to: boolean }
  | { do: "onFailure"; resource: number; to: "Halt" | "Rollback" }
  | { do: "template" | "retry" | "confirm"; resource: number }
  | { do: "selector"; resource: number; to: "pool-a" | "pool-b" | "nowhere" }
  | { do: "sfc"; resource: number; to: boolean; version: string }
  /** Another version, with one mapping for these kernels. */
  | { do: "kernels"; resource: number; regexp: string; version: string }
  | { do: "delete"; resource: number; foreground: boolean }
  | { do: "bad" | "missing"; version: string; to: boolean }
  | { do: "consent"; to: boolean }
  | { do: "fault"; what: "budget" | "slowPods" | "pluginImage"; to: boolean };

export type Begin = "bare" | "installed";

export interface History {
  setup: Setup;
  begin: Begin;
  commands: Command[];
  deleteAtEnd: boolean;
}

/** Runs a history. Gives what is wrong; nothing if all is well. */
export async function play({ setup, begin, commands, deleteAtEnd }: History): Promise<string[]> {
  const run = new Run(new Cluster(setup));
  if (begin === "installed") await run.install();
  for (const command of commands) {
    if (run.cluster.violations.length > 0) break;
    await run.command(command);
  }
  if (run.cluster.violations.length === 0) await run.quiet();
  if (run.cluster.violations.length === 0) await run.end(deleteAtEnd);
  return run.cluster.violations;
}

class Run {
  readonly cluster: Cluster;
  readonly #deleted: Key[] = [];
  #serial = 0;
  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Every node runs the first version, with pods on it. */
  async install(): Promise<void> {
    await this.cluster.settle();
    for (const machine of this.cluster.world.machines.values()) this.#schedule(machine, "plain");
  }

  async command(command: Command): Promise<void> {
    const { cluster } = this;
    const { world, operator } = cluster;
    switch (command.do) {
      case "act": {
        const machine = cluster.at(command.node);
        if (machine) cluster.act(machine, command.actor);
        return;
      }
      case "control":
        cluster.control();
        return;
      case "actAll":
        for (let i = 0; i < command.rounds; i++) cluster.actAll();
        return;
      case "reconcile": {
        operator.sync(
          CACHE_NAMES.filter((name) => !command.behind.includes(name)),
          command.holders,
        );
        const key = cluster.keys[command.resource];
        if (key) await operator.reconcile(keyText(key), command.faults);
        return;
      }
      case "release":
        return operator.release(command.call);
      case "crash":
        return operator.crash();
      case "quiet":
        return this.quiet();
      case "time":
        world.api.now += command.seconds * 1000;
        return;
      case "clock":
        operator.behindMs = Math.max(operator.behindMs, command.behind * 1000);
        return;
      case "bad":
      case "missing":
        if (command.to) world.faults[command.do].add(command.version);
        else world.faults[command.do].delete(command.version);
        return;
      case "consent":
        world.api.mergePatch("namespaces", APPS, { metadata: { annotations: { [CONSENT]: `${command.to}` } } });
        return;
      case "fault":
        world.faults[command.what] = command.to;
        return;
      default:
        if ("node" in command) this.#disturb(command);
        else this.#edit(command);
    }
  }

  #disturb(command: Extract<Command, { node: number }>): void {
    const { cluster } = this;
    const { world } = cluster;
    const machine = cluster.at(command.node);
    if (!machine) return;
    const { name } = machine;
    switch (command.do) {
      case "schedule":
        return this.#schedule(machine, command.what);
      case "taint":
        return world.taint(name, !isTainted(world.api.get("nodes", name)!));
      case "cordon":
        return world.cordon(name, !world.api.get("nodes", name)?.spec?.unschedulable);
      case "down":
        return world.setUp(machine, !machine.up);
      case "reboot":
        return cluster.reboot(machine, command.kernel);
      case "lose":
        return world.lose(machine, cluster.poolsOf(command.node));
      case "pool":
        return world.setLabels(name, {
          [POOLS[0]]: POOLS[0] in (world.api.get("nodes", name)?.metadata.labels ?? {}) ? null : "",
        });
      default:
    }
  }

  #schedule(machine: Machine, what: Workload): void {
    schedule(this.cluster.world, machine, what, ++this.#serial);
  }

  #edit(command: Extract<Command, { resource: number }>): void {
    const { api } = this.cluster.world;
    const key = this.cluster.keys[command.resource];
    if (!key) return;
    const edit = (change: (spec: Spec) => void): void => editSpec(api, keyText(key), change);
    switch (command.do) {
      case "version":
        return edit((spec) => {
          spec.onload.version = command.to;
          const image = moduleImage(command.to, 1);
          for (const mapping of spec.onload.kernelMappings) mapping.kernelModuleImage = image;
        });
      case "image":
        return edit(({ onload }) => {
          for (const mapping of onload.kernelMappings)
            mapping.kernelModuleImage = moduleImage(onload.version, command.revision);
        });
      case "maxUnavailable":
        return edit(({ upgrade }) => (upgrade.maxUnavailable = command.to));
      case "pause":
        return edit(({ upgrade }) => (upgrade.paused = command.to));
      case "force":
        return edit(({ upgrade }) => (upgrade.drain.force = command.to));
      case "onFailure":
        return edit(({ upgrade }) => (upgrade.onFailure = command.to));
      case "template":
        return edit(({ devicePlugin }) => devicePlugin.maxPodsPerNode++);
      case "sfc":
        return edit(({ onload }) => {
          onload.version = command.version;
          for (const mapping of onload.kernelMappings) {
            mapping.kernelModuleImage = moduleImage(command.version, 1);
            if (command.to) mapping.sfc = {};
            else delete mapping.sfc;
          }
        });
      case "kernels":
        return edit(({ onload }) => {
          onload.version = command.version;
          const kernelModuleImage = moduleImage(command.version, 1);
          onload.kernelMappings = [{ ...onload.kernelMappings[0], regexp: command.regexp, kernelModuleImage }];
        });
      case "retry":
        api.mergePatch("onloads", keyText(key), { metadata: { annotations: { [RETRY]: `${api.now}` } } });
        return;
      case "selector":
        return edit((spec) => (spec.selector = { [command.to]: "" }));
      case "confirm":
        this.#confirm(key);
        return;
      case "delete":
        return this.#delete(key, command.foreground);
      default:
    }
  }

  /** A person pastes what the status says. Gives whether it said anything. */
  #confirm(key: Key): boolean {
    const { api, confirmed } = this.cluster.world;
    const onload = onloadAt(api, keyText(key));
    const said = onload?.status?.conditions?.find(({ type }) => type === "Degraded")?.message.split(`${CONFIRM}=`)[1];
    if (!onload || said === undefined) return false;
    // An older status speaks of an older change.
    if (onload.status?.observedGeneration === onload.metadata.generation) confirmed.add(changeOf(onload));
    api.mergePatch("onloads", keyText(key), { metadata: { annotations: { [CONFIRM]: said.split(" ")[0] } } });
    return true;
  }

  #delete(key: Key, foreground: boolean): void {
    const { api } = this.cluster.world;
    this.#deleted.push(key);
    const finalizers = api.get("onloads", keyText(key))?.metadata.finalizers ?? [];
    if (foreground)
      api.mergePatch("onloads", keyText(key), { metadata: { finalizers: [...finalizers, "foregroundDeletion"] } });
    api.delete("onloads", keyText(key));
  }

  /** Nothing moves any more: the statuses must say what is. */
  async quiet(): Promise<void> {
    const { cluster } = this;
    if (!(await cluster.settle())) cluster.world.violate("It does not come to rest");
    if (cluster.violations.length > 0) return;
    for (const text of judgeQuiet(cluster)) cluster.world.violate(`at rest: ${text}`);
  }

  /** All faults end, people do their part, and everything must come to what is wanted. */
  async end(deleteAtEnd: boolean): Promise<void> {
    const { cluster } = this;
    const { world } = cluster;
    Object.assign(world.faults, { budget: false, slowPods: false, pluginImage: false });
    world.faults.bad.clear();
    world.faults.missing.clear();
    endProtected(world);
    for (const machine of world.machines.values()) {
      if (!machine.up) world.setUp(machine, true);
      if (!hasThreeParts(machine.kernel)) cluster.reboot(machine, "6.1.0");
      world.cordon(machine.name, false);
      world.taint(machine.name, false);
    }
    for (const key of cluster.keys) {
      editSpec(world.api, keyText(key), ({ upgrade, onload }) => {
        upgrade.paused = false;
        for (const mapping of onload.kernelMappings) mapping.regexp = EVERY_KERNEL;
      });
      world.api.mergePatch("onloads", keyText(key), { metadata: { annotations: { [RETRY]: "the last" } } });
      if (deleteAtEnd) this.#delete(key, false);
    }
    if (!(await cluster.settle(800))) world.violate("It does not come to rest in the end");
    if (world.violations.length > 0) return;
    // A change that is confirmed may end with another advice.
    for (let round = 0; round < 3 && this.#followAdvice(); round++) {
      if (!(await cluster.settle(800))) world.violate("It does not come to rest after what a status has advised");
      if (world.violations.length > 0) return;
    }
    const deleted = this.#deleted.filter((key, i) => this.#deleted.findIndex((each) => each.name === key.name) === i);
    for (const text of judgeEnd(cluster, deleted)) world.violate(`in the end: ${text}`);
  }

  /**
   * A selector that lets go of many nodes waits for its confirmation. And KMM 1.1 may have taken sfc away under onload: only a
   * reboot brings it back, if a status asks for that.
   */
  #followAdvice(): boolean {
    const { cluster } = this;
    const problems = onloadsOf(cluster.world.api).flatMap(({ status }) => status?.problems ?? []);
    const asked = problems.filter(({ message }) => /sfc .*reboot the node/.test(message)).map(({ node }) => node);
    for (const machine of cluster.world.machines.values()) {
      if (asked.includes(machine.name)) cluster.reboot(machine, machine.kernel);
    }
    const confirmed = cluster.keys.filter((key) => this.#confirm(key));
    return asked.length > 0 || confirmed.length > 0;
  }
}
