import { expect, test } from "bun:test";
import type { KubeObject } from "../../api/core.ts";
import { PROTECTING_POLICIES } from "../../api/names.ts";
import { Store } from "../../kube/store.ts";
import { eventsOfStatus } from "./event-texts.ts";
import { protection } from "./protection.ts";

/** The condition, if these bindings are in the cluster. */
function of(names: readonly string[]): ReturnType<typeof protection> {
  const store = new Store<KubeObject>();
  for (const name of names) store.set({ apiVersion: "", kind: "", metadata: { name } });
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
  expect(message).toStartWith("Admission policies are not installed: who may write Onload resources");
  expect(message).toEndWith("run: onloadctl manifests admission | kubectl apply --server-side -f -");
});

test("one is missing: names it", () => {
  const { status, message } = of(PROTECTING_POLICIES.filter((name) => name !== "onload-operator-drivers"));
  expect(status).toBe("False");
  expect(message).toContain("not installed (onload-operator-drivers)");
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
