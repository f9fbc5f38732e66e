/** In which namespaces an operator may run, as far as the API server says it. */
import { expect, test } from "bun:test";
import { FakeClock } from "../kube/testing/fake-clock.ts";
import { mayOperate, OperatorAccounts } from "./observe/operator-accounts.ts";

/** Asks for five looks; gives what was asked in each, and what was told. */
function begin(namespaces: string[], answer: (namespace: string) => boolean | Error) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const told: string[] = [];
  const state = { guarded: false, namespaces, answer };
  const accounts = new OperatorAccounts({
    namespaces: () => state.namespaces,
    isGuarded: () => state.guarded,
    ask: async (namespace) => {
      asked.push(namespace);
      const given = state.answer(namespace);
      if (given instanceof Error) throw given;
      return given;
    },
    onChange: (namespace, may) => void told.push(`${namespace} ${may}`),
    clock,
  });
  const stop = new AbortController();
  const running = accounts.run(stop.signal);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return { accounts, asked, told, state, end, look: () => clock.advance(5000) };
}

test("an operator may run wherever the API server does not say that it may not", async () => {
  const { accounts, asked, told, state, end, look } = begin(["tenant", "ops"], (name) => name === "ops");
  const both = (): boolean[] => ["tenant", "ops"].map((name) => accounts.mayOperateIn(name));
  expect(both()).toEqual([true, true]);
  await look();
  expect([asked.splice(0), told.splice(0), both()]).toEqual([["tenant", "ops"], ["tenant false"], [false, true]]);
  // An API server that does not answer changes nothing.
  state.answer = () => new Error("no answer");
  await look();
  expect([asked.splice(0).length, told.splice(0), both()]).toEqual([2, [], [false, true]]);
  // Somebody gives the right, and takes it away.
  state.answer = () => true;
  await look();
  expect([told.splice(0), both()]).toEqual([["tenant true"], [true, true]]);
  state.answer = () => false;
  await look();
  expect([told.splice(0), both()]).toEqual([
    ["tenant false", "ops false"],
    [false, false],
  ]);
  // A policy keeps tenants from it: nobody need be asked.
  state.guarded = true;
  asked.length = 0;
  await look();
  expect([asked, both()]).toEqual([[], [true, true]]);
  await end();
});

test("what was known before a policy was in force is old once it is not any more", async () => {
  const { accounts, state, told, end, look } = begin(["ops"], () => false);
  await look();
  expect(accounts.mayOperateIn("ops")).toBe(false);
  state.guarded = true;
  await look();
  // An operator is installed there meanwhile.
  state.guarded = false;
  state.answer = () => true;
  expect(accounts.mayOperateIn("ops")).toBe(true);
  await look();
  expect([accounts.mayOperateIn("ops"), told]).toEqual([true, ["ops false"]]);
  await end();
});

test("nothing is known of a namespace at first, also if the operator may not ask", async () => {
  const { accounts, told, end, look } = begin(["a"], () => new Error("forbidden"));
  await look();
  expect([accounts.mayOperateIn("a"), told]).toEqual([true, []]);
  await end();
});

test("however many Leases there are, few are asked about at once, and each in its turn", async () => {
  const all = Array.from({ length: 50 }, (_, i) => `n${i}`);
  const { accounts, asked, state, end, look } = begin(all, () => false);
  for (const before of [0, 20, 40, 60, 80]) {
    await look();
    expect(asked.length).toBe(before + 20);
  }
  expect(new Set(asked.slice(0, 50)).size).toBe(50);
  expect(new Set(asked.slice(50)).size).toBe(50);
  // What is of no account any more is forgotten.
  state.namespaces = [];
  await look();
  expect([accounts.mayOperateIn("n1"), asked.length]).toEqual([true, 100]);
  await end();
});

test("the question is about the ServiceAccount of that namespace, and a right of the whole cluster", async () => {
  let body: unknown;
  const transport = {
    json: (request: { body?: unknown }) => {
      ({ body } = request);
      return Promise.resolve({ status: { allowed: true } } as never);
    },
  };
  expect(await mayOperate(transport, "x", new AbortController().signal)).toBe(true);
  expect(body).toMatchObject({
    kind: "SubjectAccessReview",
    spec: {
      user: "system:serviceaccount:x:onload-operator-controller-manager",
      resourceAttributes: { group: "onload.amd.com", resource: "onloads", subresource: "status", verb: "patch" },
    },
  });
  expect(JSON.stringify(body)).not.toContain('"namespace"');
});
