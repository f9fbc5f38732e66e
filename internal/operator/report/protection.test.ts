import { expect, test } from "bun:test";
import type { AdmissionPolicy, KubeObject, PolicyBinding } from "../../api/core.ts";
import { PRESENCE_POLICY, PROTECTING_POLICIES } from "../../api/names.ts";
import { Store } from "../../kube/store.ts";
import { served } from "../testing/served-policies.ts";
import { eventsOfStatus } from "./event-texts.ts";
import { isInForce, protection } from "./protection.ts";

type Edit = (spec: NonNullable<AdmissionPolicy["spec"]>) => void;
type Policies = Parameters<typeof protection>[0];

/** These policies with their bindings, each as it is shipped but for how bindings and policies are changed. */
function installed(
  names: readonly string[],
  changed: Record<string, object> = {},
  edits: Record<string, Edit> = {},
): Policies {
  const [policies, policyBindings] = [new Store<AdmissionPolicy>(), new Store<PolicyBinding>()];
  for (const name of names) {
    const spec = { policyName: name, validationActions: ["Deny"], ...changed[name] };
    policyBindings.set({ apiVersion: "", kind: "", metadata: { name }, spec });
    const policy = served(name);
    edits[name]?.(policy.spec!);
    policies.set(policy);
  }
  return { policies: { store: policies }, policyBindings: { store: policyBindings } };
}

/** The condition, if these are in the cluster. */
const of = (...args: Parameters<typeof installed>): ReturnType<typeof protection> => protection(installed(...args));

test("all policies: protected", () => {
  expect(of([...PROTECTING_POLICIES, "onload-operator-name-length"])).toMatchObject({
    type: "Protected",
    status: "True",
    reason: "PoliciesInstalled",
  });
});

test("no policies, as before Kubernetes 1.30: says what can happen and what to do", () => {
  const { status, reason, message } = of([]);
  expect([status, reason]).toEqual(["False", "PoliciesMissing"]);
  expect(message).toStartWith("Admission policies are not installed: whoever may write Onload resources");
  expect(message).toEndWith("run: onloadctl manifests admission | kubectl apply --server-side --force-conflicts -f -");
});

test("one is missing: names it", () => {
  const { status, message } = of(PROTECTING_POLICIES.filter((name) => name !== "onload-operator-drivers"));
  expect(status).toBe("False");
  expect(message).toContain("not in force (onload-operator-drivers: not installed)");
});

test.each([
  ["does not deny", { validationActions: ["Audit", "Warn"] }],
  ["does not deny", { validationActions: undefined }],
  ["limited to some objects", { matchResources: { namespaceSelector: {} } }],
  ["bound to another policy", { policyName: "mine" }],
])("a policy that is there and keeps nobody from anything: %s", (fault, spec) => {
  const { status, message } = of(PROTECTING_POLICIES, { "onload-operator-deploy": spec });
  expect(status).toBe("False");
  expect(message).toContain(`not in force (onload-operator-deploy: ${fault}): whoever may`);
});

test("a policy that warns too is in force", () => {
  const spec = { validationActions: ["Warn", "Deny"], paramRef: { selector: {} } };
  expect(of(PROTECTING_POLICIES, { "onload-operator-deploy": spec }).status).toBe("True");
});

test("a binding without its policy keeps nobody from anything, nor does a policy without its binding", () => {
  for (const [kind, fault] of [
    ["policies", "not installed"],
    ["policyBindings", "not bound"],
  ] as const) {
    const stores = { ...installed(PROTECTING_POLICIES), [kind]: { store: new Store() } };
    expect(protection(stores).status).toBe("False");
    expect(isInForce(stores, PROTECTING_POLICIES[0]!)).toBe(false);
    const lacking = { ...installed(PROTECTING_POLICIES), [kind]: installed(PROTECTING_POLICIES.slice(1))[kind] };
    const { status, message } = protection(lacking);
    expect(status).toBe("False");
    expect(message).toContain(`not in force (${PROTECTING_POLICIES[0]}: ${fault}): whoever may`);
  }
});

const isOperator: Edit = ({ variables = [] }) => {
  const variable = variables.find(({ name }) => name === "isOperator")!;
  variable.expression = `(${variable.expression}) || request.userInfo.username == "admin"`;
};
test.each<[string, string, Edit]>([
  ["failurePolicy", "deploy", (spec) => (spec.failurePolicy = "Ignore")],
  ["validations", "drivers", (spec) => (spec.validations![0]!.expression = "true")],
  ["validations", "drivers", (spec) => spec.validations!.pop()],
  ["matchConditions", "drivers", (spec) => (spec.matchConditions = [{ name: "never", expression: "false" }])],
  ["variables", "deploy", (spec) => (spec.variables![0]!.expression = "true")],
  ["paramKind", "drivers", (spec) => delete spec.paramKind],
  ["matchConstraints", "objects", (spec) => spec.matchConstraints!.resourceRules!.pop()],
  ["matchConstraints", "objects", (spec) => (spec.matchConstraints!.namespaceSelector = { matchLabels: { a: "b" } })],
  ["matchConstraints", "objects", (spec) => (spec.matchConstraints!.resourceRules![0]!.resourceNames = ["a"])],
  [
    "matchConstraints",
    "objects",
    (spec) => (spec.matchConstraints!.excludeResourceRules = spec.matchConstraints!.resourceRules!),
  ],
])("a policy of another version, or that was edited in its %s (%s), is told as such", (part, short, edit) => {
  const name = `onload-operator-${short}`;
  const stores = installed(PROTECTING_POLICIES, {}, { [name]: edit });
  const { status, reason, message } = protection(stores);
  expect([status, reason]).toEqual(["Unknown", "PoliciesDiffer"]);
  expect(message).toContain(`(${name}: not this version's in ${part}): `);
  expect(message).toEndWith("run: onloadctl manifests admission | kubectl apply --server-side --force-conflicts -f -");
  expect(isInForce(stores, name)).toBe(false);
});

test.each(["objects", "node-labels", "deploy"])(
  "who was taken for the operator by %s, and still is, is told",
  (short) => {
    const name = `onload-operator-${short}`;
    const { status, message } = of(PROTECTING_POLICIES, {}, { [name]: isOperator });
    expect(status).toBe("Unknown");
    expect(message).toContain(`(${name}: admits a further user as the operator): `);
    const more: Edit = (spec) => {
      isOperator(spec);
      spec.validations!.pop();
    };
    expect(of(PROTECTING_POLICIES, {}, { [name]: more }).message).toContain("in variables, validations");
  },
);

test("a fault is told with what else differs", () => {
  const changed = { "onload-operator-deploy": { validationActions: ["Warn"] } };
  const { status, message } = of(PROTECTING_POLICIES, changed, { "onload-operator-objects": isOperator });
  expect(status).toBe("False");
  expect(message).toContain("onload-operator-deploy: does not deny, onload-operator-objects: admits a further user");
});

test("the policy of Leases is in force only as this version has it", () => {
  expect(isInForce(installed([PRESENCE_POLICY]), PRESENCE_POLICY)).toBe(true);
  const edited = installed([PRESENCE_POLICY], {}, { [PRESENCE_POLICY]: (spec) => (spec.validations = []) });
  expect(isInForce(edited, PRESENCE_POLICY)).toBe(false);
});

test("an annotation that opens the way for deletions is told for as long as it is there", () => {
  const object = (kind: string, name: string, allowed?: string): KubeObject => ({
    apiVersion: "v1",
    kind,
    metadata: { name, ...(allowed === undefined ? {} : { annotations: { "onload.amd.com/allow-deletion": allowed } }) },
  });
  const stores = installed(PROTECTING_POLICIES);
  const open = [object("Onload", "a"), undefined, object("Namespace", "ns", "true"), object("Node", "n1", "true")];
  const { status, reason, message } = protection(stores, open);
  expect([status, reason]).toEqual(["False", "DeletionAllowed"]);
  expect(message).toContain(
    'for Namespace "ns", Node "n1": who deletes these may take drivers away; remove the annotation',
  );
  expect(protection(stores, [object("Node", "n1", "false")])).toMatchObject({ status: "True" });
  // What is not there keeps nobody from anything, whatever is annotated.
  expect(protection(installed([]), open)).toMatchObject({ reason: "PoliciesMissing" });
});

test("is told once as an event: a warning if policies are missing, nothing if all is well from the start", () => {
  const statusWith = (draft: ReturnType<typeof protection>) => ({
    conditions: [{ ...draft, lastTransitionTime: "2026-01-01T00:00:00Z" }],
  });
  const types = (...[before, after]: Parameters<typeof eventsOfStatus>): string[] =>
    eventsOfStatus(before, after).map(({ type, reason }) => `${type} ${reason}`);
  const [missing, installed] = [statusWith(of([])), statusWith(of(PROTECTING_POLICIES))];
  expect(types(undefined, missing)).toEqual(["Warning PoliciesMissing"]);
  expect(types(missing, missing)).toEqual([]);
  expect(types(missing, installed)).toEqual(["Normal PoliciesInstalled"]);
  expect(types(undefined, installed)).toEqual([]);
});
