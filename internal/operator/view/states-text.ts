/** `onloadctl help states`: every state of a node and every reason to wait, from the tables that the operator goes by. */
import { wrapped } from "../../cli/wrap.ts";
import { GATE_NAMES, gateRowOf } from "../rollout/gates.ts";
import { awaitedIn, NODE_STATES, rowOf } from "../rollout/states.ts";

const LIMITS = { step: "spec.upgrade.stepTimeoutSeconds", drain: "spec.upgrade.drain.timeoutSeconds" };

/**
 * All states of nodes, in the order of an upgrade, with whom and what each waits for.
 *
 * @param columns of the screen; undefined if there is none
 */
export function statesText(columns = Infinity): string {
  const entry = (name: string, sentences: readonly string[]): string =>
    [`  ${name}`, ...sentences.flatMap((text) => wrapped(text, columns, "      "))].join("\n");
  const states = NODE_STATES.map((state) => {
    const awaited = awaitedIn(state);
    const { says, needsSlot, step, waits } = rowOf(state);
    const sentences = [`${says}.`];
    if (awaited) {
      sentences.push(`Waits for ${awaited.whom} ${awaited.to}, for at most ${LIMITS[awaited.limit]}.`);
      sentences.push(`After that it has failed: ${awaited.reason}.`);
    } else if (step === "None") sentences.push(`${waits ?? "Waits for nothing"}.`);
    else if (!needsSlot) sentences.push("Waits for nobody: the operator goes on at once.");
    if (needsSlot) sentences.push("Waits for a slot: spec.upgrade.maxUnavailable says how many there are.");
    return entry(state, sentences);
  });
  const gates = GATE_NAMES.map((gate) => entry(gate, [`${gateRowOf(gate).says}.`]));
  const waits = "A node that is to be upgraded, or to get a new device plugin, may have to wait (column STEP):";
  return `A node is in one of these states (column STATE of \`onloadctl status\`):

${states.join("\n")}

${wrapped(waits, columns).join("\n")}

${gates.join("\n")}
`;
}
