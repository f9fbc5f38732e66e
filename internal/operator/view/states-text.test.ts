/** `onloadctl help states`. */
import { expect, test } from "bun:test";
import { STATES } from "../rollout/states.ts";
import { statesText } from "./states-text.ts";

/** In these nothing is left to do. */
const AT_REST = ["Absent", "Ready"];

test("says of every state for whom and what it waits, and of no other that it waits for nothing", () => {
  const entries = new Map(
    // Behind this the reasons to wait follow, some of the same name.
    statesText()
      .split("A node that is to be upgraded")[0]!
      .split(/\n {2}(?=\S)/)
      .map((entry) => [entry.split("\n")[0]!.trim(), entry] as const),
  );
  for (const state of Object.keys(STATES)) {
    expect([state, /^ {6}Waits for (?!nothing)|^ {6}Waits until/m.test(entries.get(state) ?? "")]).toEqual([
      state,
      !AT_REST.includes(state),
    ]);
  }
});
