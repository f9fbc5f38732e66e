/**
 * Thousands of random histories of the operator's planner in a modelled cluster: crashes between any two writes, caches
 * that lag behind, edits, failures, reboots, lost nodes, budgets. See testing/world.ts for what the model is.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { KMM_1, KMM_2 } from "./testing/world.ts";
import { Simulation, type Command } from "./testing/simulation.ts";

const index = fc.nat(7);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant("act" as const), node: index, actor: fc.nat(5) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("settle" as const), rounds: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant("reconcile" as const),
      /** The process dies after so many writes. */
      writes: fc.oneof(fc.nat(6), fc.constant(1000)),
      /** Whether the caches are up to date before. */
      nodes: fc.boolean(),
      pods: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("schedule" as const), node: index }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("version" as const), to: fc.constantFrom("v1", "v2", "v3") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("maxUnavailable" as const), to: fc.constantFrom(1, 2, "50%") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pause" as const), to: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("onFailure" as const),
      to: fc.constantFrom("Halt" as const, "Rollback" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("template" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("retry" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cordon" as const), node: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("notReady" as const), node: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reboot" as const), node: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), node: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("select" as const), node: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("budget" as const), to: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("bad" as const), version: fc.constantFrom("v2", "v3") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("time" as const), seconds: fc.constantFrom(1, 301, 901) }) },
);

const RUNS = Number(process.env["MODEL_RUNS"] ?? 1500);

describe.each([
  ["KMM 1.1", KMM_1],
  ["KMM 2", KMM_2],
] as const)("%s", (_name, kmm) => {
  test.each([
    ["onload alone", false],
    ["with sfc", true],
  ])(
    "%s: safe in every history, and converges",
    (_what, sfc) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 8 }),
          fc.array(command, { maxLength: 120 }),
          fc.constantFrom("installed", "adopted", "bare"),
          fc.boolean(),
          (nodes, commands, begin, deleteAtEnd) => {
            const simulation = new Simulation(kmm, sfc, nodes);
            // Most histories begin where every node runs v1 and serves pods.
            if (begin !== "bare") simulation.install(begin === "adopted");
            for (const each of commands) {
              simulation.run(each);
              expect(simulation.violations).toEqual([]);
            }
            simulation.calm();
            if (deleteAtEnd) simulation.delete();
            const rounds = simulation.converge(400);
            expect(simulation.violations).toEqual([]);
            expect({ rounds, left: simulation.unfinished() }).toEqual({ rounds, left: [] });
          },
        ),
        { numRuns: RUNS, includeErrorInReport: true },
      );
    },
    120_000,
  );
});
