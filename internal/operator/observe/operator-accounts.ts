/**
 * In which namespaces an operator may run: only where its ServiceAccount may write the status of every Onload resource.
 * The admin of a namespace can make a Lease and pods there that look like an operator's, but cannot give that right.
 */
import { OPERATOR_SERVICE_ACCOUNT } from "../../api/names.ts";
import { ONLOADS } from "../../api/resources.ts";
import { isAllowed } from "../../kube/access-review.ts";
import { sleep, systemClock, type Clock } from "../../kube/clock.ts";
import { TokenBucket } from "../../kube/rate-limit.ts";
import type { Transport } from "../../kube/transport.ts";

/** How often namespaces are asked about: rights come and go. */
const LOOK_MS = 5000;
/** Anybody may make Leases: so many questions at once after a pause, and so many a second. */
const BURST = 100;
const PER_SECOND = 4;
/** So many of older Leases, and as many of younger ones, have their turn in each look, however many there are of the others. */
const SHARE = (PER_SECOND * LOOK_MS) / 1000 / 2;

/** Namespaces of Leases, each kind beginning with the oldest Lease. */
export interface LeaseNamespaces {
  /** Their operators would have what is ours. */
  older: readonly string[];
  /** Their operators would leave it to us. */
  younger: readonly string[];
}

export interface OperatorAccountsOptions {
  /** Which namespaces matter now. */
  namespaces: () => LeaseNamespaces;
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
  readonly #clock: Clock;
  readonly #questions: TokenBucket;

  constructor(options: OperatorAccountsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#questions = new TokenBucket(PER_SECOND, BURST, this.#clock);
  }

  /** Whether an operator may run in a namespace. So it is held until the API server says that none may. */
  mayOperateIn(namespace: string): boolean {
    return this.#options.isGuarded() || this.#answers.get(namespace) !== false;
  }

  /** Runs until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(LOOK_MS, signal, this.#clock).catch(() => undefined);
      if (signal.aborted) return;
      if (this.#options.isGuarded()) {
        // An answer from before would be old when it counts again, and no operator may be overlooked.
        this.#answers.clear();
        continue;
      }
      await Promise.all(this.#next().map((namespace) => this.#look(namespace, signal)));
    }
  }

  /** Those whose answer matters most come first. */
  #next(): string[] {
    const { older, younger } = this.#options.namespaces();
    const wanted = new Set([...older, ...younger]);
    for (const namespace of this.#answers.keys()) if (!wanted.has(namespace)) this.#answers.delete(namespace);
    const [first, second] = [this.#inTurn(older), this.#inTurn(younger)];
    const line = [first.slice(0, SHARE), second.slice(0, SHARE), first.slice(SHARE), second.slice(SHARE)].flat();
    return line.filter(() => this.#questions.tryTake());
  }

  /** Those that were never asked about come first, then those that were asked about for the longest time ago. */
  #inTurn(namespaces: readonly string[]): string[] {
    const wanted = new Set(namespaces);
    const unknown = namespaces.filter((namespace) => !this.#answers.has(namespace));
    return [...unknown, ...[...this.#answers.keys()].filter((namespace) => wanted.has(namespace))];
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
