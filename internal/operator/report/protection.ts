/** The condition Protected: whether the admission policies are in force that keep nodes from other people's mistakes. */
import type { DeepReadonly, PolicyBinding } from "../../api/core.ts";
import { PROTECTING_POLICIES } from "../../api/names.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import type { Stores } from "../cache/caches.ts";
import { drafterOf, type ConditionDraft } from "./conditions.ts";

/** The condition, from the bindings of policies that are in the cluster. */
export function protection({ policyBindings }: Pick<Stores, "policyBindings">): ConditionDraft {
  const draft = drafterOf(CONDITION.Protected);
  const states = PROTECTING_POLICIES.map((name) => ({ name, ...stateOf(policyBindings.store.get(name), name) }));
  const wrong = states.filter(({ fault }) => fault !== undefined);
  if (wrong.length === 0) {
    return draft("True", REASON.PoliciesInstalled, "Only those who may deploy Onload can take nodes out of service");
  }
  const isAnyThere = states.some(({ isThere }) => isThere);
  const which = isAnyThere ? ` (${wrong.map(({ name, fault }) => `${name}: ${fault}`).join(", ")})` : "";
  const remedy = "onloadctl manifests admission | kubectl apply --server-side --force-conflicts -f -";
  return draft(
    "False",
    REASON.PoliciesMissing,
    `Admission policies are not ${isAnyThere ? "in force" : "installed"}${which}: whoever may write Onload resources, or delete objects in their namespaces, can unload drivers on all nodes; on Kubernetes 1.30 and later run: ${remedy}`,
  );
}

/** Whether a policy of ours keeps people from what it forbids. */
export function isInForce({ policyBindings }: Pick<Stores, "policyBindings">, name: string): boolean {
  return stateOf(policyBindings.store.get(name), name).fault === undefined;
}

/** What is wrong with a policy's binding; a policy that warns or audits only, or somewhere only, keeps nobody from anything. */
function stateOf(
  binding: DeepReadonly<PolicyBinding> | undefined,
  name: string,
): { isThere: boolean; fault: string | undefined } {
  if (!binding) return { isThere: false, fault: "not installed" };
  const { policyName, validationActions = [], matchResources } = binding.spec ?? {};
  const fault =
    policyName !== name
      ? "bound to another policy"
      : !validationActions.includes("Deny")
        ? "does not deny"
        : matchResources
          ? "limited to some objects"
          : undefined;
  return { isThere: true, fault };
}
