/** The whole model: a world, its actors, the operator's process, and the judge who watches it. */
import { keyOf } from "./api.ts";
import { type CacheName, CACHE_NAMES } from "./caches.ts";
import { DaemonSets } from "./daemonsets.ts";
import { Judge } from "./judge.ts";
import { endPods, isReady, runKmmPods, runPlugins, tellAllocatable } from "./kubelet.ts";
import { Kmm1 } from "./kmm1.ts";
import { Kmm2 } from "./kmm2.ts";
import { APPS, type Key } from "./names.ts";
import { Operator } from "./operator.ts";
import { createOnload, keyFrom, kmmCrds, onloadsOf } from "./resources.ts";
import { type Machine, World } from "./world.ts";

/** Which of KMM's generations is installed. */
export type KmmVersion = 1 | 2;

export interface Setup {
  kmm: KmmVersion;
  sfc: boolean;
  /** The machines' kernels. */
  kernels: readonly string[];
  /** How many Onload resources there are. */
  resources: number;
}

/** Labels by which the resources select nodes; both have some in common. */
export const POOLS = ["pool-a", "pool-b"] as const;
/** How many things an actor of one node can be told to do. */
export const ACTORS = 7;
/** No step and no drain takes longer, in seconds. */
const MAX_S = 1300;
/** So often a status may change after that. */
const MAX_LATE = 4;

export class Cluster {
  readonly world = new World();
  readonly operator: Operator;
  readonly #daemonSets: DaemonSets;
  readonly #kmm1: Kmm1 | undefined;
  readonly #kmm2: Kmm2 | undefined;
  readonly #actors: ((machine: Machine) => boolean)[];
  /** Writes of the operator to anything but a status. */
  #writes = 0;
  /** How often the operator has changed a status. */
  #statuses = 0;

  constructor({ kmm, sfc, kernels, resources }: Setup) {
    const { world } = this;
    for (const crd of kmmCrds(kmm)) world.api.create("customresourcedefinitions", crd);
    this.#daemonSets = new DaemonSets(world);
    this.#kmm1 = kmm === 1 ? new Kmm1(world) : undefined;
    this.#kmm2 = kmm === 2 ? new Kmm2(world) : undefined;
    kernels.forEach((kernel, i) => world.addMachine(`n${i}`, kernel, this.poolsOf(i)));
    world.api.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: APPS } });
    world.api.create("serviceaccounts", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace: "ns", name: "onload-sa" },
    });
    for (let i = 0; i < resources; i++) {
      createOnload(world.api, { namespace: "ns", name: `o${i}` }, { [POOLS[i]!]: "" }, sfc);
      world.api.now += 1000;
    }
    const judge = new Judge(world);
    this.operator = new Operator(
      world.api,
      {
        onWrite: (call) => {
          if (call.subresource !== "status") this.#writes++;
          judge.onWrite(call);
        },
        onWritten: (call, old, current) => {
          if (call.subresource === "status" && old !== current) this.#statuses++;
          judge.onWritten(call, old, current);
        },
        refusal: () =>
          world.faults.budget ? "The disruption budget app needs 2 healthy pods and has 2 currently" : undefined,
        log: (pod) => (isReady(pod) ? undefined : "modprobe: ERROR: could not insert 'onload'\n"),
      },
      (text) => world.violate(text),
    );
    this.#actors = [
      (machine) => runKmmPods(world, machine),
      (machine) => this.#kmm1?.label(machine.name) ?? this.#kmm2!.label(machine.name),
      (machine) => this.#kmm2?.configure(machine.name) ?? false,
      (machine) => this.#kmm2?.work(machine.name) ?? false,
      (machine) => this.#daemonSets.act(machine.name),
      (machine) => runPlugins(world, machine),
      (machine) => [tellAllocatable(world, machine), endPods(world, machine)].includes(true),
    ];
  }

  /** The first pool has every node, the second every other one. */
  poolsOf(node: number): Record<string, string> {
    return { [POOLS[0]]: "", ...(node % 2 === 1 ? { [POOLS[1]]: "" } : {}) };
  }

  get violations(): string[] {
    return this.world.violations;
  }

  at(index: number): Machine | undefined {
    return [...this.world.machines.values()][index];
  }

  get keys(): Key[] {
    return onloadsOf(this.world.api).map(keyFrom);
  }

  /** One actor does what it has to do on one node. */
  act(machine: Machine, actor: number): void {
    this.#actors[actor % ACTORS]!(machine);
  }

  /**
   * A node reboots. What its worker pods have done is noted before: KMM notes the boot of the moment at which it looks, so
   * that after a reboot it would take a module of the boot before for loaded. A reboot takes longer than KMM's look.
   */
  reboot(machine: Machine, kernel: string): void {
    while (this.#kmm2?.note(machine.name));
    this.world.reboot(machine, kernel);
  }

  /** Controllers of the whole cluster do what they have to do. */
  control(): boolean {
    return [this.#kmm1?.reconcile() ?? this.#kmm2!.reconcile(), this.#daemonSets.see(), this.#collect()].includes(true);
  }

  /** All actors do what they have to do, once. */
  actAll(): boolean {
    let acted = this.control();
    for (const machine of this.world.machines.values()) {
      for (const actor of this.#actors) acted = actor(machine) || acted;
    }
    return acted;
  }

  /** Garbage collection of a deletion in the foreground: what the resource owns goes first. */
  #collect(): boolean {
    const { api } = this.world;
    let acted = false;
    for (const { metadata } of api.list("onloads")) {
      const { finalizers = [], deletionTimestamp, uid } = metadata;
      if (deletionTimestamp === undefined || !finalizers.includes("foregroundDeletion")) continue;
      let owns = false;
      for (const kind of ["modules", "daemonsets"] as const) {
        for (const owned of api.list(kind)) {
          if (!owned.metadata.ownerReferences?.some((owner) => owner.uid === uid)) continue;
          owns = true;
          api.delete(kind, keyOf(owned));
        }
      }
      acted = true;
      if (!owns) {
        const rest = finalizers.filter((each) => each !== "foregroundDeletion");
        api.mergePatch("onloads", keyOf({ metadata } as never), { metadata: { finalizers: rest } });
      }
    }
    return acted;
  }

  /** One pass of the operator over every resource that wants one. */
  async passes(caches: readonly CacheName[] = CACHE_NAMES, holders = true): Promise<void> {
    this.operator.sync(caches, holders);
    for (const key of this.operator.ready()) await this.operator.reconcile(key);
  }

  /**
   * Lets everything act, and time pass, until nothing moves any more.
   *
   * @returns whether that came to pass within `rounds`
   */
  async settle(rounds = 400): Promise<boolean> {
    await this.operator.releaseAll();
    const { api } = this.world;
    let quietSince = api.now;
    let late = 0;
    let pause = 1000;
    for (let round = 0; round < rounds; round++) {
      const before = this.#writes;
      const statuses = this.#statuses;
      await this.passes();
      const acted = this.actAll();
      if (this.violations.length > 0) return true;
      if (acted || this.#writes > before) {
        quietSince = api.now;
        late = 0;
        pause = 1000;
        api.now += 1000;
        continue;
      }
      this.operator.sync();
      const due = this.operator.nextDue();
      const woken = this.operator.ready().length > 0;
      // A pod that fails again and again wakes the operator again and again. What a status says anew is acted on yet.
      if (api.now > quietSince + MAX_S * 1000) late += this.#statuses === statuses ? MAX_LATE : 1;
      if ((due === undefined && !woken) || late >= MAX_LATE) return true;
      pause *= 2;
      api.now = woken ? api.now + 1000 : Math.max(due!, api.now + Math.min(pause, 120_000));
      if (woken) api.now += pause;
    }
    return false;
  }
}
