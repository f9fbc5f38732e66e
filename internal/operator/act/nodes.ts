/** Takes a plan's steps on nodes and pods. */
import { asError } from "../../cli/errors.ts";
import type { DeepReadonly, Node } from "../../api/core.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { onloadKeyOf, type OnloadKey } from "../../api/names.ts";
import type { Onload } from "../../api/onload.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { isConflict, isNotFound } from "../../kube/errors.ts";
import { NODES, PODS, refOf } from "../../kube/resource.ts";
import type { ReconcilerCaches } from "../cache/caches.ts";
import { evictHolders, type Evictor } from "./evict.ts";
import type { Hold, PatchGuard } from "./patch-guard.ts";
import type { UnansweredPatches } from "./unanswered-patches.ts";
import type { NodePods } from "../cache/node-pods.ts";
import { isPluginOf, isTerminating } from "../cache/pods.ts";
import { isDue, nodePatch, takesStep, type NodePatch } from "../rollout/patch.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import { keepsHolders, rowOf } from "../rollout/states.ts";
import type { StepName } from "../rollout/steps.ts";

/** What taking steps needs. */
export interface Actor extends Evictor {
  client: Pick<ClusterClient, "mergePatch" | "evict" | "delete">;
  caches: Pick<ReconcilerCaches, "nodes" | "plugins">;
  pods: Pick<NodePods, "inspect" | "forget" | "isWatched">;
  kmm: Kmm;
  /** See attemptOf. */
  attempt: string;
  /** Nodes whose pods are known on behalf of this resource; kept up to date here. */
  inspected: Set<string>;
  patches: PatchGuard;
  unanswered: UnansweredPatches;
}

/** The nodes of a plan as they were when it was made, by name. */
export type SeenNodes = ReadonlyMap<string, DeepReadonly<Node>>;

/** When to plan again: at once, because a step found new facts, or a moment later, because the caches are behind. */
export type Again = "now" | "soon" | undefined;

/** What came of a plan's steps. */
export interface StepResults {
  /** Steps that changed a node, in no particular order. */
  steps: { plan: NodePlan; step: StepName }[];
  /** What went wrong, one error per node. */
  errors: Error[];
  /** Refusals because a node has changed since it was seen, or is gone: the cache will say. */
  overtaken: Error[];
  again: Again;
  /** Milliseconds until a PATCH that was just sent may be sent again; undefined if none waits for that. */
  heldMs: number | undefined;
}

/**
 * Takes every step of a plan, all nodes side by side. A node whose step fails keeps no other from its step.
 *
 * @throws the signal's reason when it aborts
 */
export async function takeSteps(
  actor: Actor,
  onload: DeepReadonly<Onload>,
  plan: RolloutPlan,
  seen: SeenNodes,
  signal: AbortSignal,
): Promise<StepResults> {
  const results: StepResults = { steps: [], errors: [], overtaken: [], again: undefined, heldMs: undefined };
  forgetHolders(actor, plan);
  await Promise.allSettled(
    plan.nodes.filter(isDue).map(async (node) => {
      try {
        await takeStep(actor, onload, node, seen, results, signal);
      } catch (error) {
        if (signal.aborted) return;
        const overtaken = isConflict(error) || isNotFound(error);
        (overtaken ? results.overtaken : results.errors).push(asError(error));
      }
    }),
  );
  signal.throwIfAborted();
  tellFights(actor, plan, results);
  return results;
}

/** Tells whose PATCHes somebody takes back each time. */
function tellFights({ patches, monotonic }: Actor, { nodes }: RolloutPlan, results: StepResults): void {
  const fights = patches.fights(monotonic());
  if (fights.length === 0) return;
  const present = new Set(nodes.map(({ facts }) => facts.name));
  for (const { node, error, waitMs } of fights) {
    if (!present.has(node)) continue;
    results.errors.push(error);
    hold(results, waitMs);
  }
}

/** Lets the next pass come when a PATCH may be sent again. */
function hold(results: StepResults, waitMs: number): void {
  results.heldMs = Math.min(waitMs, results.heldMs ?? Infinity);
}

/** Ends watching the pods of nodes on which it does not matter any more which pods hold amd.com/onload. */
function forgetHolders({ inspected, pods }: Actor, { nodes }: RolloutPlan): void {
  if (inspected.size === 0) return;
  const kept = new Set(
    nodes.filter(({ facts, state }) => keepsHolders(state) || facts.letGo).map(({ facts }) => facts.name),
  );
  for (const name of inspected) {
    if (kept.has(name)) continue;
    inspected.delete(name);
    pods.forget(name);
  }
}

async function takeStep(
  actor: Actor,
  onload: DeepReadonly<Onload>,
  plan: NodePlan,
  seen: SeenNodes,
  results: StepResults,
  signal: AbortSignal,
): Promise<void> {
  const { caches, pods, inspected } = actor;
  const key = onloadKeyOf(onload);
  const { name } = plan.facts;
  if (plan.step === "Inspect") {
    inspected.add(name);
    await pods.inspect(name, signal, rowOf(plan.state).step !== "Inspect");
    results.again ??= "now";
    return;
  }
  // A watch may be a moment behind: before the module goes, the node's pods are listed once more.
  if (plan.step === "UnlabelOnload" && pods.isWatched(name)) {
    const left = await pods.inspect(name, signal);
    if (left.length > 0) {
      results.again = "soon";
      return;
    }
  }
  // If no pod held the resource, the node's pods are listed once more before it starts: such a node is not watched.
  if (plan.step === "UnlabelPlugin" && plan.facts.holders?.length === 0) {
    inspected.add(name);
    const left = await pods.inspect(name, signal, true);
    if (left.length > 0) {
      results.again = "now";
      return;
    }
  }
  const patch = nodePatch(plan, key, actor.kmm, actor.attempt, actor.now);
  if (patch) {
    const node = seen.get(name);
    // The plan is about the node as it was seen, and the cache may have moved on.
    if (node === undefined || caches.nodes.store.get(name) !== node) {
      results.again = "soon";
      return;
    }
    // A version label is as bad as a missing one if it is set on stale knowledge: KMM unloads the other version for it.
    const { resourceVersion } = node.metadata;
    const held = await patchNode(actor, plan, key, patch, { resourceVersion, signal });
    if (held) return hold(results, held.waitMs);
    if (plan.step === "UnlabelPlugin") {
      inspected.delete(name);
      pods.forget(name);
    }
    if (takesStep(plan)) results.steps.push({ plan, step: plan.step });
  }
  if (plan.step === "Evict") await evictHolders(actor, onload, plan, signal);
  if (plan.step === "ReplacePlugin") await deletePlugin(actor, key, name, signal);
}

/**
 * Sends the one PATCH of a step.
 *
 * @returns undefined once it is done, or why it is not sent
 * @throws what it is refused with, or was when it was just sent
 */
async function patchNode(
  { client, caches, kmm, attempt, patches, unanswered, monotonic }: Actor,
  plan: NodePlan,
  key: OnloadKey,
  patch: NodePatch,
  options: { resourceVersion?: string | undefined; signal: AbortSignal },
): Promise<Hold | undefined> {
  const { name } = plan.facts;
  // The records in a patch contain its time. With time 0, patches that do the same are equal texts.
  const what = JSON.stringify(nodePatch(plan, key, kmm, attempt, 0));
  const version = caches.nodes.store.get(name)?.metadata.resourceVersion ?? "";
  const held = patches.holds(name, what, version, monotonic());
  if (held && !held.fought && held.error !== undefined) throw held.error;
  if (held) return held;
  patches.sends(name, what, version, monotonic());
  let answer: Node;
  try {
    const send = (): Promise<Node> => client.mergePatch<Node>(NODES, { name }, patch, options);
    answer = await unanswered.follow(name, options.resourceVersion ?? "", send);
  } catch (error) {
    patches.refused(name, what, error);
    throw error;
  }
  const undone = undoneOf(patch, answer);
  const wrong =
    undone === undefined
      ? `Cannot keep ${changesOf(patch)} of node "${name}" as it should be: somebody takes the change back each time; find out who changes labels and annotations of nodes, and exclude those of Onload from it`
      : `Cannot patch node "${name}": it was taken, but without the change of ${undone}; ${UNDONE_BY}`;
  patches.taken(name, what, answer.metadata.resourceVersion ?? "", monotonic(), wrong);
  caches.nodes.observe(answer);
  if (undone === undefined) return undefined;
  const error = new Error(wrong);
  patches.refused(name, what, error);
  throw error;
}

/** Nothing else can come between a PATCH and its answer. */
const UNDONE_BY = "an admission webhook or policy that changes nodes takes it back: exclude the operator from it";

/** The first of what a PATCH changes, in words. */
function changesOf({ metadata: { labels = {}, annotations } }: NodePatch): string {
  const [label] = Object.keys(labels);
  return label === undefined ? `annotation ${Object.keys(annotations)[0]}` : `label ${label}`;
}

/** What of a PATCH is not in the node as the API server has stored it, in words; undefined if all is. */
function undoneOf({ metadata: { labels = {}, annotations } }: NodePatch, { metadata }: Node): string | undefined {
  const differs = (asked: Record<string, string | null>, stored: Record<string, string> = {}) =>
    Object.keys(asked).find((key) => (stored[key] ?? null) !== asked[key]);
  const label = differs(labels, metadata.labels);
  if (label !== undefined) return `label ${label}`;
  const annotation = differs(annotations, metadata.annotations);
  return annotation === undefined ? undefined : `annotation ${annotation}`;
}

async function deletePlugin(
  { client, caches }: Actor,
  key: OnloadKey,
  node: string,
  signal: AbortSignal,
): Promise<void> {
  for (const pod of caches.plugins.store.byIndex("node", node)) {
    if (!isPluginOf(key, pod) || isTerminating(pod)) continue;
    await client.delete(PODS, refOf(pod), { uid: pod.metadata.uid, signal });
  }
}
