/** The condition Protected: whether the admission policies are in force that keep nodes from other people's mistakes. */
import type { AdmissionPolicy, DeepReadonly, KubeObject, PolicyBinding } from "../../api/core.ts";
import { ALLOW_DELETION_ANNOTATION, PROTECTING_POLICIES } from "../../api/names.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import { MODULES, NODE_MODULES_CONFIGS, ONLOADS } from "../../api/resources.ts";
import { firstFew } from "../../cli/first-few.ts";
import { isOpened } from "../cache/indexes.ts";
import type { Stores } from "../cache/caches.ts";
import { drafterOf, type ConditionDraft } from "./conditions.ts";
import { policyDifference } from "./policy-difference.ts";

type Policy = DeepReadonly<AdmissionPolicy>;
type Binding = DeepReadonly<PolicyBinding>;
type PolicyStores = Pick<Stores, "policies" | "policyBindings">;

/** The CRDs whose deletion would take all drivers away. */
export const PROTECTED_CRDS = [ONLOADS, MODULES, NODE_MODULES_CONFIGS].map(({ plural, group }) => `${plural}.${group}`);
/** Objects that are named of many. */
const MAX_NAMED = 3;
const REMEDY = "onloadctl manifests admission | kubectl apply --server-side --force-conflicts -f -";

/**
 * The condition, from the policies and their bindings that are in the cluster.
 *
 * @param objects of the resource that the policies protect, itself and its namespace among them
 */
export function protection(
  stores: PolicyStores,
  objects: Iterable<DeepReadonly<KubeObject> | undefined> = [],
): ConditionDraft {
  const draft = drafterOf(CONDITION.Protected);
  const states = PROTECTING_POLICIES.map((name) => ({ name, ...stateOf(stores, name) }));
  const wrong = states.filter(({ fault, difference }) => fault ?? difference);
  if (wrong.length === 0) {
    const open = [...objects].flatMap((object) => (object && isOpened(object) ? [nameOf(object)] : []));
    if (open.length > 0) {
      return draft(
        "False",
        REASON.DeletionAllowed,
        `Annotation ${ALLOW_DELETION_ANNOTATION}=true lets the policies pass what they would refuse, for ${firstFew(open, MAX_NAMED)}: who deletes these may take drivers away; remove the annotation as soon as it has served`,
      );
    }
    return draft("True", REASON.PoliciesInstalled, "Only those who may deploy Onload can take nodes out of service");
  }
  const list = wrong.map(({ name, fault, difference }) => `${name}: ${fault ?? difference}`).join(", ");
  if (wrong.every(({ fault }) => fault === undefined)) {
    // Another version's protect as that version does, and nothing tells these from policies that somebody has edited.
    return draft(
      "Unknown",
      REASON.PoliciesDiffer,
      `Admission policies are in force, but not as in this version's manifests (${list}): whether only those who may deploy Onload can take nodes out of service depends on what was changed; for this version's run: ${REMEDY}`,
    );
  }
  const isAnyThere = states.some(({ isThere }) => isThere);
  const which = isAnyThere ? ` (${list})` : "";
  return draft(
    "False",
    REASON.PoliciesMissing,
    `Admission policies are not ${isAnyThere ? "in force" : "installed"}${which}: whoever may write Onload resources, or delete objects in their namespaces, can unload drivers on all nodes; on Kubernetes 1.30 and later run: ${REMEDY}`,
  );
}

function nameOf({ kind, metadata }: DeepReadonly<KubeObject>): string {
  return `${kind} "${metadata.name}"`;
}

/** Whether a policy of ours keeps people from what it forbids, as it is in this version. */
export function isInForce(stores: PolicyStores, name: string): boolean {
  return isSound(stateOf(stores, name));
}

/** The same of a policy and its binding that were read from the cluster; undefined: it is not there. */
export function isPolicyInForce(policy: Policy | undefined, binding: Binding | undefined, name: string): boolean {
  return isSound(policyState(policy, binding, name));
}

interface PolicyState {
  isThere: boolean;
  /** Why it keeps nobody from anything. */
  fault?: string | undefined;
  /** In what it is not this version's. */
  difference?: string | undefined;
}

function isSound({ fault, difference }: PolicyState): boolean {
  return fault === undefined && difference === undefined;
}

function stateOf({ policies, policyBindings }: PolicyStores, name: string): PolicyState {
  return policyState(policies.store.get(name), policyBindings.store.get(name), name);
}

function policyState(policy: Policy | undefined, binding: Binding | undefined, name: string): PolicyState {
  if (!policy) return { isThere: binding !== undefined, fault: "not installed" };
  return { isThere: true, fault: faultOf(binding, name), difference: policyDifference(policy) };
}

/** What is wrong with a policy's binding; a policy that warns or audits only, or somewhere only, keeps nobody from anything. */
function faultOf(binding: Binding | undefined, name: string): string | undefined {
  if (!binding) return "not bound";
  const { policyName, validationActions = [], matchResources } = binding.spec ?? {};
  if (policyName !== name) return "bound to another policy";
  if (!validationActions.includes("Deny")) return "does not deny";
  return matchResources ? "limited to some objects" : undefined;
}
