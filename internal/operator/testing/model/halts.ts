/**
 * After a failure no node that serves is taken down, until what failed has got further, the spec has changed, a retry was
 * asked for, or a rollback has given the nodes another version to run. Whether it got further is read from the world alone:
 * a kubelet that words a failure otherwise, or a container that is just being started again, is no progress.
 */
import type { DeepReadonly, Node } from "../../../api/core.ts";
import { keyOf, matches } from "./api.ts";
import { moduleName, ownLabels, PLUGIN_NAME, RETRY } from "./names.ts";
import { keyFrom, type OnloadObject } from "./resources.ts";
import { amountOf, isNodeReady, type World } from "./world.ts";

interface Halt {
  attempt: string;
  /** At which step each failed node was, and what it was like. */
  failed: Map<string, { step: string; look: string }>;
}

export class Halts {
  readonly #world: World;
  /** By uid of the resource. */
  readonly #halts = new Map<string, Halt>();

  constructor(world: World) {
    this.#world = world;
  }

  /**
   * The operator has written a status.
   *
   * @param old with the rollback, if any, that held when the nodes were looked at: a status in which one begins still
   *   lists what failed on the way to the version before
   */
  note(old: OnloadObject, onload: OnloadObject): void {
    const { uid = "" } = onload.metadata;
    const { nodes, problems = [], observedGeneration } = onload.status ?? {};
    // Said of an older spec, or before a retry that has been asked for.
    if (observedGeneration !== onload.metadata.generation) return;
    const attempt = attemptOf(onload, old.status?.rollback);
    const known = this.#halts.get(uid);
    const halt =
      known?.attempt === attempt ? known : { attempt, failed: new Map<string, { step: string; look: string }>() };
    // The failed ones come first.
    for (const { node, step } of problems.slice(0, nodes?.failed ?? 0)) {
      // A person has taken it out of the rollout: the selector that holds from now on leaves it out.
      if (!isSelected(onload, this.#world.api.get("nodes", node))) continue;
      if (!halt.failed.has(node)) halt.failed.set(node, { step, look: this.#look(onload, node) });
    }
    this.#halts.set(uid, halt);
  }

  /** Nodes that have failed and are no better. */
  standing(onload: DeepReadonly<OnloadObject>): string[] {
    const halt = this.#halts.get(onload.metadata.uid ?? "");
    if (halt?.attempt !== attemptOf(onload, onload.status?.rollback)) return [];
    return [...halt.failed]
      .filter(([node, { step, look }]) => this.#look(onload, node) === look && !this.#isLoaded(onload, node, step))
      .map(([node]) => node);
  }

  /** What failed had succeeded before the failure was written: the operator's caches were behind. */
  #isLoaded({ status }: DeepReadonly<OnloadObject>, name: string, step: string): boolean {
    const driver = step === "LoadingOnload" ? "onload" : step === "LoadingSfc" ? "sfc" : undefined;
    const loaded = driver && this.#world.machines.get(name)?.loaded[driver];
    return loaded !== undefined && loaded.version === status?.version;
  }

  /** All of a node that can count as getting further. */
  #look(onload: DeepReadonly<OnloadObject>, name: string): string {
    const key = keyFrom(onload);
    const node = this.#world.api.get("nodes", name);
    const machine = this.#world.machines.get(name);
    if (!node || !machine) return "gone";
    const labels = ownLabels(key).map((label) => node.metadata.labels?.[label]);
    const plugins = this.#world.api
      .podsOn(name)
      .filter(({ metadata }) => PLUGIN_NAME in (metadata.labels ?? {}))
      .map(({ metadata, status }) => [
        metadata.uid,
        metadata.deletionTimestamp,
        status?.conditions?.[0]?.status === "True",
      ]);
    const images = (["onload", "sfc"] as const).map(
      (driver) =>
        this.#world.api.get("moduleimagesconfigs", `${key.namespace}/${moduleName(key.name, driver)}`)?.status,
    );
    return JSON.stringify([
      node.metadata.uid,
      isNodeReady(node),
      node.spec,
      amountOf(node),
      isSelected(onload, node),
      labels,
      [machine.boot, machine.kernel, machine.loaded],
      plugins,
      images,
      // What KMM says of it, a moment after it is so.
      this.#world.api.get("nodemodulesconfigs", name)?.status,
      Object.keys(node.metadata.labels ?? {}).filter((label) => label.endsWith(".ready")),
      this.#world.holdersOn(name).map(keyOf),
    ]);
  }
}

/** Whether the selector that holds selects a node: another one in the spec may be held back. */
function isSelected({ spec, status }: DeepReadonly<OnloadObject>, node: DeepReadonly<Node> | undefined): boolean {
  return node !== undefined && matches(status?.selector ?? spec.selector, node.metadata.labels ?? {});
}

/** A rollback brings the nodes that have been upgraded back, under whatever has failed. */
function attemptOf(
  { metadata }: DeepReadonly<OnloadObject>,
  rollback: DeepReadonly<NonNullable<OnloadObject["status"]>["rollback"]>,
): string {
  return `${metadata.generation} ${metadata.annotations?.[RETRY]} ${rollback?.since}`;
}
