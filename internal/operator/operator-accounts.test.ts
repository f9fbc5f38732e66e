/** In which namespaces an operator may run, as far as the API server says it. */
import { expect, test } from "bun:test";
import { FakeClock } from "../kube/testing/fake-clock.ts";
import { mayOperate, OperatorAccounts } from "./observe/operator-accounts.ts";

/** Asks for five looks; gives what was asked in each, and what was told. */
function begin(older: string[], answer: (namespace: string) => boolean | Error, younger: string[] = []) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const told: string[] = [];
  const state = { guarded: false, namespaces: { older, younger }, answer };
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

const many = (count: number, prefix: string): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

test("a hundred Leases that somebody has made are judged at once, and from then on few questions are asked", async () => {
  const { accounts, asked, state, end, look } = begin(many(100, "n"), () => false);
  await look();
  expect([new Set(asked).size, asked.length]).toEqual([100, 100]);
  expect(many(100, "n").some((namespace) => accounts.mayOperateIn(namespace))).toBe(false);
  for (const before of [100, 120, 140, 160, 180]) {
    await look();
    expect(asked.length).toBe(before + 20);
  }
  // Each in its turn.
  expect(new Set(asked.slice(100)).size).toBe(100);
  // What is of no account any more is forgotten.
  state.namespaces = { older: [], younger: [] };
  await look();
  expect([accounts.mayOperateIn("n1"), asked.length]).toEqual([true, 200]);
  await end();
});

test("older Leases are asked about first, the oldest of them first, and younger ones have their turn", async () => {
  const { asked, end, look } = begin(many(300, "old"), () => false, many(300, "young"));
  await look();
  expect(asked.splice(0)).toEqual([...many(10, "old"), ...many(10, "young"), ...many(90, "old").slice(10)]);
  for (let i = 0; i < 3; i++) {
    await look();
    const kinds = asked.splice(0).map((namespace) => namespace.replace(/\d+/, ""));
    expect(kinds).toEqual([...Array<string>(10).fill("old"), ...Array<string>(10).fill("young")]);
  }
  await end();
});

test("Leases that somebody makes and deletes again and again do not keep an older one from being looked at anew", async () => {
  const { accounts, asked, state, end, look } = begin(["ops"], () => false);
  for (let i = 0; i < 10; i++) {
    state.namespaces = { older: ["ops"], younger: many(200, `round${i}-`) };
    await look();
  }
  expect(asked.filter((namespace) => namespace === "ops")).toHaveLength(10);
  // An operator is installed there.
  state.answer = (namespace) => namespace === "ops";
  await look();
  expect(accounts.mayOperateIn("ops")).toBe(true);
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
