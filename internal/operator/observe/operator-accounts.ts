/**
 * In which namespaces an operator may run: only where its ServiceAccount may write the status of every Onload resource.
 * The admin of a namespace can make a Lease and pods there that look like an operator's, but cannot give that right.
 */
import { OPERATOR_SERVICE_ACCOUNT } from "../../api/names.ts";
import { ONLOADS } from "../../api/resources.ts";
import { isAllowed } from "../../kube/access-review.ts";
import { sleep, systemClock, type Clock } from "../../kube/clock.ts";
import type { Transport } from "../../kube/transport.ts";

/** How often namespaces are asked about, and how many of them at once: anybody may make them, and rights come and go. */
const LOOK_MS = 5000;
const MOST_AT_ONCE = 20;

export interface OperatorAccountsOptions {
  /** Which namespaces matter now. */
  namespaces: () => readonly string[];
  /** Whether something else keeps the admins of namespaces from making such a Lease. Then whoever holds one may. */
  isGuarded: () => boolean;
  /** Whether an operator may run in a namespace, as the API server says; see {@link mayOperate}. */
  ask: (namespace: string, signal: AbortSignal) => Promise<boolean>;
  /** Called when an answer has changed. */
  onChange: (namespace: string, mayOperate: boolean) => void;
  clock?: Clock;
}

/** Asks about namespaces, and remembers the answers. */
export class OperatorAccounts {
  readonly #options: OperatorAccountsOptions;
  /** The answers, those that were asked for the longest time ago first. */
  readonly #answers = new Map<string, boolean>();

  constructor(options: OperatorAccountsOptions) {
    this.#options = options;
  }

  /** Whether an operator may run in a namespace. So it is held until the API server says that none may. */
  mayOperateIn(namespace: string): boolean {
    return this.#options.isGuarded() || this.#answers.get(namespace) !== false;
  }

  /** Runs until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(LOOK_MS, signal, this.#options.clock ?? systemClock).catch(() => undefined);
      if (signal.aborted) return;
      if (this.#options.isGuarded()) {
        // An answer from before would be old when it counts again, and no operator may be overlooked.
        this.#answers.clear();
        continue;
      }
      await Promise.all(this.#next().map((namespace) => this.#look(namespace, signal)));
    }
  }

  /** Those that were never asked about come first. */
  #next(): string[] {
    const wanted = new Set(this.#options.namespaces());
    for (const namespace of this.#answers.keys()) if (!wanted.has(namespace)) this.#answers.delete(namespace);
    const unknown = [...wanted].filter((namespace) => !this.#answers.has(namespace));
    return [...unknown, ...this.#answers.keys()].slice(0, MOST_AT_ONCE);
  }

  async #look(namespace: string, signal: AbortSignal): Promise<void> {
    // An API server that does not answer says nothing new.
    const may = await this.#options.ask(namespace, signal).catch(() => this.#answers.get(namespace) ?? true);
    const before = this.mayOperateIn(namespace);
    this.#answers.delete(namespace);
    this.#answers.set(namespace, may);
    if (this.mayOperateIn(namespace) !== before) this.#options.onChange(namespace, may);
  }
}

/**
 * Whether the ServiceAccount of an operator in a namespace may do an operator's work.
 *
 * @throws ApiError, ConnectionError when the API server does not say
 */
export function mayOperate(
  transport: Pick<Transport, "json">,
  namespace: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { group, plural } = ONLOADS;
  const spec = {
    user: `system:serviceaccount:${namespace}:${OPERATOR_SERVICE_ACCOUNT}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    resourceAttributes: { group, resource: plural, subresource: "status", verb: "patch" },
  };
  return isAllowed(transport, "SubjectAccessReview", spec, { timeoutMs: LOOK_MS, noRetry: true, signal });
}
