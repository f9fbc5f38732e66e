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
  /**
   * How long after an allocation a look is made sooner, and least time between two looks that somebody asks for, in
   * milliseconds. Default: 5 s.
   */
  soonMs?: number;
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
  /** What the onload module that is loaded says of itself; null: it does not. */
  module: { version: string | null; acceleratesVeth: boolean | null };
  nics: readonly { address: string; driver: string | null; interfaces: readonly string[] }[];
}

/** Containers that are looked into: about ten series each. */
const MAX_CONTAINERS = 1000;
/** A look that took long is followed by a pause of so many times its processor time: less than half a percent. */
const PAUSE_PER_CPU = 200;
/** A look follows an allocation after this time, by which the container's program has begun as a rule. */
const SOON_MS = 5000;
/** Who asks for a look waits so long for it, and is then told what was seen before. A look takes a tenth of a second. */
const ANSWER_MS = 3000;
/**
 * The longest pause, whatever the looks before have taken: one pod that makes looks dear does not keep the others from
 * being seen, nor does the first look after a start, which reads every process anew. The dearest looks cost some percent
 * of a core then.
 */
const MAX_PAUSE_MS = 2 * 60_000;
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
  /** One look at a time. */
  #last: Promise<void> = Promise.resolve();
  /** The look that somebody has asked for, while it is made. */
  #asked: Promise<void> | undefined;
  /** When that was, and when the looks so far are paid for, in milliseconds of a clock that never goes back. */
  #askedAt = -Infinity;
  #paidAt = 0;
  /** Whether a look was made before those until then were paid for. The next one waits until they are. */
  #hasBorrowed = false;
  #signal: AbortSignal | undefined;

  constructor(config: PodMonitorConfig, log: Logger, metrics: PodMetrics) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** When the last look was made, in milliseconds since the epoch; undefined: none has been. */
  get lookedAt(): number | undefined {
    return this.#at;
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
      interfacesCut: facts.interfacesCut,
      settings: facts.settings,
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
    this.#signal = signal;
    const pause = new Wake();
    while (!signal.aborted) {
      await this.#look(false, signal);
      const { lookIntervalMs, soonMs = SOON_MS } = this.#config;
      const longest = Math.max(lookIntervalMs, this.#owedMs());
      const soon = Math.min(Math.max(soonMs, this.#forbiddenMs()), longest);
      await this.#allocation.wait(longest - soon, signal);
      await pause.wait(soon, signal);
      // Somebody may have asked for one meanwhile.
      await pause.wait(this.#forbiddenMs(), signal);
    }
    await this.#last;
  }

  /**
   * Looks for somebody who wants to know the present: everything is read anew. Resolves when that is done, or takes too long.
   *
   * Whoever asks meanwhile shares the look. Looks that are asked for cost no more than others: each puts the next one off.
   */
  async lookAnew(): Promise<void> {
    if (this.#asked === undefined && this.#signal?.aborted === false && this.#mayLook()) {
      this.#askedAt = performance.now();
      this.#asked = this.#look(true, this.#signal).finally(() => (this.#asked = undefined));
    }
    if (this.#asked === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, ANSWER_MS)));
    await Promise.race([this.#asked, enough]).finally(() => clearTimeout(timer));
  }

  #mayLook(): boolean {
    const { soonMs = SOON_MS } = this.#config;
    return performance.now() - this.#askedAt >= soonMs && this.#forbiddenMs() === 0;
  }

  /**
   * How long no look may be made. One may be before those until then are paid for: a pod that makes looks dear does not keep
   * the node from seeing a new one soon.
   */
  #forbiddenMs(): number {
    return this.#hasBorrowed ? this.#owedMs() : 0;
  }

  /** How long it takes until the looks so far are paid for. */
  #owedMs(): number {
    return Math.max(0, this.#paidAt - performance.now());
  }

  /** Looks when the look before is done. Never throws. */
  async #look(fresh: boolean, signal: AbortSignal): Promise<void> {
    const look = this.#last.then(async () => {
      this.#hasBorrowed = this.#owedMs() > 0;
      try {
        const cpuMs = await this.#lookOnce(fresh, signal);
        const most = Math.max(MAX_PAUSE_MS, this.#config.lookIntervalMs);
        this.#paidAt = performance.now() + Math.min(this.#owedMs() + cpuMs * PAUSE_PER_CPU, most);
        this.#succeeded();
      } catch (error) {
        if (!signal.aborted) this.#failed(error);
      }
    });
    this.#last = look;
    await look;
  }

  /** Returns the processor time that it took, in milliseconds. */
  async #lookOnce(fresh: boolean, signal: AbortSignal): Promise<number> {
    const { kubeletDir, podResourcesDir, lookSocket } = this.#config;
    const resources = await listPodResources(podResourcesDir, signal);
    const all = holders(resources, await readCheckpoint(kubeletDir));
    const wanted = all.slice(0, MAX_CONTAINERS);
    const pods = new Map<string, string[]>();
    for (const { podUid, container } of wanted) pods.set(podUid, [...(pods.get(podUid) ?? []), container]);
    const request = { pods: [...pods].map(([uid, containers]) => ({ uid, containers })), fresh };
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
