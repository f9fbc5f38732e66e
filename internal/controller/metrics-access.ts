import { createHash } from "node:crypto";
import { systemClock, type Clock } from "../kube/clock.ts";
import type { Access } from "../kube/access-review.ts";
import { TokenBucket } from "../kube/rate-limit.ts";
import type { Answer, Handler } from "../probes/server.ts";

/** A token that was allowed counts for this time, in milliseconds. */
const FRESH_MS = 60_000;
/** Entries that are remembered, at most: more than strangers can have under review at once, in the longest time of one. */
const MAX_KNOWN = 256;
/** Tokens that nobody knows yet cost calls to the API server, of which strangers get so many per second. */
const STRANGERS_PER_SECOND = 10;

const REFUSALS: Readonly<Record<Exclude<Access, "allowed"> | "busy", Answer>> = {
  unauthenticated: { status: 401, body: "Unauthorized: send a token of Kubernetes, Authorization: Bearer TOKEN\n" },
  forbidden: { status: 403, body: "Forbidden: this needs the verb get on the nonResourceURL of this path\n" },
  busy: { status: 429, body: "Too many unknown tokens: ask again later\n" },
};

/**
 * Lets only those read metrics whom the API server allows it, by the token that they send (controller-runtime:
 * WithAuthenticationAndAuthorization).
 *
 * Strangers cannot make it send more than a few requests to the API server, nor make it forget who is allowed.
 */
export class MetricsAccess {
  readonly #review: (token: string, path: string) => Promise<Access>;
  readonly #clock: Clock;
  readonly #strangers: TokenBucket;
  /** By a digest of token and path. Only what is being asked, or was allowed; the oldest first. */
  readonly #known = new Map<string, { at: number; access: Promise<Access> }>();

  constructor(review: (token: string, path: string) => Promise<Access>, clock: Clock = systemClock) {
    this.#review = review;
    this.#clock = clock;
    this.#strangers = new TokenBucket(STRANGERS_PER_SECOND, STRANGERS_PER_SECOND, clock);
  }

  /** The handler, for those who may. */
  guard(handler: Handler): Handler {
    return async (request) => {
      const { token, path } = request;
      const access = token === undefined ? "unauthenticated" : await this.#access(token, path);
      return access === "allowed" ? handler(request) : REFUSALS[access];
    };
  }

  async #access(token: string, path: string): Promise<Access | "busy"> {
    const key = createHash("sha256").update(`${path} ${token}`).digest("base64");
    const known = this.#known.get(key);
    const now = this.#clock.monotonic();
    if (known && now - known.at < FRESH_MS) return known.access;
    if (!known && !this.#strangers.tryTake()) return "busy";
    const access = this.#review(token, path);
    this.#remember(key, { at: now, access });
    const forget = (): void => {
      if (this.#known.get(key)?.access === access) this.#known.delete(key);
    };
    access.then((said) => {
      if (said !== "allowed") forget();
    }, forget);
    return access;
  }

  #remember(key: string, entry: { at: number; access: Promise<Access> }): void {
    this.#known.delete(key);
    for (const oldest of this.#known.keys()) if (this.#known.size >= MAX_KNOWN) this.#known.delete(oldest);
    this.#known.set(key, entry);
  }
}
