/** Finds the device plugins of nodes, and asks them what they know, by way of the API server and with the caller's rights. */
import {
  ACCELERATION_PATH,
  COMPONENT_LABEL,
  LOOK_NOW_QUERY,
  MANAGED_BY_LABEL,
  OPERATOR_NAME,
  PART_OF_LABEL,
  PLUGIN_NAME_LABEL,
} from "../api/names.ts";
import type { DeepReadonly, Pod } from "../api/core.ts";
import { DEVICE_PLUGIN_CONTAINER, METRICS_PORT_NAME } from "../api/plugin-pod.ts";
import { bindCommand } from "../kube/rights-advice.ts";
import type { Client } from "../kube/client.ts";
import { ApiError, ConnectionError, isForbidden } from "../kube/errors.ts";
import { PODS } from "../kube/resource.ts";
import { isReady, isTerminating } from "../operator/cache/pods.ts";
import { parseAnswer } from "./answer.ts";
import type { Asked } from "./facts.ts";

/**
 * Every device plugin, of whatever Onload resource. Admission policies keep everybody else from making pods with these labels: such a
 * pod could say anything of its node.
 */
const SELECTOR = `${MANAGED_BY_LABEL}=${OPERATOR_NAME},${PART_OF_LABEL}=onload,${COMPONENT_LABEL}=device-plugin`;
/** A plugin that looks for the answer takes no longer than 3 s (pod-monitor.ts). */
export const ASK_MS = 5000;

/** A device plugin's pod. */
export interface PluginPod {
  namespace: string;
  name: string;
  node: string;
  /** Name of its DaemonSet. */
  daemonSet: string;
  /** Where it serves metrics; undefined: nowhere. */
  port: number | undefined;
}

/** The ports of a container, which no one else reads. */
interface WithPorts {
  name: string;
  ports?: readonly { name?: string; containerPort?: number }[];
}

/**
 * The device plugins of all nodes or of one: of several on a node, the one that stays.
 *
 * @throws ApiError if pods may not be listed
 */
export async function findPluginPods(
  client: Pick<Client, "list">,
  node: string | undefined,
  signal: AbortSignal,
  timeoutMs?: number,
): Promise<Map<string, PluginPod>> {
  const { items } = await client.list<Pod>(PODS, {
    labelSelector: SELECTOR,
    ...(node === undefined ? {} : { fieldSelector: `spec.nodeName=${node}` }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    signal,
  });
  const order = (pod: Pod): number => (isReady(pod) ? 0 : isTerminating(pod) ? 2 : 1);
  const found = new Map<string, PluginPod>();
  for (const pod of items.toSorted((a, b) => order(b) - order(a))) {
    const { namespace = "", name } = pod.metadata;
    const on = pod.spec?.nodeName;
    const daemonSet = pod.metadata.labels?.[PLUGIN_NAME_LABEL] ?? "";
    if (on !== undefined) found.set(on, { namespace, name, node: on, daemonSet, port: portOf(pod) });
  }
  return found;
}

function portOf({ spec }: DeepReadonly<Pod>): number | undefined {
  const containers = (spec?.containers ?? []) as readonly WithPorts[];
  const ports = containers.find(({ name }) => name === DEVICE_PLUGIN_CONTAINER)?.ports ?? [];
  return ports.find(({ name }) => name === METRICS_PORT_NAME)?.containerPort;
}

/** The path of what a plugin serves, by way of the API server. */
function proxyPath({ namespace, name }: PluginPod, port: number, path: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}:${port}/proxy${path}`;
}

/** How a plugin is asked. */
export interface AskOptions {
  timeoutMs: number;
  /** Whether it looks into processes for it, if it may. Otherwise it tells at once what it saw up to 30 s before. */
  fresh: boolean;
}

/** Asks a plugin. Whatever it does, an answer comes within the time. */
export async function askPlugin(
  client: Pick<Client, "transport">,
  pod: PluginPod,
  { timeoutMs, fresh }: AskOptions,
  signal: AbortSignal,
): Promise<Asked> {
  const who = `device plugin ${pod.namespace}/${pod.name}`;
  if (pod.port === undefined) {
    return {
      problem: `The ${who} serves nothing, because spec.devicePlugin.metricsBindAddress is 0`,
      todo: "Leave the field out, or give it an address of the node",
    };
  }
  let text: string;
  try {
    text = await client.transport.text({
      method: "GET",
      path: `${proxyPath(pod, pod.port, ACCELERATION_PATH)}${fresh ? `?${LOOK_NOW_QUERY}` : ""}`,
      action: `ask ${who}`,
      timeoutMs,
      noRetry: true,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    return { ...refusalOf(error, pod), cause: error };
  }
  try {
    return { value: parseAnswer(text) };
  } catch (error) {
    return { problem: `The ${who} does not answer as one: ${(error as Error).message}`, todo: "See that pod's log" };
  }
}

function refusalOf(error: unknown, pod: PluginPod): { problem: string; todo: string } {
  if (isForbidden(error)) {
    return {
      problem: `Not allowed: get pods/proxy in namespace ${pod.namespace}, by which the device plugin is asked`,
      todo: `Ask an administrator: ${bindCommand("doctor", pod.namespace)}`,
    };
  }
  if (!(error instanceof ApiError || error instanceof ConnectionError)) throw error;
  // The answer of the plugin's own server; that of the API server is about pods.
  if (error instanceof ApiError && error.status === 404 && error.reason === "") {
    return {
      problem: `The device plugin ${pod.namespace}/${pod.name} is of an older version, which does not say`,
      todo: "Upgrade the operator, and with it the device plugin",
    };
  }
  return {
    problem: error.message,
    todo: "See that pod and its log, and whether the API server reaches the node's port",
  };
}
