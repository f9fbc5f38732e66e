/** Whether an admission policy refuses what this version's manifests have it refuse. */
import { isDeepStrictEqual } from "node:util";
import type { AdmissionPolicy, DeepReadonly, PolicyMatch, PolicyRule } from "../../api/core.ts";
import { shippedPolicies } from "../../manifests/shipped-policies.ts";

type Spec = NonNullable<DeepReadonly<AdmissionPolicy>["spec"]>;

/** The variable by which some policies know the operator. */
const OPERATOR_VARIABLE = "isOperator";

/** The parts of a policy on which it depends what is refused, as they are compared. */
const PARTS: Record<string, (spec: Spec) => unknown> = {
  failurePolicy: ({ failurePolicy }) => failurePolicy ?? "Fail",
  paramKind: ({ paramKind }) => paramKind ?? null,
  matchConstraints: ({ matchConstraints }) => matchOf(matchConstraints ?? {}),
  matchConditions: ({ matchConditions = [] }) => matchConditions.map(({ expression }) => expression),
  variables: ({ variables = [] }) => variables.map(({ name, expression }) => [name, expression]),
  validations: ({ validations = [] }) => validations.map(({ expression }) => expression),
};

/** What the API server fills in is the same as nothing. */
function matchOf(match: DeepReadonly<PolicyMatch>): unknown {
  const { resourceRules = [], excludeResourceRules = [], namespaceSelector = {}, objectSelector = {} } = match;
  const rules = [resourceRules, excludeResourceRules].map((list) => list.map(ruleOf));
  return [rules, namespaceSelector, objectSelector, match.matchPolicy ?? "Equivalent"];
}

function ruleOf({ apiGroups, apiVersions, operations, resources, ...rule }: DeepReadonly<PolicyRule>): unknown {
  return [apiGroups, apiVersions, operations, resources, rule.resourceNames ?? [], rule.scope ?? "*"];
}

/**
 * In what a policy of the cluster differs from this version's of that name.
 *
 * @returns undefined if it refuses the same, or no policy of ours has that name
 */
export function policyDifference(policy: DeepReadonly<AdmissionPolicy>): string | undefined {
  let known = differences.get(policy);
  if (!known) differences.set(policy, (known = { difference: differenceOf(policy) }));
  return known.difference;
}

/** By policy as it was read: every pass asks about all of them, and they hardly ever change. */
const differences = new WeakMap<object, { difference: string | undefined }>();

function differenceOf({ metadata, spec = {} }: DeepReadonly<AdmissionPolicy>): string | undefined {
  const ours = shippedPolicies().get(metadata.name)?.spec;
  if (!ours) return undefined;
  const others = Object.keys(PARTS).filter((part) => !isDeepStrictEqual(PARTS[part]!(spec), PARTS[part]!(ours)));
  if (others.length === 0) return undefined;
  if (others.join() === "variables" && admitsMore(spec, ours)) return "admits a further user as the operator";
  return `not this version's in ${others.join(", ")}`;
}

/** Whether the policy takes somebody else for the operator, too, and nothing else is different. */
function admitsMore({ variables = [] }: Spec, ours: Spec): boolean {
  const expected = ours.variables ?? [];
  return (
    variables.length === expected.length &&
    expected.every(({ name, expression }, i) => {
      const found = variables[i]!;
      if (found.name !== name) return false;
      if (found.expression === expression) return true;
      return name === OPERATOR_VARIABLE && found.expression?.startsWith(`(${expression}) || `) === true;
    })
  );
}
