/**
 * Thousands of random histories of the real reconciler in a cluster in memory: calls that fail before or after they are
 * done, calls that come late, crashes, caches that lag behind, edits, bad versions, reboots, lost nodes, budgets. See
 * testing/model for what surrounds it and what it is judged by.
 *
 * By default the histories are the same each time, so that a pass is a pass. `MODEL_RUNS=10000` plays so many
 * others, and a failure prints the seed and the path of its history; `MODEL_SEED` plays those of that seed.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { historyOf } from "./testing/model/arbitrary.ts";
import { play, type History } from "./testing/model/history.ts";

/** How many histories each of the four kinds of clusters gets. */
const RUNS = Math.ceil(Number(process.env["MODEL_RUNS"] ?? 1200) / 4);
const SEED = seedOf(process.env["MODEL_SEED"]);

/** undefined: another one each time. */
function seedOf(text: string | undefined): number | undefined {
  if (text !== undefined) return Number(text);
  return process.env["MODEL_RUNS"] === undefined ? 20260101 : undefined;
}

describe.each([
  ["KMM 1.1", 1],
  ["KMM 2", 2],
] as const)("%s", (_name, kmm) => {
  test.each([
    ["onload alone", false],
    ["with sfc", true],
  ])(
    "%s: safe and honest in every history, and it converges",
    async (_what, sfc) => {
      const property = fc.asyncProperty(historyOf(kmm, sfc), async (history) => {
        expect(await play(history)).toEqual([]);
      });
      await fc.assert(property, {
        numRuns: RUNS,
        includeErrorInReport: true,
        ...(SEED === undefined ? {} : { seed: SEED }),
      });
    },
    3_000_000,
  );
});

const MODERN = "5.14.0-70.el9.x86_64";

/** Histories in which the operator once went wrong. */
const FOUND: [what: string, history: History][] = [
  [
    "a retry is one also for a node that is uncordoned at the same moment",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, MODERN, MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "cordon", node: 0 },
        { do: "sfc", resource: 0, to: true, version: "v3" },
        { do: "reboot", node: 4, kernel: "5.14.0-427.18.1.el9_4.x86_64" },
        { do: "quiet" },
        { do: "cordon", node: 4 },
        { do: "onFailure", resource: 0, to: "Rollback" },
        { do: "reboot", node: 4, kernel: MODERN },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "no node is taken down while KMM gives up at the kernel of another",
    {
      setup: { kmm: 2, sfc: false, kernels: [MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "maxUnavailable", resource: 0, to: 2 },
        { do: "pause", resource: 0, to: true },
        // Meanwhile KMM finds the images: where they are missing, no node is taken down either.
        { do: "version", resource: 0, to: "v2" },
        { do: "quiet" },
        { do: "reboot", node: 0, kernel: "6.1" },
        { do: "pause", resource: 0, to: false },
        { do: "quiet" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a Module is not deleted while pods that the cache does not have yet have it loaded",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "selector", resource: 0, to: "pool-b" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 1, kind: "before" }] },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "delete", resource: 0, foreground: false },
        { do: "actAll", rounds: 1 },
        { do: "reconcile", resource: 0, behind: ["kmmPods"], holders: false, faults: [] },
        { do: "reconcile", resource: 0, behind: ["kmmPods"], holders: false, faults: [] },
        { do: "act", node: 0, actor: 0 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a selector that is held back does not come to hold when an upgrade has nodes out",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "sfc", resource: 0, to: false, version: "v2" },
        { do: "selector", resource: 0, to: "nowhere" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "lose", node: 0 },
        { do: "maxUnavailable", resource: 0, to: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "nor when a node that was taken down for an upgrade has no image any more",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "selector", resource: 0, to: "nowhere" },
        { do: "version", resource: 0, to: "v2" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 2, kind: "before" }] },
        { do: "kernels", resource: 0, regexp: "^6\\.", version: "v1" },
        { do: "sfc", resource: 0, to: false, version: "v3" },
      ],
      deleteAtEnd: false,
    },
  ],
  ...([1, 2] as const).map((kmm): [string, History] => [
    `nor when an upgrade has evicted the pods of one node after the other (KMM ${kmm})`,
    {
      setup: { kmm, sfc: kmm === 1, kernels: [MODERN, MODERN, MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "selector", resource: 0, to: "nowhere" },
        { do: "reboot", node: 4, kernel: MODERN },
        { do: "kernels", resource: 0, regexp: "^5\\.", version: "v3" },
      ],
      deleteAtEnd: false,
    },
  ]),
  [
    "nor when a failed upgrade has, and is rolled back",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, MODERN, MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "bad", version: "v2", to: true },
        { do: "onFailure", resource: 0, to: "Rollback" },
        { do: "lose", node: 4 },
        { do: "selector", resource: 0, to: "nowhere" },
        { do: "sfc", resource: 0, to: false, version: "v2" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that is kept for one kernel does not keep other kernels from theirs",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, "5.14.0-427.18.1.el9_4.x86_64"], resources: 1 },
      begin: "installed",
      commands: [
        { do: "version", resource: 0, to: "v3" },
        { do: "lose", node: 0 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 2, kind: "before" }] },
        { do: "actAll", rounds: 1 },
        { do: "kernels", resource: 0, regexp: "^5\\.", version: "v1" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "kernels", resource: 0, regexp: "^4\\.", version: "v3" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "nor from their sfc",
    {
      setup: { kmm: 2, sfc: true, kernels: [MODERN, "6.1.0+"], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "actAll", rounds: 1 },
        { do: "kernels", resource: 0, regexp: "^5\\.", version: "v2" },
        { do: "actAll", rounds: 1 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 0, kind: "before" }] },
        { do: "kernels", resource: 0, regexp: "^4\\.", version: "v1" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a node whose PATCH may have been made holds the slot while the cache is behind",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "kernels", resource: 0, regexp: "^5\\.", version: "v2" },
        { do: "lose", node: 2 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "pool", node: 1 },
        { do: "actAll", rounds: 2 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 0, kind: "after" }] },
        { do: "reconcile", resource: 0, behind: ["nodes"], holders: false, faults: [{ call: 0, kind: "delay" }] },
      ],
      deleteAtEnd: false,
    },
  ],
  ...([1, 2] as const).map((kmm): [string, History] => [
    `nodes of a kernel for which nothing is held back get both modules (KMM ${kmm})`,
    {
      setup: { kmm, sfc: true, kernels: [MODERN, "6.1.0+"], resources: 1 },
      begin: "bare",
      commands: [
        { do: "kernels", resource: 0, regexp: "^5\\.", version: "v1" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "image", resource: 0, revision: 2 },
        { do: "actAll", rounds: kmm === 1 ? 0 : 2 },
      ],
      deleteAtEnd: false,
    },
  ]),
  [
    "a Module is not written under a node that is down: KMM 1.1 would unload what is its",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "down", node: 0 },
        { do: "image", resource: 0, revision: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a Module stays as it is while a module fails again and again",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, MODERN, "5.14.0-427.18.1.el9_4.x86_64"], resources: 1 },
      begin: "installed",
      commands: [
        { do: "version", resource: 0, to: "v2" },
        { do: "lose", node: 0 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "kernels", resource: 0, regexp: "^4\\.", version: "v1" },
        { do: "sfc", resource: 0, to: false, version: "v2" },
        { do: "actAll", rounds: 2 },
        { do: "bad", version: "v2", to: true },
      ],
      deleteAtEnd: false,
    },
  ],
  ...([1, 2] as const).map((kmm): [string, History] => [
    `labels that all nodes lose while an upgrade has one of them out are a mistake (KMM ${kmm})`,
    {
      setup: { kmm, sfc: kmm === 1, kernels: [MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "version", resource: 0, to: "v2" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "reconcile", resource: 0, behind: [], holders: true, faults: [] },
        { do: "actAll", rounds: 2 },
        { do: "reconcile", resource: 0, behind: [], holders: true, faults: [] },
        { do: "pool", node: 0 },
        { do: "pool", node: 1 },
        { do: "quiet" },
      ],
      deleteAtEnd: false,
    },
  ]),
  ...([1, 2] as const).map((kmm): [string, History] => [
    `a version that has no image for the kernel of nodes which serve leaves them as they are (KMM ${kmm})`,
    {
      setup: { kmm, sfc: true, kernels: [MODERN, MODERN, "6.1.0+"], resources: 1 },
      begin: "installed",
      commands: [{ do: "kernels", resource: 0, regexp: "^6\\.", version: "v2" }, { do: "quiet" }],
      deleteAtEnd: false,
    },
  ]),
  [
    "a percentage stays one of the nodes that there were while an upgrade has some of those out that lose their labels",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, MODERN, MODERN, MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "down", node: 0 },
        { do: "selector", resource: 0, to: "pool-b" },
        { do: "sfc", resource: 0, to: false, version: "v2" },
        { do: "maxUnavailable", resource: 0, to: "50%" },
        { do: "schedule", node: 1, what: "daemon" },
        { do: "schedule", node: 2, what: "static" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that was held back may hold after KMM 1.1 has taken the drivers of a kernel and one of them has failed",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, MODERN, "5.14.0-427.18.1.el9_4.x86_64"], resources: 1 },
      begin: "installed",
      commands: [
        { do: "cordon", node: 1 },
        { do: "image", resource: 0, revision: 2 },
        { do: "down", node: 0 },
        { do: "lose", node: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  ...[false, true].map((sfc): [string, History] => [
    `a node that comes back, and may serve before that is seen, waits for one that is broken${sfc ? ", with sfc" : ""}`,
    {
      setup: { kmm: 1, sfc, kernels: [MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "fault", what: "pluginImage", to: true },
        { do: "version", resource: 0, to: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 0, kind: "delay" }] },
        { do: "down", node: 0 },
        { do: "onFailure", resource: 0, to: "Rollback" },
      ],
      deleteAtEnd: false,
    },
  ]),
  [
    "what a status says anew at the end of a long time is acted on",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, MODERN, "5.14.0-427.18.1.el9_4.x86_64", MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "clock", behind: 350 },
        { do: "version", resource: 0, to: "v2" },
        { do: "lose", node: 2 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "kernels", resource: 0, regexp: "^6\\.", version: "v2" },
        { do: "onFailure", resource: 0, to: "Rollback" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a resource begins on a node only when the drivers of the one that leaves are gone",
    {
      setup: { kmm: 2, sfc: true, kernels: [MODERN, MODERN], resources: 2 },
      begin: "installed",
      commands: [
        { do: "sfc", resource: 1, to: false, version: "v2" },
        { do: "delete", resource: 0, foreground: true },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a node that waits for an image is told of in every moment, although the kubelet tries again and again",
    {
      setup: { kmm: 2, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "missing", version: "v3", to: true },
        { do: "sfc", resource: 0, to: false, version: "v3" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that changes without its version is held back for nodes that are leaving",
    {
      setup: { kmm: 2, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "image", resource: 0, revision: 2 },
        { do: "pool", node: 0 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an onload that runs without sfc is not given sfc because the Module of another version has it",
    {
      setup: { kmm: 2, sfc: false, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "sfc", resource: 0, to: true, version: "v2" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 0, kind: "before" }] },
        { do: "version", resource: 0, to: "v1" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that changed is held back on a kernel whose name ends in +, which KMM leaves out",
    {
      setup: { kmm: 2, sfc: false, kernels: ["6.1.0+"], resources: 1 },
      begin: "bare",
      commands: [
        { do: "image", resource: 0, revision: 2 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "actAll", rounds: 2 },
        { do: "sfc", resource: 0, to: false, version: "v2" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: false, version: "v1" },
        { do: "actAll", rounds: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that is missing is told of although the kubelet's word for it comes and goes",
    {
      setup: { kmm: 2, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "version", resource: 0, to: "v2" },
        { do: "missing", version: "v2", to: true },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a Module that the cache has not seen yet is not changed under nodes that have loaded it",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "image", resource: 0, revision: 2 },
        { do: "actAll", rounds: 2 },
        { do: "reconcile", resource: 0, behind: ["modules"], holders: false, faults: [] },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a module that could not be loaded is no failure while it is unloaded",
    {
      setup: { kmm: 2, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "onFailure", resource: 0, to: "Rollback" },
        { do: "reboot", node: 0, kernel: "5.14.0-427.18.1.el9_4.x86_64+rt" },
        { do: "cordon", node: 0 },
        { do: "version", resource: 0, to: "v2" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "sfc that is managed no more goes from under an onload that is not loaded",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "cordon", node: 0 },
        { do: "version", resource: 0, to: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: false, version: "v2" },
        { do: "version", resource: 0, to: "v1" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a node is not Ready while its plugin brings the files of another version",
    {
      setup: { kmm: 2, sfc: false, kernels: [MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "control" },
        { do: "act", node: 0, actor: 0 },
        { do: "control" },
        // Onload is loaded, and the DaemonSet controller has done nothing yet.
        ...[1, 2, 3, 0, 3, 1].map((actor) => ({ do: "act", node: 0, actor }) as const),
        { do: "pause", resource: 0, to: true },
        { do: "version", resource: 0, to: "v2" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "actAll", rounds: 2 },
        { do: "version", resource: 0, to: "v1" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image does not change under a module that KMM calls ready before its pod is seen",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "actAll", rounds: 2 },
        { do: "image", resource: 0, revision: 2 },
        { do: "reconcile", resource: 0, behind: ["kmmPods"], holders: false, faults: [] },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "sfc does not come to an onload that KMM is about to load without it",
    {
      setup: { kmm: 2, sfc: false, kernels: [MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: true, version: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 3, kind: "before" }] },
        { do: "version", resource: 0, to: "v1" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 3, kind: "crashAfter" }] },
        { do: "actAll", rounds: 3 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "nodes that were upgraded before one failed go back with a rollback",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "maxUnavailable", resource: 0, to: "50%" },
        { do: "schedule", node: 0, what: "daemon" },
        { do: "onFailure", resource: 0, to: "Rollback" },
        { do: "version", resource: 0, to: "v3" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a module that was loaded before it was seen to be late lifts the halt",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "lose", node: 0 },
        { do: "version", resource: 0, to: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "actAll", rounds: 2 },
        { do: "time", seconds: 901 },
        { do: "reconcile", resource: 0, behind: ["kmmPods"], holders: false, faults: [{ call: 0, kind: "before" }] },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "KMM 1.1 takes both drivers at once from a node that was in another kernel for a moment",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "reboot", node: 0, kernel: "6.1.0+" },
        { do: "control" },
        { do: "reboot", node: 0, kernel: MODERN },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "sfc that is left out at an unchanged version comes to a node that is installed meanwhile",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "sfc", resource: 0, to: false, version: "v1" },
        { do: "lose", node: 0 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: true, version: "v1" },
        { do: "actAll", rounds: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "what a node has waited for on the way to a version that failed says nothing of the way back",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, MODERN, MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "onFailure", resource: 0, to: "Rollback" },
        { do: "schedule", node: 2, what: "bare" },
        { do: "maxUnavailable", resource: 0, to: "50%" },
        { do: "version", resource: 0, to: "v2" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "sfc that was left out is loaded again after a reboot, although its Module was of another version",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "down", node: 0 },
        { do: "sfc", resource: 0, to: true, version: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: false, version: "v1" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image does not change under a module that KMM may have begun to load",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "actAll", rounds: 1 },
        { do: "image", resource: 0, revision: 2 },
        { do: "reconcile", resource: 0, behind: ["kmmPods"], holders: false, faults: [{ call: 0, kind: "before" }] },
        { do: "actAll", rounds: 1 },
        { do: "schedule", node: 0, what: "plain" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that was loaded for another kernel holds nothing back",
    {
      setup: { kmm: 2, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "sfc", resource: 0, to: true, version: "v2" },
        { do: "reboot", node: 0, kernel: "5.14.0-427.18.1.el9_4.x86_64+rt" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: false, version: "v1" },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an onload that was installed without sfc gives way to the sfc that is wanted again",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "version", resource: 0, to: "v2" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "lose", node: 0 },
        { do: "sfc", resource: 0, to: false, version: "v2" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 1, kind: "before" }] },
        { do: "sfc", resource: 0, to: true, version: "v2" },
        { do: "actAll", rounds: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that changed is held back for the kernel that has it, and nodes of another kernel are served",
    {
      setup: { kmm: 2, sfc: false, kernels: ["6.1.0", MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 0, kind: "before" }] },
        { do: "actAll", rounds: 2 },
        { do: "version", resource: 0, to: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: false, version: "v1" },
        { do: "image", resource: 0, revision: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "an image that changed is held back for the kernel that has it, and nodes of another kernel are served, with sfc",
    {
      setup: { kmm: 2, sfc: true, kernels: ["6.1.0", MODERN], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [{ call: 0, kind: "before" }] },
        { do: "actAll", rounds: 2 },
        { do: "version", resource: 0, to: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "sfc", resource: 0, to: false, version: "v1" },
        { do: "image", resource: 0, revision: 2 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a node whose sfc KMM 1.1 has taken away under onload says so, and what to do",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, "5.14.0-427.18.1.el9_4.x86_64"], resources: 1 },
      begin: "bare",
      commands: [{ do: "down", node: 0 }, { do: "quiet" }, { do: "down", node: 1 }, { do: "template", resource: 0 }],
      deleteAtEnd: false,
    },
  ],
  [
    "the Module of sfc does not lose a node that the Module of onload keeps because it could not be applied",
    {
      setup: { kmm: 2, sfc: true, kernels: ["5.14.0-427.18.1.el9_4.x86_64+rt"], resources: 1 },
      begin: "installed",
      commands: [
        { do: "kernels", resource: 0, regexp: "^4\\.", version: "v1" },
        { do: "reboot", node: 0, kernel: MODERN },
        { do: "sfc", resource: 0, to: true, version: "v3" },
        { do: "actAll", rounds: 1 },
        { do: "actAll", rounds: 3 },
        { do: "reconcile", resource: 0, behind: ["nodes"], holders: false, faults: [{ call: 0, kind: "before" }] },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a labelled node whose kernel gets a mapping is served, whatever is held back for nodes of another kernel",
    {
      setup: { kmm: 1, sfc: true, kernels: [MODERN, "6.1.0+"], resources: 1 },
      begin: "bare",
      commands: [
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "actAll", rounds: 2 },
        { do: "kernels", resource: 0, regexp: "^5\\.", version: "v1" },
        { do: "image", resource: 0, revision: 2 },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "image", resource: 0, revision: 1 },
      ],
      deleteAtEnd: false,
    },
  ],
  [
    "a plugin that comes anew where KMM has stopped brings the files of the version that the nodes have",
    {
      setup: { kmm: 1, sfc: false, kernels: [MODERN, MODERN], resources: 1 },
      begin: "installed",
      commands: [
        { do: "kernels", resource: 0, regexp: "^4\\.", version: "v1" },
        { do: "reboot", node: 0, kernel: "6.1" },
        { do: "sfc", resource: 0, to: false, version: "v3" },
        { do: "reconcile", resource: 0, behind: [], holders: false, faults: [] },
        { do: "version", resource: 0, to: "v1" },
      ],
      deleteAtEnd: false,
    },
  ],
];

test.each(FOUND)("%s", async (_what, history) => {
  expect(await play(history)).toEqual([]);
});
