import { expect, test } from "bun:test";
import type { PolicyBinding } from "../../api/core.ts";
import { PROTECTING_POLICIES } from "../../api/names.ts";
import { Store } from "../../kube/store.ts";
import { eventsOfStatus } from "./event-texts.ts";
import { protection } from "./protection.ts";

/** The condition, if these bindings are in the cluster, each as it is shipped but for what `changed` says. */
function of(names: readonly string[], changed: Record<string, object> = {}): ReturnType<typeof protection> {
  const store = new Store<PolicyBinding>();
  for (const name of names) {
    const spec = { policyName: name, validationActions: ["Deny"], ...changed[name] };
    store.set({ apiVersion: "", kind: "", metadata: { name }, spec });
  }
  return protection({ policyBindings: { store } });
}

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
