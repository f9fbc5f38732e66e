/** A pod that no node has taken: what is known of the nodes is said. */
import { expect, test } from "bun:test";
import type { Candidate, Candidates } from "./facts.ts";
import { podLinks } from "./judge-pod.ts";
import { worstLink } from "./links.ts";
import { NOW, podFacts, podObject, rollout } from "./testing/facts.ts";

const bad = {
  state: "LoadingOnload" as const,
  version: "9.2.0",
  wanted: "9.2.0",
  why: "ModuleLoadFailed: modprobe: no such device",
  failed: true,
};
const loading = { ...bad, why: "Waits for KMM", failed: false };

function candidate(name: string, changes: Partial<Candidate> = {}): Candidate {
  return { name, labels: { zone: "a" }, ready: true, allocatable: 100, rollout: rollout(), ...changes };
}

const three = [
  { name: "app", resources: { limits: { "amd.com/onload": 60 } } },
  { name: "side", resources: { limits: { "amd.com/onload": "41" } } },
];

test.each<[string, Partial<Candidates>, object, string]>([
  ["Onload is not installed", { resources: undefined }, {}, "failed: Onload is not installed in this cluster"],
  [
    "no resource",
    { resources: 0 },
    {},
    "failed: There is no Onload resource in this cluster, so no node offers amd.com/onload",
  ],
  ["no node", { nodes: [candidate("n1", { rollout: undefined })] }, {}, "failed: No Onload resource selects any node"],
  [
    "its node has failed",
    {
      nodes: [
        candidate("n1", { allocatable: 0, rollout: rollout({ status: loading }) }),
        candidate("n2", { allocatable: 0, rollout: rollout({ status: bad }) }),
      ],
    },
    {},
    "failed: No node that the pod may use offers amd.com/onload: n2 has failed at LoadingOnload: ModuleLoadFailed: modprobe: no such device, n1 is LoadingOnload: Waits for KMM",
  ],
  [
    "its nodeSelector leaves only a node that has failed",
    {
      nodes: [
        candidate("n1"),
        candidate("n2", { labels: { zone: "b" }, allocatable: 0, rollout: rollout({ status: bad }) }),
      ],
    },
    { nodeSelector: { zone: "b" } },
    "failed: No node that the pod may use offers amd.com/onload: n2 has failed at LoadingOnload: ModuleLoadFailed: modprobe: no such device",
  ],
  [
    "its nodeSelector leaves none",
    { nodes: [candidate("n1")] },
    { nodeSelector: { zone: "c" } },
    "failed: No node with the labels of the pod's nodeSelector (zone=c) is selected by an Onload resource",
  ],
  [
    "a node is not Ready",
    { nodes: [candidate("n1", { ready: false })] },
    {},
    "failed: No node that the pod may use offers amd.com/onload: n1 is not Ready",
  ],
  [
    "it asks for more than there is",
    { nodes: [candidate("n1"), candidate("n2", { allocatable: 50 })] },
    { containers: three },
    "failed: It asks for 101 amd.com/onload, and no node offers more than 100",
  ],
  [
    "one of two nodes is not there yet",
    { nodes: [candidate("n1"), candidate("n2", { allocatable: 0, rollout: rollout({ status: loading }) })] },
    {},
    "warning: 1 of 2 nodes offer amd.com/onload; n2 is LoadingOnload: Waits for KMM",
  ],
  ["nothing is wrong", { nodes: [candidate("n1")] }, {}, "ok: 1 of 1 node offers amd.com/onload"],
])("%s", (_what, changes, spec, expected) => {
  const value = { resources: 1, nodes: [], ...changes };
  const pod = podObject({ phase: "Pending" }, { nodeName: "", ...spec });
  const links = podLinks(podFacts({ pod, node: undefined, candidates: { value } }), NOW);
  expect(links.map(({ link }) => link)).toEqual(["requested", "node", "scheduled", "settings"]);
  expect(`${links[1]!.verdict}: ${links[1]!.seen}`).toBe(expected);
  // It is what the overview shows of the pod.
  if (links[1]!.verdict === "failed") expect(worstLink(links)?.link).toBe("node");
});

test("what may not be read is unknown", () => {
  const pod = podObject({ phase: "Pending" }, { nodeName: "" });
  const links = podLinks(podFacts({ pod, node: undefined, candidates: { problem: "Not allowed" } }), NOW);
  expect(links[1]).toMatchObject({ link: "node", verdict: "unknown", seen: "Not allowed" });
});
