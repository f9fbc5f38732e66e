/** `onloadctl help states`: every state of a node and every reason to wait, from the tables that the operator goes by. */
import { wrapped } from "../../cli/wrap.ts";
import { GATE_NAMES, gateRowOf } from "../rollout/gates.ts";
import { awaitedIn, NODE_STATES, rowOf, type NodeState } from "../rollout/states.ts";

const LIMITS = { step: "spec.upgrade.stepTimeoutSeconds", drain: "spec.upgrade.drain.timeoutSeconds" };

/** For what a node waits in a state in which the operator waits for nobody. */
function withoutLimit(state: NodeState): string {
  const { step } = rowOf(state);
  if (step !== "None") return "Waits for nobody: the operator goes on at once.";
  return OTHERS[state] ?? "Waits for nothing.";
}

/** Who has to do something before the operator does. */
const OTHERS: Partial<Record<NodeState, string>> = {
  Blocked: "Waits until the other resource has left: its own status says how far it is.",
  Cordoned: "Waits for whoever has cordoned the node.",
  Tainted: "Waits for whoever has tainted the node, or for a toleration.",
  Unmapped: "Waits for a mapping in spec.onload.kernelMappings, or another kernel.",
  SfcMissing: "Waits for KMM to load it again. If that takes longer than a step may, reboot the node.",
};

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
    const { says, needsSlot } = rowOf(state);
    const sentences = [`${says}.`];
    if (awaited) {
      sentences.push(`Waits for ${awaited.whom} ${awaited.to}, for at most ${LIMITS[awaited.limit]}.`);
      sentences.push(`After that it has failed: ${awaited.reason}.`);
    } else if (!needsSlot) sentences.push(withoutLimit(state));
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
