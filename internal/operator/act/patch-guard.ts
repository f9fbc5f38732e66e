/**
 * Keeps one PATCH of a node from being sent again and again: by a cache that never shows it, a webhook that takes it back,
 * or a mistake of ours. Nothing here is state: it is lost with the process, which may then send once more.
 */
import { isNewerVersion } from "../../kube/object.ts";

/**
 * The same PATCH is sent to a node no sooner than this after the last time. One that was not taken is sent as soon as
 * somebody else has changed the node, for it may be taken then.
 */
export const SAME_PATCH_MS = 1000;

interface Sent {
  /** Milliseconds of a clock that does not go back. */
  at: number;
  /** What the API server refused it with. */
  error: unknown;
  /** What people are told because somebody takes it back each time; undefined if nobody does. */
  fight: Error | undefined;
  /** The API server has taken it. */
  taken: boolean;
  /** How often in a row it was sent because somebody had taken it back at once. */
  repeats: number;
}

/** So often in a row somebody may take a PATCH back before a person is told. */
const MAX_REPEATS = 5;
/** A PATCH that somebody takes back each time is sent no sooner than this after the last time. */
const FOUGHT_PATCH_MS = 10_000;
/** So long a PATCH is remembered: the next one of its kind within this time repeats it. */
const MEMORY_MS = 60_000;

/** Why a PATCH is not sent now. */
export interface Hold {
  /** Somebody takes it back each time; see {@link PatchGuard.fights}. */
  fought: boolean;
  /** Milliseconds until it may be sent. */
  waitMs: number;
  /** What it was refused with the last time; undefined if it was taken, or has not been answered yet. */
  error: unknown;
}

/** Somebody takes a PATCH back each time. */
export interface Fight {
  node: string;
  error: Error;
  /** Milliseconds until it may be sent again, or is known to stay. */
  waitMs: number;
}

/** What was sent to nodes within the last minute. */
export class PatchGuard {
  /** By node and PATCH, the newest at the end. */
  readonly #sent = new Map<string, Sent>();
  /** Those of them that somebody takes back each time, so that no pass has to go through all. */
  readonly #fought = new Set<string>();
  /** By node: its resource version as far as it is known to us, and the last PATCH; the newest at the end. */
  readonly #known = new Map<string, { at: number; version: string; patch: string }>();

  /** How many nodes and PATCHes are kept; those that are over are forgotten with the next that is sent. */
  get size(): number {
    return this.#sent.size + this.#known.size;
  }

  /**
   * @param patch what the PATCH does, without any time in it
   * @param version the node's resource version in the cache
   * @param now milliseconds of a clock that does not go back
   * @returns undefined if it may be sent
   */
  holds(node: string, patch: string, version: string, now: number): Hold | undefined {
    const sent = this.#sent.get(keyOf(node, patch));
    if (!sent) return undefined;
    const fought = isFought(sent);
    const waitMs = sent.at + (fought ? FOUGHT_PATCH_MS : SAME_PATCH_MS) - now;
    if (waitMs <= 0) return undefined;
    if (!sent.taken && isNewerVersion(version, this.#known.get(node)?.version ?? "")) return undefined;
    return { waitMs, error: sent.error, fought };
  }

  /** A PATCH goes out. */
  sends(node: string, patch: string, version: string, now: number): void {
    forgetOld(this.#sent, now);
    forgetOld(this.#known, now);
    const key = keyOf(node, patch);
    const before = this.#sent.get(key);
    this.#sent.delete(key);
    // What another PATCH of ours has changed, nobody else has taken back.
    const same = this.#known.get(node)?.patch === patch ? before : undefined;
    // One that was not taken has put nothing there that could be taken back, and says nothing of those before it.
    const repeats = same ? same.repeats + (same.taken ? 1 : 0) : 0;
    this.#sent.set(key, { at: now, error: undefined, taken: false, repeats, fight: same?.fight });
    if (same?.fight) this.#fought.add(key);
    else this.#fought.delete(key);
    this.#knows(node, patch, version, now);
  }

  /**
   * The API server has taken it.
   *
   * @param version the node's resource version since
   * @param text what to tell people if somebody takes it back each time
   */
  taken(node: string, patch: string, version: string, now: number, text: string): void {
    this.#knows(node, patch, version, now);
    const key = keyOf(node, patch);
    const sent = this.#sent.get(key);
    if (!sent) return;
    sent.taken = true;
    if (!isFought(sent)) return;
    sent.fight = new Error(text);
    this.#fought.add(key);
  }

  /**
   * The PATCHes that somebody takes back each time. One that was just sent stays for a moment, and so it counts until it may
   * be sent again, whatever the node is like.
   */
  fights(now: number): Fight[] {
    const fights: Fight[] = [];
    for (const key of this.#fought) {
      const { at = -Infinity, fight } = this.#sent.get(key) ?? {};
      const waitMs = at + FOUGHT_PATCH_MS - now;
      if (fight && waitMs > 0) fights.push({ node: nodeOf(key), error: fight, waitMs });
      else this.#fought.delete(key);
    }
    return fights;
  }

  /** The API server, or the way there, has refused it. */
  refused(node: string, patch: string, error: unknown): void {
    const sent = this.#sent.get(keyOf(node, patch));
    if (sent) sent.error = error;
  }

  #knows(node: string, patch: string, version: string, now: number): void {
    const before = this.#known.get(node)?.version ?? "";
    this.#known.delete(node);
    this.#known.set(node, { at: now, version: isNewerVersion(version, before) ? version : before, patch });
  }
}

function isFought({ repeats }: Sent): boolean {
  return repeats > MAX_REPEATS;
}

function keyOf(node: string, patch: string): string {
  return `${node}\n${patch}`;
}

function nodeOf(key: string): string {
  return key.slice(0, key.indexOf("\n"));
}

function forgetOld(map: Map<string, { at: number }>, now: number): void {
  for (const [key, { at }] of map) {
    if (now - at < MEMORY_MS) return;
    map.delete(key);
  }
}
