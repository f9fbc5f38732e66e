/** The time in which KMM 1.1 alone loads Modules on all nodes and unloads them, if it may do all nodes at once. */
import type { Module } from "../../internal/api/kmm.ts";
import { KMM_API_VERSION, moduleReadyLabel } from "../../internal/api/names.ts";
import type { Client } from "../../internal/kube/client.ts";
import { MODULES } from "../../internal/api/resources.ts";
import { NODES, PODS } from "../../internal/kube/resource.ts";
import { versionLabels } from "../../internal/operator/kmm/kmm1.ts";
import { poll } from "../../internal/testcluster/lib/poll.ts";
import { PATIENCE_MS, type Nodes } from "./nodes.ts";

/** Reports the seconds to load and to unload, each as soon as it is known. The Modules are deleted afterwards. */
export async function kmmAlone(
  client: Client,
  seen: Nodes,
  namespace: string,
  nodes: readonly string[],
  modules: readonly string[],
  tell: (what: "loaded" | "unloaded", seconds: number) => void,
): Promise<void> {
  const ready = modules.map((name) => moduleReadyLabel(namespace, name));
  for (const name of modules) await client.create(MODULES, module(namespace, name));
  let began = performance.now();
  await label(client, namespace, nodes, modules, "v1");
  tell("loaded", await seen.until(began, (labels) => ready.every((each) => each in labels)));
  began = performance.now();
  await label(client, namespace, nodes, modules, null);
  await seen.until(began, (labels) => ready.every((each) => !(each in labels)));
  await poll(async () => (await client.list(PODS, { namespace })).items.length === 0, {
    what: "The end of KMM's pods",
    timeoutMs: PATIENCE_MS,
  });
  tell("unloaded", (performance.now() - began) / 1000);
  for (const name of modules) await client.delete(MODULES, { namespace, name });
}

/** All labels that KMM would set itself, as the operator sets them, so that KMM has as little to do as possible. */
async function label(
  client: Client,
  namespace: string,
  nodes: readonly string[],
  modules: readonly string[],
  version: string | null,
): Promise<void> {
  const labels = Object.assign({}, ...modules.map((module) => versionLabels({ namespace, module }, version))) as object;
  await Promise.all(nodes.map((name) => client.mergePatch(NODES, { name }, { metadata: { labels } })));
}

function module(namespace: string, name: string): Module {
  return {
    apiVersion: KMM_API_VERSION,
    kind: "Module",
    metadata: { namespace, name },
    spec: {
      selector: { "kubernetes.io/os": "linux" },
      moduleLoader: {
        container: {
          modprobe: { moduleName: "onload" },
          kernelMappings: [{ regexp: ".*", containerImage: "registry/onload-module:v1" }],
          version: "v1",
        },
      },
    },
  };
}
