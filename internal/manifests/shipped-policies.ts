import type { AdmissionPolicy } from "../api/core.ts";
import { parseJson } from "../cli/json.ts";
import policies from "./shipped-policies.gen.txt" with { type: "text" };

let known: ReadonlyMap<string, AdmissionPolicy> | undefined;

/** This version's admission policies, by name. They are read once somebody asks. */
export function shippedPolicies(): ReadonlyMap<string, AdmissionPolicy> {
  known ??= new Map((parseJson(policies) as AdmissionPolicy[]).map((policy) => [policy.metadata.name, policy]));
  return known;
}
