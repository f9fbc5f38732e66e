/** What is read of the annotation of a Lease, whoever wrote it. */
import { expect, test } from "bun:test";
import { covers, holderOf, holderText, scopeOf } from "./lease-holder.ts";

const lease = (holderIdentity: string | undefined, holder: string | undefined): Parameters<typeof holderOf>[0] => ({
  metadata: {
    name: "l",
    namespace: "n",
    ...(holder === undefined ? {} : { annotations: { "onload.amd.com/holder": holder } }),
  },
  spec: holderIdentity === undefined ? {} : { holderIdentity },
});

const ofA = holderText("me", { version: "1.2.3", scope: ["a", "b"] });

test.each<[string, ReturnType<typeof lease>, string | undefined, boolean, boolean]>([
  ["namespaces", lease("me", ofA), "1.2.3", true, false],
  ["all namespaces", lease("me", holderText("me", { version: "1.2.3", scope: [] })), "1.2.3", true, true],
  ["an earlier version's, without namespaces", lease("me", "me 0.9.0"), "0.9.0", true, true],
  ["none, as the original's", lease("me", undefined), undefined, true, true],
  ["one that another left behind", lease("original", ofA), undefined, true, true],
  ["one whose holder has released it", lease("", ofA), undefined, true, false],
  ["one that never had a holder", lease(undefined, undefined), undefined, true, true],
  ["nonsense for namespaces", lease("me", "me 1.2.3 a,,b"), "1.2.3", true, true],
  ["nothing for namespaces", lease("me", "me 1.2.3 "), "1.2.3", true, true],
])("%s", (_name, each, version, hasA, hasZ) => {
  expect(holderOf(each)?.version).toBe(version!);
  expect([covers(scopeOf(each), "a"), covers(scopeOf(each), "z")]).toEqual([hasA, hasZ]);
});
