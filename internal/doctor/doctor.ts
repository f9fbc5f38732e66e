/** Examines pods and nodes, with the rights of whoever asks. What may not be read makes links unknown. Nothing is written. */
import type { DeepReadonly, Pod } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import { read, type Read } from "../check/read.ts";
import type { Logger } from "../cli/log.ts";
import type { Client } from "../kube/client.ts";
import type { Event } from "../kube/kinds.ts";
import { missingText } from "../kube/missing.ts";
import { EVENTS, NODES, PODS } from "../kube/resource.ts";
import { lastSeen } from "../kube/event.ts";
import { holdsOnload } from "../operator/cache/holders.ts";
import { isFinished } from "../operator/cache/pods.ts";
import { Environments } from "./environment.ts";
import type { Asked, NodeFacts, PodFacts, SeenEvent } from "./facts.ts";
import { nicsLink, nodeLinks, podsLink, VIEWER } from "./judge-node.ts";
import { containersOf, podLinks } from "./judge-pod.ts";
import { worstVerdict, type Link, type Verdict } from "./links.ts";
import { ASK_MS, askPlugin, findPluginPods, type PluginPod } from "./plugin-pods.ts";
import { refusalText } from "../kube/refusal-text.ts";
import { readCandidates, readNode, readRollouts, type Rollouts } from "./rollouts.ts";

/** What to examine. */
export type Subject =
  | { kind: "pod"; namespace: string; name: string }
  | { kind: "node"; name: string }
  /** Every pod that holds amd.com/onload; undefined: in all namespaces. */
  | { kind: "all"; namespace: string | undefined };

/** What was found out about a pod or a node. */
export interface Examined {
  kind: "Pod" | "Node";
  /** "" for a node. */
  namespace: string;
  name: string;
  /** Node of the pod; "" if it has none. */
  node: string;
  /** Whether Onload serves any of its sockets; null: it has none, or it is not known. Of a node always null. */
  accelerated: boolean | null;
  verdict: Verdict;
  links: Link[];
}

export interface ExamineDeps {
  client: Client;
  log: Logger;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** How long all of it may take, in milliseconds. */
  timeoutMs: number;
}

/** So many events of a pod are looked at. */
const MAX_EVENTS = 100;

/**
 * Examines what is asked for.
 *
 * @throws Error if there is no such pod or node, if pods may not be read, if the API server does not answer or time is over
 */
export async function examine(subject: Subject, deps: ExamineDeps, signal: AbortSignal): Promise<Examined[]> {
  const limit = AbortSignal.timeout(deps.timeoutMs);
  const within = AbortSignal.any([signal, limit]);
  try {
    return await new Examination(deps, within).run(subject);
  } catch (cause) {
    if (!limit.aborted || signal.aborted) throw cause;
    throw new Error(`Cannot examine within ${deps.timeoutMs / 1000} s (--timeout)`, { cause });
  }
}

class Examination {
  readonly #client: Client;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #signal: AbortSignal;
  #read: Promise<Rollouts> | undefined;

  constructor({ client, log, now }: ExamineDeps, signal: AbortSignal) {
    this.#client = client;
    this.#log = log;
    this.#now = now;
    this.#signal = signal;
  }

  async run(subject: Subject): Promise<Examined[]> {
    if (subject.kind === "node") {
      const facts = (await this.#nodes([subject.name])).get(subject.name)!;
      if ("value" in facts.node && facts.node.value === undefined) {
        throw new Error(await this.#missing("node", NODES, subject.name));
      }
      return [this.#node(facts)];
    }
    const pods = subject.kind === "pod" ? [await this.#pod(subject)] : await this.#holders(subject.namespace);
    const names = [...new Set(pods.flatMap(({ spec }) => spec?.nodeName ?? []))];
    const nodes = await this.#nodes(names);
    const pending = pods.some(({ spec }) => !spec?.nodeName);
    const candidates = pending ? await readCandidates(this.#client, await this.#rollouts(), this.#signal) : undefined;
    const environments = new Environments(this.#client, this.#signal);
    return await Promise.all(
      pods.map(async (pod) => {
        const [events, settings] = await Promise.all([this.#events(pod), environments.of(pod)]);
        const facts = { pod, events, settings, node: nodes.get(pod.spec?.nodeName ?? "") };
        return this.#examined({ ...facts, ...(candidates === undefined ? {} : { candidates }) });
      }),
    );
  }

  async #pod({ namespace, name }: { namespace: string; name: string }): Promise<Pod> {
    const pod = await this.#client.get<Pod>(PODS, { namespace, name }, { signal: this.#signal });
    if (pod) return pod;
    throw new Error(await this.#missing("pod", PODS, name, namespace));
  }

  #missing(what: string, resource: Resource, name: string, namespace?: string): Promise<string> {
    return missingText(this.#client, { what, resource, name, namespace }, this.#signal);
  }

  async #holders(namespace: string | undefined): Promise<Pod[]> {
    const { items } = await this.#client.list<Pod>(PODS, {
      ...(namespace === undefined ? {} : { namespace }),
      // Those of others are not kept.
      transform: (pod) => (holdsOnload(pod) ? pod : ({ metadata: { name: "" } } as Pod)),
      signal: this.#signal,
    });
    const holding = items.filter(holdsOnload);
    // One that was refused has finished, too.
    return holding.filter((pod) => !isFinished(pod) || pod.status?.reason !== undefined);
  }

  async #nodes(names: readonly string[]): Promise<Map<string, NodeFacts>> {
    if (names.length === 0) return new Map();
    const [rollouts, plugins, nodes] = await Promise.all([
      this.#rollouts(),
      this.#plugins(names),
      Promise.all(names.map((name) => readNode(this.#client, name, this.#signal))),
    ]);
    const { resources, unserved } = "value" in rollouts ? rollouts.value : {};
    const rolloutOf = (name: string): NodeFacts["rollout"] => rolloutIn(rollouts, name);
    const asked = await Promise.all(names.map((name) => this.#ask(plugins, name)));
    return new Map(
      names.map((name, i) => [
        name,
        { name, resources, unserved, rollout: rolloutOf(name), node: nodes[i]!, asked: asked[i]! },
      ]),
    );
  }

  /** Read once, whoever asks. */
  #rollouts(): Promise<Rollouts> {
    this.#read ??= readRollouts(this.#client, this.#log, this.#now(), this.#signal);
    return this.#read;
  }

  #plugins(names: readonly string[]): Promise<Read<Map<string, PluginPod>>> {
    const node = names.length === 1 ? names[0] : undefined;
    return read(() => findPluginPods(this.#client, node, this.#signal), { textOf: refusalText });
  }

  async #ask(plugins: Read<Map<string, PluginPod>>, node: string): Promise<Asked> {
    if ("problem" in plugins) return { problem: plugins.problem, todo: VIEWER };
    const pod = plugins.value.get(node);
    return pod === undefined
      ? "none"
      : await askPlugin(this.#client, pod, { timeoutMs: ASK_MS, fresh: true }, this.#signal);
  }

  async #events({ metadata, status }: Pod): Promise<PodFacts["events"]> {
    // Of one that runs none is of interest. A controller may have made hundreds that the kubelet refused.
    if (status?.phase === "Running" || (status?.phase === "Failed" && status.message)) return { value: [] };
    return await read(async () => {
      const { items } = await this.#client.list<Event>(EVENTS, {
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        fieldSelector: `involvedObject.uid=${metadata.uid},type=Warning`,
        atMost: MAX_EVENTS,
        signal: this.#signal,
      });
      return items.sort((a, b) => (lastSeen(b) ?? 0) - (lastSeen(a) ?? 0)).map(seenEvent);
    });
  }

  #examined(facts: PodFacts): Examined {
    const links = podLinks(facts, this.#now());
    const { namespace = "", name } = facts.pod.metadata;
    return {
      kind: "Pod",
      namespace,
      name,
      node: facts.pod.spec?.nodeName ?? "",
      accelerated: acceleratedOf(facts) ?? null,
      verdict: worstVerdict(links.map(({ verdict }) => verdict)),
      links,
    };
  }

  #node(facts: NodeFacts): Examined {
    const links = [...nodeLinks(facts, this.#now()), nicsLink(facts), podsLink(facts)];
    const verdict = worstVerdict(links.map((each) => each.verdict));
    return { kind: "Node", namespace: "", name: facts.name, node: facts.name, accelerated: null, verdict, links };
  }
}

function rolloutIn(rollouts: Rollouts, name: string): NodeFacts["rollout"] {
  return "problem" in rollouts ? rollouts : { value: rollouts.value.nodes.get(name) };
}

function seenEvent({ reason = "", message = "" }: Event): SeenEvent {
  return { reason, message };
}

function acceleratedOf({ pod, node }: { pod: DeepReadonly<Pod>; node: NodeFacts | undefined }): boolean | undefined {
  if (node === undefined || node.asked === "none" || "problem" in node.asked || isFinished(pod)) return undefined;
  const known = containersOf(pod, node.asked.value.containers).map(({ accelerated }) => accelerated);
  return known.includes(true) ? true : known.includes(false) ? false : undefined;
}
