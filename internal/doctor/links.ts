/** The links of the chain from a pod's request to its packets. */
import type { Result } from "../check/findings.ts";

/** In the order in which one needs the other. */
export type LinkName =
  | "requested"
  | "scheduled"
  | "admitted"
  | "node"
  | "versions"
  | "devices"
  | "plugin"
  | "control plane"
  | "NICs"
  | "pods"
  | "library"
  | "interface"
  | "stacks"
  | "sockets"
  | "filters"
  | "counters"
  | "settings";

/** ok; warning: it works, and something is to be known; failed: the chain is broken here; unknown. */
export type Verdict = Result;

/** One link as it was found. */
export interface Link {
  link: LinkName;
  verdict: Verdict;
  /** What was seen. Parts of it may be texts of others. */
  seen: string;
  /** What to do about it; "" if nothing. */
  todo: string;
}

/** Makes a link of that name. */
export function linkOf(link: LinkName): (verdict: Verdict, seen: string, todo?: string) => Link {
  return (verdict, seen, todo = "") => ({ link, verdict, seen, todo });
}

const ORDER: readonly Verdict[] = ["failed", "warning", "unknown", "ok"];

/** The first of the worst links; undefined if all are ok. */
export function worstLink(links: readonly Link[]): Link | undefined {
  const worst = ORDER.find((verdict) => links.some((link) => link.verdict === verdict)) ?? "ok";
  return worst === "ok" ? undefined : links.find(({ verdict }) => verdict === worst);
}

/** The worst of some verdicts, which is ok if there are none. */
export function worstVerdict(verdicts: readonly Verdict[]): Verdict {
  return ORDER.find((verdict) => verdicts.includes(verdict)) ?? "ok";
}
