/**
 * Thousands of random histories of the real reconciler in a cluster in memory: calls that fail before or after they are
 * done, calls that come late, crashes, caches that lag behind, edits, bad versions, reboots, lost nodes, budgets. See
 * testing/model for what surrounds it and what it is judged by.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { historyOf } from "./testing/model/arbitrary.ts";
import { play, type History } from "./testing/model/history.ts";

const RUNS = Math.ceil(Number(process.env["MODEL_RUNS"] ?? 800) / 4);
const SEED = process.env["MODEL_SEED"];

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
      await fc.assert(property, { numRuns: RUNS, includeErrorInReport: true, ...(SEED ? { seed: Number(SEED) } : {}) });
    },
    600_000,
  );
});

const MODERN = "5.14.0-70.el9.x86_64";

/** Histories in which the operator once went wrong. */
const FOUND: [what: string, history: History][] = [
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
];

test.each(FOUND)("%s", async (_what, history) => {
  expect(await play(history)).toEqual([]);
});
