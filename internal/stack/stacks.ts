/** Finds a pod's stacks, and runs Onload's tools on its node for them, with the rights of whoever asks. */
import type { Buffer } from "node:buffer";
import type { Pod } from "../api/core.ts";
import { WORKER_CONTAINER } from "../api/plugin-pod.ts";
import { ALIVE_WORD, STOP_WORD, toolCommand } from "../api/run-tool.ts";
import { containersOf } from "../doctor/judge-pod.ts";
import { ASK_MS, askPlugin, findPluginPods, type PluginPod } from "../doctor/plugin-pods.ts";
import type { Client } from "../kube/client.ts";
import { RemoteProgram, type ExecRequest } from "../kube/exec.ts";
import { missingText } from "../kube/missing.ts";
import { PODS } from "../kube/resource.ts";

/** A pod's stacks. */
export interface PodStacks {
  /** The device plugin of its node. */
  plugin: PluginPod;
  ids: number[];
}

/**
 * The stacks that a pod has now, as its node's plugin sees them.
 *
 * @param given numbers to take in their place, for which the plugin is not asked; empty: none
 * @throws Error if it has none or that cannot be found out, and what to do
 */
export async function stacksOf(
  client: Client,
  { namespace, name }: { namespace: string; name: string },
  given: readonly number[],
  signal: AbortSignal,
): Promise<PodStacks> {
  const what = `Cannot find the stacks of pod "${name}"`;
  const why = `\`onloadctl doctor pod ${name} -n ${namespace}\` says why`;
  const pod = await client.get<Pod>(PODS, { namespace, name }, { signal });
  if (!pod) throw new Error(await missingText(client, { what: "pod", resource: PODS, name, namespace }, signal));
  const node = pod.spec?.nodeName;
  const plugin = node === undefined ? undefined : (await findPluginPods(client, node, signal)).get(node);
  if (plugin === undefined) throw new Error(`${what}: its node has no device plugin; ${why}`);
  if (given.length > 0) return { plugin, ids: [...given] };
  const asked = await askPlugin(client, plugin, { timeoutMs: ASK_MS, fresh: true }, signal);
  if (asked === "none") throw new Error(`${what}: its node has no device plugin; ${why}`);
  if ("problem" in asked) throw new Error(`${what}: ${asked.problem}; ${asked.todo}`);
  const containers = containersOf(pod, asked.value.containers);
  if (containers.some(({ stackIds }) => stackIds === undefined)) {
    throw new Error(
      `${what}: the device plugin is of an older version, which does not tell; upgrade the operator, or give --stack`,
    );
  }
  const ids = [...new Set(containers.flatMap(({ stackIds = [] }) => stackIds))].sort((a, b) => a - b);
  if (ids.length === 0) throw new Error(`${what}: it has none, as far as its node has seen; ${why}`);
  return { plugin, ids };
}

/** How often the program is told that somebody still listens. */
const ALIVE_MS = 10_000;
/** How long a program has to end after it was asked to. */
const GRACE_MS = 10_000;

/**
 * Runs a tool on a node until it ends. When the signal is aborted, the tool is asked to end there, and what it still has to
 * say is taken.
 *
 * @returns its exit code
 * @throws Error if it cannot be run, and what to do; the output's own error
 */
export async function runOnNode(
  client: Client,
  plugin: PluginPod,
  tool: readonly string[],
  output: ExecRequest["output"],
  signal: AbortSignal,
): Promise<number> {
  const request = { container: WORKER_CONTAINER, command: toolCommand(tool), output };
  const program = await RemoteProgram.start(client.transport, plugin, request, signal);
  const alive = setInterval(() => program.send(ALIVE_WORD), ALIVE_MS);
  let ending: NodeJS.Timeout | undefined;
  const stop = (): void => {
    program.send(STOP_WORD);
    ending ??= setTimeout(() => program.close(), GRACE_MS);
  };
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await program.exit;
  } finally {
    clearInterval(alive);
    clearTimeout(ending);
    signal.removeEventListener("abort", stop);
    program.close();
  }
}

/** Makes whole lines of pieces of text, each without its end. A line that is too long is cut. */
export class Lines {
  readonly #decoder = new TextDecoder();
  readonly #take: (line: string) => void;
  #rest = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  add(bytes: Buffer): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, MAX_LINE);
    for (const line of lines) this.#take(line.slice(0, MAX_LINE));
  }

  end(): void {
    if (this.#rest !== "") this.#take(this.#rest);
    this.#rest = "";
  }
}

const MAX_LINE = 64 * 1024;
