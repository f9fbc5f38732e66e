/** The thin place where a plan's steps are taken on nodes and pods. */
import type { DeepReadonly, Node } from "../../api/core.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { devicePluginName, PLUGIN_NAME_LABEL, type OnloadKey } from "../../api/names.ts";
import type { Onload } from "../../api/onload.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { isConflict, isNotFound } from "../../kube/errors.ts";
import { NODES, PODS } from "../../kube/resource.ts";
import type { ReconcilerCaches } from "../cache/caches.ts";
import { evictHolders, type EvictionLog } from "./evict.ts";
import type { NodePods } from "../cache/node-pods.ts";
import { isDue, needsFreshNode, nodePatch, takesStep } from "../rollout/patch.ts";
import type { NodePlan, RolloutPlan } from "../rollout/plan.ts";
import { keepsHolders } from "../rollout/states.ts";
import type { StepName } from "../rollout/steps.ts";

export interface Actor {
  kmm: Kmm;
  client: ClusterClient;
  caches: ReconcilerCaches;
  pods: NodePods;
  evictions: EvictionLog;
  now: () => number;
}

/** What has been done to nodes. */
export interface Deeds {
  /** Steps that changed a node, in no particular order. */
  steps: { plan: NodePlan; step: StepName }[];
  /** What went wrong, one error a node. */
  errors: Error[];
  /** Plan again: at once, because a step found new facts, or a moment later, because the caches are behind. */
  again: "now" | "soon" | undefined;
}

/** Takes every step of a plan, all nodes at once; what fails on one node keeps no other from its step. */
export async function takeSteps(
  actor: Actor,
  onload: DeepReadonly<Onload>,
  plan: RolloutPlan,
  attempt: string,
  signal: AbortSignal,
): Promise<Deeds> {
  const deeds: Deeds = { steps: [], errors: [], again: undefined };
  const key = { namespace: onload.metadata.namespace ?? "", name: onload.metadata.name };
  for (const { facts, state } of plan.nodes) if (!keepsHolders(state)) actor.pods.forget(facts.name);
  await Promise.all(
    plan.nodes.filter(isDue).map(async (node) => {
      try {
        await takeStep(actor, onload, key, node, attempt, deeds, signal);
      } catch (error) {
        if (signal.aborted) return;
        // The node has changed since it was seen, or is gone: the cache will say.
        if (isConflict(error) || isNotFound(error)) deeds.again = "soon";
        else deeds.errors.push(error as Error);
      }
    }),
  );
  signal.throwIfAborted();
  return deeds;
}

async function takeStep(
  actor: Actor,
  onload: DeepReadonly<Onload>,
  key: OnloadKey,
  plan: NodePlan,
  attempt: string,
  deeds: Deeds,
  signal: AbortSignal,
): Promise<void> {
  const { client, caches, pods } = actor;
  const { name } = plan.facts;
  if (plan.step === "Inspect") {
    await pods.look(name, signal);
    deeds.again ??= "now";
    return;
  }
  // A watch may be a moment behind: before the module goes, the node is looked at once more.
  if (plan.step === "UnlabelOnload" && pods.isWatched(name)) {
    const left = await pods.look(name, signal);
    if (left.length > 0) {
      deeds.again = "soon";
      return;
    }
  }
  const patch = nodePatch(plan, key, actor.kmm, attempt, actor.now());
  if (patch) {
    const seen = caches.nodes.store.get(name)?.metadata.resourceVersion;
    const options = needsFreshNode(plan) ? { resourceVersion: seen, signal } : { signal };
    const answer = await client.mergePatch<Node>(NODES, { name }, patch, options);
    caches.nodes.observe(answer);
    if (plan.step === "UnlabelPlugin") pods.forget(name);
    if (takesStep(plan)) deeds.steps.push({ plan, step: plan.step });
  }
  if (plan.step === "Evict") await evictHolders(actor, onload, plan, signal);
  if (plan.step === "ReplacePlugin") await deletePlugin(actor, key, name, signal);
}

async function deletePlugin(
  { client, caches }: Actor,
  key: OnloadKey,
  node: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { metadata } of caches.plugins.store.byIndex("node", node)) {
    const mine =
      metadata.namespace === key.namespace && metadata.labels?.[PLUGIN_NAME_LABEL] === devicePluginName(key.name);
    if (!mine || metadata.deletionTimestamp) continue;
    const uid = metadata.uid ? { uid: metadata.uid } : {};
    await client.delete(PODS, { namespace: key.namespace, name: metadata.name }, { ...uid, signal });
  }
}
