import { askForLook } from "../acceleration/ask.ts";
import { containerKey, isAccelerated } from "../acceleration/facts.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { holders } from "./holders.ts";
import type { LookedInto, PodMetrics } from "./pod-metrics.ts";
import { listPodResources } from "./pod-resources.ts";
import type { StackMonitor } from "./stack-monitor.ts";
import { Wake } from "./wake.ts";

export interface PodMonitorConfig {
  /** Folder of the kubelet's checkpoint. */
  kubeletDir: string;
  /** Folder of the socket of the kubelet's PodResources service. */
  podResourcesDir: string;
  /** Socket on which the container onload-worker looks into processes. */
  lookSocket: string;
  /** Least time between two looks, in milliseconds. */
  lookIntervalMs: number;
  /** How long after an allocation a look is made sooner, in milliseconds. Default: 5 s. */
  afterAllocationMs?: number;
  /** Reads counters of stacks; undefined: nobody wants them. */
  stacks?: Pick<StackMonitor, "looked" | "stacksOf" | "problem"> | undefined;
}

/** What the plugin knows of its node. */
export interface NodeKnowledge {
  healthy: boolean;
  /** Why devices are not offered; empty if they are. */
  problems: readonly string[];
  /** Why the kernel cannot start onload_cp_server; null if it can. */
  controlPlane: string | null;
  nics: readonly { address: string; driver: string | null; interfaces: readonly string[] }[];
}

/** Containers that are looked into: about ten series each. */
const MAX_CONTAINERS = 1000;
/** A look that took long is followed by a pause of so many times its processor time: less than half a percent. */
const PAUSE_PER_CPU = 200;
/** A look follows an allocation after this time, by which the container's program has begun as a rule. */
const AFTER_ALLOCATION_MS = 5000;
/** The longest pause, whatever the look before has taken. */
const MAX_PAUSE_MS = 15 * 60_000;
/** What was found is shown through so many looks that fail, as long as it is true enough. */
const FAILURES_UNTIL_CLEARED = 4;

/**
 * Looks from time to time whether the pods that hold Onload use it. It works beside the plugin: nothing else waits for it,
 * and it gives up on a kubelet or a worker that does not answer.
 */
export class PodMonitor {
  readonly #config: PodMonitorConfig;
  readonly #log: Logger;
  readonly #metrics: PodMetrics;
  #found: readonly LookedInto[] = [];
  #at: number | undefined;
  #failures = 0;
  #said: string | undefined;
  readonly #allocation = new Wake();

  constructor(config: PodMonitorConfig, log: Logger, metrics: PodMetrics) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
  }

  /**
   * What the last look found, as JSON for programs.
   *
   * @param node what is known of the node itself
   */
  text(node: NodeKnowledge): string {
    const { stacks } = this.#config;
    const containers = this.#found.map(({ holder, facts }) => ({
      ...holder,
      accelerated: isAccelerated(facts) ?? null,
      processes: facts.processes,
      stacks: facts.stacks,
      stackIds: facts.stackIds,
      sockets: facts.sockets,
      interfaces: facts.interfaces,
      cut: facts.cut,
      // Null if nobody reads them.
      counters: stacks?.stacksOf(holder) ?? null,
    }));
    const problem = this.#said;
    const counters = stacks?.problem === undefined ? {} : { countersProblem: stacks.problem };
    const at = this.#at === undefined ? null : new Date(this.#at).toISOString();
    const problems = { ...(problem === undefined ? {} : { problem }), ...counters };
    return `${JSON.stringify({ lookedAt: at, ...problems, node, containers })}\n`;
  }

  /** A container has been given devices: the next look comes soon. */
  allocated(): void {
    this.#allocation.notify();
  }

  /** Looks until the signal is aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const pause = new Wake();
    while (!signal.aborted) {
      let cpuMs = 0;
      try {
        cpuMs = await this.#look(signal);
        this.#succeeded();
      } catch (error) {
        if (signal.aborted) break;
        this.#failed(error);
      }
      const { lookIntervalMs, afterAllocationMs = AFTER_ALLOCATION_MS } = this.#config;
      const most = Math.max(MAX_PAUSE_MS, lookIntervalMs);
      const cost = Math.min(cpuMs * PAUSE_PER_CPU, most);
      const soon = Math.min(Math.max(afterAllocationMs, cost), Math.max(lookIntervalMs, cost));
      await this.#allocation.wait(Math.max(lookIntervalMs, cost) - soon, signal);
      await pause.wait(soon, signal);
    }
  }

  /** Returns the processor time that it took, in milliseconds. */
  async #look(signal: AbortSignal): Promise<number> {
    const { kubeletDir, podResourcesDir, lookSocket } = this.#config;
    const resources = await listPodResources(podResourcesDir, signal);
    const all = holders(resources, await readCheckpoint(kubeletDir));
    const wanted = all.slice(0, MAX_CONTAINERS);
    const pods = new Map<string, string[]>();
    for (const { podUid, container } of wanted) pods.set(podUid, [...(pods.get(podUid) ?? []), container]);
    const request = { pods: [...pods].map(([uid, containers]) => ({ uid, containers })) };
    const answer = wanted.length === 0 ? { containers: [], cpuMs: 0 } : await askForLook(lookSocket, request, signal);
    const facts = new Map(answer.containers.map((each) => [containerKey(each.podUid, each.container), each]));
    this.#found = wanted.flatMap((holder) => {
      const found = facts.get(containerKey(holder.podUid, holder.container));
      return found === undefined ? [] : [{ holder, facts: found }];
    });
    this.#at = Date.now();
    this.#metrics.show(this.#found, all.length - wanted.length);
    this.#metrics.looked(true, answer.cpuMs);
    this.#config.stacks?.looked(this.#found);
    return answer.cpuMs;
  }

  #succeeded(): void {
    if (this.#said !== undefined) this.#log.info("Can tell again whether pods are accelerated");
    this.#said = undefined;
    this.#failures = 0;
  }

  #failed(error: unknown): void {
    this.#metrics.looked(false, 0);
    this.#failures++;
    const text = errorText(error);
    if (text !== this.#said) this.#log.warn("Cannot tell whether pods are accelerated; trying again", { error });
    this.#said = text;
    if (this.#failures < FAILURES_UNTIL_CLEARED) return;
    this.#found = [];
    this.#metrics.clear();
    this.#config.stacks?.looked([]);
  }
}
