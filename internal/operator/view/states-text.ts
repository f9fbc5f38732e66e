/** `onloadctl help states`: every state of a node and every reason to wait, from the tables that the operator goes by. */
import { GATE_NAMES, gateRowOf } from "../rollout/gates.ts";
import { awaitedIn, NODE_STATES, rowOf } from "../rollout/states.ts";

const LIMITS = { step: "spec.upgrade.stepTimeoutSeconds", drain: "spec.upgrade.drain.timeoutSeconds" };

/** All states of nodes, in the order of an upgrade, with whom and what each waits for. */
export function statesText(): string {
  const states = NODE_STATES.map((state) => {
    const awaited = awaitedIn(state);
    const { says, needsSlot } = rowOf(state);
    const lines = [`  ${state}`, `      ${says}.`];
    if (awaited) {
      lines.push(`      Waits for ${awaited.whom} ${awaited.to}, for at most ${LIMITS[awaited.limit]}.`);
      lines.push(`      After that it has failed: ${awaited.reason}.`);
    }
    if (needsSlot) lines.push("      Waits for a slot: spec.upgrade.maxUnavailable says how many there are.");
    return lines.join("\n");
  });
  const gates = GATE_NAMES.map((gate) => `  ${gate}\n      ${gateRowOf(gate).says}.`);
  return `A node is in one of these states (column STATE of \`onloadctl status\`):

${states.join("\n")}

A node that is to be upgraded, or to get a new device plugin, may have to wait (column STEP):

${gates.join("\n")}
`;
}
