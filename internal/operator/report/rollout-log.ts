/** What the operator's log says of a rollout: each thing once. Events end after an hour; the log is what stays. */
import { counted } from "../../cli/counted.ts";
import type { Fields, Logger } from "../../cli/log.ts";
import { printable } from "../../cli/printable.ts";
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadKey } from "../../api/names.ts";
import { EVENT_REASON } from "../../api/reasons.ts";
import { namespacedName } from "../../kube/object.ts";
import type { RawOnload } from "../cache/caches.ts";
import { waitText } from "../rollout/awaited.ts";
import type { Gate } from "../rollout/gates.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import type { EventText } from "./event-texts.ts";

/** What stays, or comes and goes, is told again no sooner than this. */
const REPEAT_MS = 10 * 60_000;
/** Of more lines it is forgotten when they were told, the oldest first. */
const MAX_TOLD = 4096;
/** Longest message, in characters. */
const MAX_MESSAGE = 1000;

/** Reasons of what is done on nodes. It happens as often as it is told; everything else may only be a state that stays. */
const PROGRESS: ReadonlySet<string> = new Set(Object.values(EVENT_REASON));

/** Writes one line for each step, eviction, failure and decision not to act. */
export class RolloutLog {
  readonly #log: Logger;
  readonly #monotonic: () => number;
  readonly #toldAt = new Map<string, number>();
  /** By resource: why nodes were waiting in its last plan. */
  readonly #gates = new Map<string, ReadonlySet<Gate>>();

  /** @param monotonic milliseconds of a clock that does not go back */
  constructor(log: Logger, monotonic: () => number) {
    this.#log = log;
    this.#monotonic = monotonic;
  }

  /**
   * Tells what an event tells.
   *
   * @param same what makes two lines the same, if not their text
   */
  tell({ metadata, spec }: DeepReadonly<RawOnload>, text: EventText, same = text.note): void {
    const { namespace = "", name } = metadata;
    if (!PROGRESS.has(text.reason) && !this.#isNew(`${namespace}/${name} ${text.node} ${text.reason} ${same}`)) return;
    const wanted = (spec as { onload?: { version?: unknown } } | undefined)?.onload?.version;
    const version = text.version ?? (typeof wanted === "string" ? wanted : undefined);
    this.#write(text.type === "Warning", text.note, { reason: text.reason, namespace, name, node: text.node, version });
  }

  /** Tells why nodes wait that could start, once for each reason, until no node waits for that reason any more. */
  waiting(key: OnloadKey, version: string | undefined, plan: RolloutPlan): void {
    const id = namespacedName(key);
    const before = this.#gates.get(id);
    const now = new Map<Gate, { nodes: number; first: NodePlan }>();
    for (const node of plan.nodes) {
      const { gate, problem } = node;
      if (gate === undefined || problem !== undefined) continue;
      const found = now.get(gate);
      if (found) found.nodes++;
      else now.set(gate, { nodes: 1, first: node });
    }
    for (const [gate, { nodes, first }] of now) {
      if (before?.has(gate)) continue;
      const who = counted(nodes, "node waits", "nodes wait");
      if (!this.#isNew(`${id} ${gate}`)) continue;
      const why = waitText(first, plan.slots);
      this.#write(false, `${who}: ${gate}${why === "" ? "" : `: ${why}`}`, { reason: gate, ...key, nodes, version });
    }
    if (now.size === 0) this.#gates.delete(id);
    else this.#gates.set(id, new Set(now.keys()));
  }

  /** The resource is gone. */
  forget(key: OnloadKey): void {
    this.#gates.delete(namespacedName(key));
  }

  #write(isWarning: boolean, message: string, fields: Fields): void {
    this.#log[isWarning ? "warn" : "info"](printable(message, MAX_MESSAGE), fields);
  }

  #isNew(line: string): boolean {
    const now = this.#monotonic();
    const at = this.#toldAt.get(line);
    if (at !== undefined && now - at < REPEAT_MS) return false;
    this.#toldAt.delete(line);
    for (const oldest of this.#toldAt.keys()) if (this.#toldAt.size >= MAX_TOLD) this.#toldAt.delete(oldest);
    this.#toldAt.set(line, now);
    return true;
  }
}
