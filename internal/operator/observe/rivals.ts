/**
 * Other operators that lead through Leases of their own, in other namespaces: which of them a resource is left to. As
 * within one leader election, one alone acts: that whose Lease is the oldest object. When it was made nobody can write
 * into a Lease, so that no Lease that somebody makes later stops an operator that is there.
 */
import { HOLDER_ANNOTATION, LEASE_NAME } from "../../api/names.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { REASON } from "../../api/reasons.ts";
import { firstFew } from "../../cli/first-few.ts";
import { printable } from "../../cli/printable.ts";
import type { Lease } from "../../kube/kinds.ts";
import { covers, holderOf, identityOf, scopeOf } from "../../kube/lease-holder.ts";
import { joinKey, objectKey } from "../../kube/object.ts";
import type { Change } from "../../kube/store.ts";
import type { LeaseNamespaces } from "./operator-accounts.ts";
import type { ResourceProblem } from "./preflight.ts";

/** What an operator does with the resources of a namespace. */
export interface Standing {
  /** Nothing at all: another operator has them, or may have. */
  yields: boolean;
  /** What a person has to know of another operator, and what is not told by that one. */
  problem: ResourceProblem | undefined;
}

/** How things are without another operator. */
export const ALONE: Standing = { yields: false, problem: undefined };
/** It is not known yet whether there is one, or the other one tells it. */
const STANDS_BY: Standing = { yields: true, problem: undefined };

/**
 * An operator that finds a younger one at work when it begins leaves it this long to notice. A watch tells it within a
 * second, and what it is about then is done.
 */
const SETTLE_MS = 10_000;
/** A holder whose text is longer is taken for one that says nothing of itself. */
const MAX_HOLDER = 20_000;
/** So much of a holder's name is kept. */
const MAX_IDENTITY = 1000;
/** A Lease holds for no longer than this without a renewal, whatever is written in it. */
const MAX_DURATION_MS = 300_000;
/** Duration of a Lease that does not say (client-go's default, and ours), and of one that says less. */
const MIN_DURATION_MS = 15_000;
/**
 * From one change of a Lease to the next, so much time counts at most. What a watch that was held up brings comes all at
 * once, and one after the other: a first renewal of ours is no sign that others have not renewed theirs. We renew more often.
 */
const MAX_STEP_MS = 5000;

/** A Lease, and what was seen of it, by the time that counts: no wall clocks are compared. */
interface Seen {
  lease: DeepReadonly<Lease>;
  /** When its present holder was first seen. */
  heldSince: number;
  /** When its content was first seen. */
  at: number;
  /** Whether its holder was seen to renew it. */
  isRenewed: boolean;
}

export interface RivalsOptions {
  /** The namespace of our own Lease, and its holder's name if we lead. */
  namespace: string;
  identity: string;
  /** Milliseconds of a clock that does not go back. */
  monotonic: () => number;
  /** Whether an operator may run in a namespace; a Lease in another one is nobody's. */
  mayOperateIn: (namespace: string) => boolean;
  /** Called when a {@link Rivals.standing} may have changed. */
  onChange: () => void;
}

/** Follows the Leases of all operators. */
export class Rivals {
  readonly #options: RivalsOptions;
  readonly #own: string;
  readonly #seen = new Map<string, Seen>();
  /** The time that counts, and when it was counted last, both in milliseconds; see {@link MAX_STEP_MS}. */
  #time = 0;
  #countedAt: number;
  #told = "";

  constructor(options: RivalsOptions) {
    this.#options = options;
    this.#own = joinKey(options.namespace, LEASE_NAME);
    this.#countedAt = options.monotonic();
  }

  /** Takes in a change of a Lease of the operators' name. Changes come in the order in which the API server made them. */
  note({ key, current }: Change<Lease>): void {
    const before = this.#seen.get(key);
    const now = this.#options.monotonic();
    this.#time += Math.min(now - this.#countedAt, MAX_STEP_MS);
    this.#countedAt = now;
    if (current) this.#seen.set(key, seenAgain(before, current, this.#time));
    else this.#seen.delete(key);
    this.look();
  }

  /** Tells of what has changed, also of what is thought of a namespace. */
  look(): void {
    const told = this.#digest();
    if (told === this.#told) return;
    this.#told = told;
    this.#options.onChange();
  }

  /**
   * The namespaces of the Leases of others, whether an operator may run there or not, and whether anybody holds them now: who
   * lets a Lease go and takes it again is no news.
   */
  get namespaces(): LeaseNamespaces {
    const own = this.#seen.get(this.#own)?.lease;
    const others = [...this.#seen.values()].map(({ lease }) => lease).filter((lease) => lease !== own);
    others.sort(compareAge);
    const isOlder = (lease: DeepReadonly<Lease>): boolean => own === undefined || compareAge(lease, own) < 0;
    const namespaceOf = ({ metadata }: DeepReadonly<Lease>): string => metadata.namespace ?? "";
    return {
      older: others.filter(isOlder).map(namespaceOf),
      younger: others.filter((lease) => !isOlder(lease)).map(namespaceOf),
    };
  }

  /** The Leases of others, for people: `NAMESPACE/NAME of HOLDER (older, has all namespaces)`. */
  get others(): string[] {
    const own = this.#mine();
    if (!own) return [];
    return this.#others(own).map(({ lease }) => {
      const age = compareAge(lease, own.lease) < 0 ? "older" : "younger";
      return `${objectKey(lease)} of ${holderName(lease)} (${age}, ${scopeText(lease)})`;
    });
  }

  /** What to do with the resources of a namespace now. */
  standing(namespace: string): Standing {
    const own = this.#mine();
    // Whoever took another Lease before ours was seen before ours is.
    if (!own) return STANDS_BY;
    const others = this.#others(own).filter(({ lease }) => covers(scopeOf(lease), namespace));
    const [oldest] = others;
    if (!oldest) return ALONE;
    const isOlder = compareAge(oldest.lease, own.lease) < 0;
    if (!isOlder && isSettling(own)) return STANDS_BY;
    const isTold = isOlder && holderOf(oldest.lease) !== undefined;
    // One that was not seen to renew its Lease may have ended long ago.
    if (isTold || !oldest.isRenewed) return { yields: isOlder, problem: undefined };
    return { yields: isOlder, problem: problemOf(oldest.lease, isOlder) };
  }

  /** Our own Lease, if we are seen to hold it. */
  #mine(): Seen | undefined {
    const own = this.#seen.get(this.#own);
    return own?.lease.spec?.holderIdentity === this.#options.identity ? own : undefined;
  }

  /**
   * Those that others hold, the oldest first. Our own last renewal is the measure of their age: it comes by the same
   * watch, so that a watch that is held up makes nobody seem gone.
   */
  #others(own: Seen): Seen[] {
    return [...this.#seen.values()]
      .filter((each) => each !== own && identityOf(each.lease) !== "")
      .filter(({ lease }) => this.#options.mayOperateIn(lease.metadata.namespace ?? ""))
      .filter(({ lease, at }) => own.at - at < durationOf(lease))
      .sort((a, b) => compareAge(a.lease, b.lease));
  }

  /** All that a standing depends on. */
  #digest(): string {
    const own = this.#mine();
    if (!own) return "";
    const others = this.#others(own).map(({ lease, isRenewed }) => [
      objectKey(lease),
      lease.metadata.creationTimestamp,
      lease.spec?.holderIdentity,
      holderOf(lease) !== undefined,
      scopeOf(lease),
      isRenewed,
    ]);
    return JSON.stringify([own.lease.metadata.creationTimestamp, isSettling(own), others]);
  }
}

/** What is kept of a Lease. */
export function trimLease({ apiVersion, kind, metadata, spec }: Lease): Lease {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  const holder = metadata.annotations?.[HOLDER_ANNOTATION];
  const annotations =
    holder === undefined || holder.length > MAX_HOLDER ? {} : { annotations: { [HOLDER_ANNOTATION]: holder } };
  const kept = { name, namespace, uid, resourceVersion, creationTimestamp, ...annotations };
  const { holderIdentity, leaseDurationSeconds, renewTime } = spec ?? {};
  const read = { holderIdentity: holderIdentity?.slice(0, MAX_IDENTITY), leaseDurationSeconds, renewTime };
  return { apiVersion, kind, metadata: kept, spec: read } as Lease;
}

function seenAgain(before: Seen | undefined, lease: DeepReadonly<Lease>, now: number): Seen {
  const isSame = before !== undefined && before.lease.metadata.uid === lease.metadata.uid;
  if (!isSame || before.lease.spec?.holderIdentity !== lease.spec?.holderIdentity) {
    return { lease, heldSince: now, at: now, isRenewed: false };
  }
  const isRenewal = JSON.stringify(before.lease.spec) !== JSON.stringify(lease.spec);
  return isRenewal ? { ...before, lease, at: now, isRenewed: true } : { ...before, lease };
}

/** As far as is known at our own last renewal. */
function isSettling({ heldSince, at }: Seen): boolean {
  return at - heldSince < SETTLE_MS;
}

/** The order of Leases by when they were made; the namespace decides within a second. */
function compareAge({ metadata: a }: DeepReadonly<Lease>, { metadata: b }: DeepReadonly<Lease>): number {
  const keyOf = ({ creationTimestamp = "", namespace = "" }: typeof a): string => `${creationTimestamp} ${namespace}`;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}

function durationOf({ spec }: DeepReadonly<Lease>): number {
  const durationMs = (spec?.leaseDurationSeconds ?? 0) * 1000;
  return Math.min(Math.max(durationMs, MIN_DURATION_MS), MAX_DURATION_MS);
}

function holderName(lease: DeepReadonly<Lease>): string {
  return printable(identityOf(lease), 100);
}

/** Which namespaces the holder of a Lease has. */
function scopeText(lease: DeepReadonly<Lease>): string {
  if (holderOf(lease) === undefined) return "does not say which namespaces it has, so that it counts as having all";
  const scope = scopeOf(lease);
  return scope.length === 0 ? "has all namespaces" : `has ${firstFew(scope, 3, (name) => name)}`;
}

function problemOf(lease: DeepReadonly<Lease>, isOlder: boolean): ResourceProblem {
  const begin = isOlder ? "Nothing is done, because another operator acts" : "Another operator acts too";
  const which = isOlder ? "the older" : "the younger";
  const remedy =
    holderOf(lease) === undefined
      ? "update that one, or remove one of the two"
      : "remove one of the two, or give them different namespaces by --watch-namespaces";
  return {
    reason: REASON.AnotherOperator,
    message: `${begin}: ${holderName(lease)} holds ${which} Lease "${objectKey(lease)}" and ${scopeText(lease)}; ${remedy}`,
  };
}
