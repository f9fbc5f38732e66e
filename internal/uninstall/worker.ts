/** Who cleans the nodes: the operator, or this process in its place. Pure. */
import { isUnserved, remedyOf, type Serving } from "../operator/view/serving.ts";

/** Who cleans the nodes. */
export interface Worker {
  who: "operator" | "this" | "nobody";
  /** Why, in one sentence; for "nobody" with what to do. */
  why: string;
}

/** Decides who cleans the nodes. The Lease sees to it that two never act. */
export function workerFor(serving: Serving): Worker {
  if (serving.state === "acts") return { who: "operator", why: serving.message };
  if (!isUnserved(serving)) return { who: "nobody", why: serving.message };
  // It holds the Lease by which this process would act.
  if (serving.elsewhere) return { who: "nobody", why: `${serving.message}; ${remedyOf(serving)}` };
  if (serving.elected) return { who: "this", why: serving.message };
  return {
    who: "nobody",
    why: `${serving.message}; its Deployment runs without --leader-elect, so that it could come back and act at the same time: scale it to zero, and run this command again`,
  };
}
