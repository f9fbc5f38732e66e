/** What a person can do about a pod of an operator that is refused; for the pods of Onload see refusals.test.ts. */
import { expect, test } from "bun:test";
import { remedyForOperator } from "./refusal-remedy.ts";

const AGAIN = "install it again: its Deployment and ServiceAccount are not as they were installed";

test.each<[string, string, string]>([
  ["a policy", 'admission webhook "w" denied the request: no', 'make that policy admit the pods of Deployment "ns/op"'],
  ["Pod Security", 'pods "x" is forbidden: violates PodSecurity "restricted:latest": y', AGAIN],
  ["an SCC", 'pods "x" is forbidden: unable to validate against any security context constraint: []', AGAIN],
  ["no ServiceAccount", 'pods "x" is forbidden: error looking up service account ns/sa: not found', AGAIN],
  [
    "a namespace that is being deleted",
    'pods "x" is forbidden: unable to create new content in namespace ns because it is being terminated',
    "install it again once the namespace is back",
  ],
  [
    "a namespace's node selector",
    'pods "x" is forbidden: pod node label selector conflicts with its namespace node label selector',
    'correct those annotations of namespace "ns"',
  ],
  [
    "a namespace's tolerations",
    'pods "x" is forbidden: pod tolerations (possibly merged) conflict with its namespace whitelist',
    'correct those annotations of namespace "ns"',
  ],
  [
    "a LimitRange",
    'pods "x" is forbidden: maximum memory usage per Container is 32Mi, but limit is 256Mi',
    'correct that LimitRange of namespace "ns"',
  ],
  ["a quota", 'pods "x" is forbidden: exceeded quota: q', 'raise that ResourceQuota of namespace "ns", or remove it'],
  ["something else", "the server is on fire", "see what refuses it in the API server"],
])("an operator's pod that %s refuses", (_what, text, remedy) => {
  expect(remedyForOperator(text, { namespace: "ns", name: "op" })).toBe(remedy);
});
