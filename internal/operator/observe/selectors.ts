/** Which selector of an Onload resource holds: a change of spec.selector holds once status.selector has it. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../../api/core.ts";

/** The labels that a node must have. */
export type NodeSelector = Readonly<Record<string, string>>;

/** The selectors of a resource. */
export interface Selectors {
  /** By this one nodes are chosen. */
  holding: NodeSelector;
  /** spec.selector, if it is another and does not hold yet. */
  next: NodeSelector | undefined;
  /** Whether `next` has been held back before; see status.selectorHeldBack. */
  isHeldBack: boolean;
}

/**
 * The selectors of a resource, as it was read.
 *
 * @returns undefined if it has none, or one that cannot be read
 */
export function selectorsOf({
  spec,
  status,
}: DeepReadonly<{ spec?: unknown; status?: unknown }>): Selectors | undefined {
  const { selector: wanted } = (spec ?? {}) as { selector?: unknown };
  const { selector: held, selectorHeldBack } = (status ?? {}) as { selector?: unknown; selectorHeldBack?: unknown };
  if (!isSelector(wanted)) return undefined;
  if (!isSelector(held) || isDeepStrictEqual(held, wanted))
    return { holding: wanted, next: undefined, isHeldBack: false };
  return { holding: held, next: wanted, isHeldBack: isDeepStrictEqual(selectorHeldBack, wanted) };
}

/** The CRD refuses any other selector, but an older CRD or none may have let one pass: it would select every node. */
function isSelector(selector: unknown): selector is NodeSelector {
  if (typeof selector !== "object" || selector === null || Array.isArray(selector)) return false;
  const values = Object.values(selector);
  return values.length > 0 && values.every((value) => typeof value === "string");
}
