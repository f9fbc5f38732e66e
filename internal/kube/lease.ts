import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { ABSENCE_ANNOTATION, HOLDER_ANNOTATION } from "../api/names.ts";
import type { Client } from "./client.ts";
import { sleep, systemClock, type Clock } from "./clock.ts";
import type { Lease } from "./kinds.ts";
import { isAlreadyExists, isConflict, isNotFound, LeadershipLostError } from "./errors.ts";
import { longAbsence } from "./lease-absence.ts";
import type { LeaseFence } from "./lease-fence.ts";
import { holderText, type LeaseHolder } from "./lease-holder.ts";
import { microTime, parseTime } from "./times.ts";
import { LEASES, type ObjectRef } from "./resource.ts";

export interface LeaderElectionOptions {
  client: Client;
  /** The Lease; it is created if it is not there. */
  lease: ObjectRef & { namespace: string };
  /** Unique to this process, and without spaces. */
  identity: string;
  /** What {@link HOLDER_ANNOTATION} of the Lease tells of the candidate while it leads. */
  holder?: LeaseHolder;
  /** How long a silent leader is left alone. Default 15 s. */
  leaseDurationMs?: number;
  /** A leader that cannot renew for this long gives up. Default 10 s. */
  renewDeadlineMs?: number;
  /** Default 2 s. */
  retryPeriodMs?: number;
  log: Logger;
  clock?: Clock;
  random?: () => number;
  /** Kept open while we surely lead. The client of the Lease itself must not be behind it. */
  fence?: LeaseFence;
  /** Called before we lead if nobody had done so for long, the last time until then; see {@link longAbsence}. */
  onAbsence?: (until: number) => void;
  /** Called with true when we lead and with false when no longer. */
  onChange?: (leading: boolean) => void;
}

/** How long a request of the release of the Lease may take: it is part of a shutdown, for which a pod has seconds. */
const RELEASE_TIMEOUT_MS = 2000;

/** So many times the release is tried at most, if somebody writes the Lease meanwhile each time. */
const RELEASE_ATTEMPTS = 3;

/**
 * Waits until we lead, then runs `work`, renewing the Lease until `work` is done; then releases it, so that the next
 * candidate need not wait (client-go: leaderelection with ReleaseOnCancel).
 *
 * @param signal aborts the candidacy; while leading it is passed on to `work`, which ends in its own time
 * @throws LeadershipLostError after the signal that `work` got was aborted because the Lease could not be renewed; the
 *   signal's reason when it aborts before we lead
 */
export async function lead(
  options: LeaderElectionOptions,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const candidate = new Candidate(options);
  await candidate.acquire(signal).catch(async (error: unknown) => {
    if (candidate.isUnsettled) await candidate.release();
    throw error;
  });
  const { log, onChange } = options;
  const absence = candidate.absence;
  if (absence !== undefined) options.onAbsence?.(absence);
  log.info("Became the leader", { lease: options.lease.name, identity: options.identity });
  onChange?.(true);
  const lost = new AbortController();
  options.fence?.guard(nameOf(options.lease), (error) => lost.abort(error));
  const finished = new AbortController();
  const renewing = candidate.renew(finished.signal, lost);
  try {
    await work(AbortSignal.any([signal, lost.signal]));
  } finally {
    onChange?.(false);
    finished.abort();
    await renewing;
    // What is late would meet the next leader's writes.
    options.fence?.close();
    if (!lost.signal.aborted) await candidate.release();
  }
  if (lost.signal.aborted) throw lost.signal.reason;
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #deadlineMs: number;
  readonly #retryMs: number;
  /** When the last request that took or renewed the Lease began, by our monotonic clock. */
  #renewedAt = -Infinity;
  /** The Lease as last read, and when its content was first seen, by our monotonic clock. No wall clocks are compared. */
  #seen: { lease: Lease; content: string; at: number } | undefined;
  #holder: string | undefined;
  /** Whether a write that takes or renews the Lease was sent, and was not answered as a success. */
  #isUnsettled = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#leaseMs = options.leaseDurationMs ?? 15_000;
    this.#deadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryMs = options.retryPeriodMs ?? 2000;
  }

  async acquire(signal: AbortSignal): Promise<void> {
    const random = this.#options.random ?? Math.random;
    while (!(await this.#try(signal))) {
      // Jitter as in client-go, so that candidates do not collide for ever.
      await sleep(this.#retryMs * (1 + 1.2 * random()), signal, this.#clock);
    }
  }

  /** Whether the Lease may be ours although we do not know it. */
  get isUnsettled(): boolean {
    return this.#isUnsettled;
  }

  /** Until when nobody had led for long, as the Lease tells it; undefined if it tells nothing. */
  get absence(): number | undefined {
    return parseTime(this.#seen?.lease.metadata.annotations?.[ABSENCE_ANNOTATION]);
  }

  /** Renews until `finished` aborts; aborts `lost` when that fails for too long. Never throws. */
  async renew(finished: AbortSignal, lost: AbortController): Promise<void> {
    const { lease, fence } = this.#options;
    const lose = (reason: string): void => {
      fence?.close();
      lost.abort(new LeadershipLostError(`Cannot keep Lease "${nameOf(lease)}": ${reason}`));
    };
    const giveUp = (): void => lose(`no renewal for ${this.#deadlineMs / 1000} s`);
    const waitToGiveUp = (): (() => void) =>
      this.#clock.after(this.#renewedAt + this.#deadlineMs - this.#clock.monotonic(), giveUp);
    const stop = AbortSignal.any([finished, lost.signal]);
    let cancel = waitToGiveUp();
    while (!stop.aborted) {
      await sleep(this.#retryMs, stop, this.#clock).catch(() => undefined);
      if (stop.aborted) break;
      if (await this.#try(stop).catch(() => false)) {
        cancel();
        cancel = waitToGiveUp();
      } else if (this.#holder !== undefined && this.#holder !== this.#options.identity && !stop.aborted) {
        lose(`${this.#holder} took it`);
      }
    }
    cancel();
  }

  /**
   * Lets the next candidate in at once. If this fails, the candidate waits. A write whose answer was no longer awaited may
   * have been stored: then the Lease is newer than we know, and ours all the same.
   */
  async release(): Promise<void> {
    const { client, lease, identity, log } = this.#options;
    const options = { timeoutMs: RELEASE_TIMEOUT_MS, urgent: true };
    try {
      let known = this.#holder === identity ? this.#seen?.lease : await client.get<Lease>(LEASES, lease, options);
      for (let attempt = 1; known?.spec?.holderIdentity === identity; attempt++) {
        const now = microTime(this.#clock.now());
        const spec = { holderIdentity: "", leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
        const { resourceVersion } = known.metadata;
        try {
          await client.mergePatch<Lease>(LEASES, lease, { spec }, { ...options, resourceVersion });
          log.info("Released the leader's Lease", { lease: lease.name });
          return;
        } catch (error) {
          if (!isConflict(error) || attempt === RELEASE_ATTEMPTS) throw error;
        }
        known = await client.get<Lease>(LEASES, lease, options);
      }
    } catch (error) {
      if (isNotFound(error)) return;
      log.warn("Could not release the leader's Lease", { lease: lease.name, error: errorText(error) });
    }
  }

  /** One attempt to take or renew the Lease. Throws only when the signal aborts. */
  async #try(signal: AbortSignal): Promise<boolean> {
    try {
      // The leader writes without a read: the resource version tells if somebody else wrote.
      if (this.#seen && this.#holder === this.#options.identity) {
        try {
          return await this.#take(this.#seen.lease, signal);
        } catch (error) {
          // Somebody wrote or deleted it.
          if (!isConflict(error) && !isNotFound(error)) throw error;
        }
      }
      return await this.#readAndTake(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isConflict(error) && !isAlreadyExists(error)) {
        this.#options.log.warn("Could not take or renew the leader's Lease", { error: errorText(error) });
      }
      return false;
    }
  }

  async #readAndTake(signal: AbortSignal): Promise<boolean> {
    const { client, lease: ref, identity, log } = this.#options;
    const options = { signal, timeoutMs: this.#deadlineMs / 2, urgent: true };
    const found = await client.get<Lease>(LEASES, ref, options);
    if (!found) {
      const now = microTime(this.#clock.now());
      const spec = { ...this.#mine(now), acquireTime: now, leaseTransitions: 0 };
      const metadata = { ...ref, ...this.#annotations() };
      const began = this.#sent();
      this.#note(await client.create<Lease>(LEASES, { metadata, spec }, options));
      this.#renewed(began);
      return true;
    }
    this.#note(found);
    const { holderIdentity = "", leaseDurationSeconds = this.#leaseMs / 1000 } = found.spec ?? {};
    const free = holderIdentity === "" || holderIdentity === identity;
    const expired = this.#clock.monotonic() >= this.#seen!.at + leaseDurationSeconds * 1000;
    if (!free && !expired) {
      log.debug("Waiting for the leader", { holder: holderIdentity });
      return false;
    }
    return this.#take(found, signal);
  }

  async #take(from: Lease, signal: AbortSignal): Promise<boolean> {
    const { client, lease: ref, identity, log } = this.#options;
    const wallTime = this.#clock.now();
    const now = microTime(wallTime);
    const isTaken = from.spec?.holderIdentity !== identity;
    const takeover = isTaken ? { acquireTime: now, leaseTransitions: (from.spec?.leaseTransitions ?? 0) + 1 } : {};
    // The renewal makes the last leader's time forgotten, so that both are one PATCH.
    const absence = isTaken ? longAbsence(from, wallTime) : undefined;
    const began = this.#sent();
    const written = await client.mergePatch<Lease>(
      LEASES,
      ref,
      { metadata: this.#annotations(absence), spec: { ...this.#mine(now), ...takeover } },
      { resourceVersion: from.metadata.resourceVersion, signal, timeoutMs: this.#deadlineMs / 2, urgent: true },
    );
    this.#note(written);
    this.#renewed(began);
    if (absence !== undefined) log.info("Nobody had led for long", { renewed: from.spec?.renewTime });
    return true;
  }

  /** When a write that takes or renews the Lease is sent. */
  #sent(): number {
    this.#isUnsettled = true;
    return this.#clock.monotonic();
  }

  /** @param began when the request was sent: others count from no earlier than its arrival */
  #renewed(began: number): void {
    this.#isUnsettled = false;
    this.#renewedAt = began;
    this.#options.fence?.open(began + this.#deadlineMs);
  }

  #mine(now: string): NonNullable<Lease["spec"]> {
    const leaseDurationSeconds = Math.max(1, Math.round(this.#leaseMs / 1000));
    return { holderIdentity: this.#options.identity, leaseDurationSeconds, renewTime: now };
  }

  /** A leader of another version, which may write none, leaves it as it is: so it names its holder. */
  #annotations(absence?: number): { annotations?: Record<string, string> } {
    const { identity, holder } = this.#options;
    const annotations = {
      ...(holder === undefined ? {} : { [HOLDER_ANNOTATION]: holderText(identity, holder) }),
      ...(absence === undefined ? {} : { [ABSENCE_ANNOTATION]: new Date(absence).toISOString() }),
    };
    return Object.keys(annotations).length > 0 ? { annotations } : {};
  }

  #note(lease: Lease): void {
    const content = JSON.stringify(lease.spec);
    this.#holder = lease.spec?.holderIdentity ?? "";
    this.#seen = { lease, content, at: this.#seen?.content === content ? this.#seen.at : this.#clock.monotonic() };
  }
}

function nameOf({ namespace, name }: LeaderElectionOptions["lease"]): string {
  return `${namespace}/${name}`;
}
