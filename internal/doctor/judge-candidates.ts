/** The link of a pod that no node has taken: which nodes could. Pure. */
import { hasLabels } from "../api/label-selector.ts";
import type { DeepReadonly, Pod } from "../api/core.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { firstFew } from "../cli/first-few.ts";
import { onloadAmount } from "../operator/cache/holders.ts";
import type { Candidate, PodFacts } from "./facts.ts";
import { noResource, VIEWER } from "./judge-node.ts";
import { linkOf, type Link } from "./links.ts";

const MAX_NAMED = 3;

/** Whether a node could take the pod as far as Onload goes; what else it needs only the scheduler says. */
export function candidatesLink({ pod, candidates }: Pick<PodFacts, "pod" | "candidates">): Link {
  const link = linkOf("node");
  if (candidates === undefined || "problem" in candidates) {
    return link("unknown", candidates?.problem ?? "Not known", VIEWER);
  }
  const { resources, nodes } = candidates.value;
  if ((resources ?? 0) === 0) return link("failed", ...noResource(resources));
  const wanted = nodes.filter((node) => allows(pod, node));
  const selected = wanted.filter(({ rollout }) => rollout !== undefined);
  if (selected.length === 0) return link("failed", ...noneText(pod, nodes));
  return judge(pod, selected);
}

function judge(pod: DeepReadonly<Pod>, selected: readonly Candidate[]): Link {
  const link = linkOf("node");
  const offering = selected.filter(({ ready, allocatable }) => ready && allocatable > 0);
  const others = selected.filter((node) => !offering.includes(node));
  const told = firstFew(others.toSorted(byFailure), MAX_NAMED, stateText);
  if (offering.length === 0) {
    const isFailed = others.some(({ rollout, ready }) => !ready || rollout?.status.failed);
    const todo = isFailed ? "Correct this, then run onloadctl retry" : "Wait; see onloadctl status";
    return link("failed", `No node that the pod may use offers ${ONLOAD_RESOURCE}: ${told}`, todo);
  }
  const asked = onloadAmount(pod);
  const most = offering.reduce((max, { allocatable }) => Math.max(max, allocatable), 0);
  if (asked > most) {
    const seen = `It asks for ${asked} ${ONLOAD_RESOURCE}, and no node offers more than ${most}`;
    return link("failed", seen, "Ask for 1: a container needs no more, whatever it opens");
  }
  const seen = `${offering.length} of ${selected.length} ${selected.length === 1 ? "node offers" : "nodes offer"} ${ONLOAD_RESOURCE}`;
  return others.length === 0 ? link("ok", seen) : link("warning", `${seen}; ${told}`, "See onloadctl status");
}

function allows({ spec }: DeepReadonly<Pod>, { labels }: Candidate): boolean {
  return hasLabels(spec?.nodeSelector ?? {}, labels);
}

function noneText(pod: DeepReadonly<Pod>, nodes: readonly Candidate[]): [seen: string, todo: string] {
  const has = nodes.some(({ rollout }) => rollout !== undefined);
  const selector = Object.entries(pod.spec?.nodeSelector ?? {}).map(([key, value]) => `${key}=${value}`);
  if (has && selector.length > 0) {
    const seen = `No node with the labels of the pod's nodeSelector (${firstFew(selector, MAX_NAMED)}) is selected by an Onload resource`;
    return [seen, "Correct the pod's nodeSelector, or the nodes' labels"];
  }
  return ["No Onload resource selects any node", "Give nodes the labels of a resource's spec.selector"];
}

function byFailure(a: Candidate, b: Candidate): number {
  return Number(b.rollout?.status.failed ?? false) - Number(a.rollout?.status.failed ?? false);
}

/** `worker-1 has failed at LoadingOnload: why`. */
function stateText({ name, ready, rollout }: Candidate): string {
  const { state = "", why = "", failed = false } = rollout?.status ?? {};
  const what = failed ? `has failed at ${state}` : ready ? `is ${state}` : "is not Ready";
  return `${name} ${what}${why === "" ? "" : `: ${why}`}`;
}
