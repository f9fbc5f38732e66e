/** The condition Protected: whether the admission policies are in force that keep nodes from other people's mistakes. */
import { PROTECTING_POLICIES } from "../../api/names.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import type { Stores } from "../cache/caches.ts";
import { drafterOf, type ConditionDraft } from "./conditions.ts";

/** The condition, from the bindings of policies that are in the cluster. */
export function protection({ policyBindings }: Pick<Stores, "policyBindings">): ConditionDraft {
  const draft = drafterOf(CONDITION.Protected);
  const missing = PROTECTING_POLICIES.filter((name) => policyBindings.store.get(name) === undefined);
  if (missing.length === 0) {
    return draft("True", REASON.PoliciesInstalled, "Only those who may deploy Onload can take nodes out of service");
  }
  const which = missing.length === PROTECTING_POLICIES.length ? "" : ` (${missing.join(", ")})`;
  const remedy = "onloadctl manifests admission | kubectl apply --server-side -f -";
  return draft(
    "False",
    REASON.PoliciesMissing,
    `Admission policies are not installed${which}: who may write Onload resources, or delete objects in their namespaces, can unload drivers on all nodes; on Kubernetes 1.30 and later run: ${remedy}`,
  );
}
