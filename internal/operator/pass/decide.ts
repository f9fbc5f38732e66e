/** Stage 2 of a pass: the plan, and what may be done of it. */
import type { SeenNodes } from "../act/nodes.ts";
import { crdProblem } from "../observe/crd.ts";
import {
  cacheProblem,
  heldBackProblems,
  kernelProblem,
  KMM_MISSING,
  NO_IMAGE,
  type ResourceProblem,
} from "../observe/preflight.ts";
import { REASON } from "../../api/reasons.ts";
import { planFor, type Planned } from "../plan.ts";
import { isDue } from "../rollout/patch.ts";
import { beginRollback, type Rollback } from "../rollout/rollback.ts";
import { selectorChange, type SelectorChange } from "../rollout/selector-change.ts";
import type { PassDeps } from "./deps.ts";
import type { Gathered } from "./gather.ts";
import type { ResourceSession } from "./session.ts";

/** What to do in a pass. */
export interface Decision {
  planned: Planned;
  /** The rollback to begin: its next plan is another one, so that nothing else is done. */
  rollback: Rollback | undefined;
  problems: readonly ResourceProblem[];
  /** What becomes of a change of spec.selector. */
  selector: SelectorChange;
  /** Whether nodes and objects are touched. */
  works: boolean;
  /** Whether nodes that serve may be taken out of service. */
  starts: boolean;
  seen: SeenNodes;
  /** When the plan was made, in milliseconds since the epoch: the whole pass goes by it. */
  now: number;
  planMs: number;
}

/** Plans. It reads the caches at one moment: nothing is awaited. */
export function decide(deps: PassDeps, gathered: Gathered, session: ResourceSession): Decision {
  const { caches, pods, environment, monotonic } = deps;
  const { onload, deleting, invalid, account } = gathered;
  const { evictions, failureLogs, refusedPods } = session;
  const collected = {
    pods,
    refusals: evictions.refusals,
    podRefusals: refusedPods.refusals,
    unanswered: session.unanswered.nodes(caches.nodes.store),
    failureLogs,
  };
  const began = monotonic();
  const now = deps.now();
  const clockSetAt = session.clock.look(now, began);
  const planned = planFor({ caches, collected, environment, clockSetAt }, onload, now, session.plan);
  const planMs = monotonic() - began;
  const { kmm, plan, live } = planned;
  const outdated = deps.outdated();
  // A failure may be over, and a node may be at another step by now.
  const isKnown = outdated === undefined;
  const oldCrd = session.crd.get(`${caches.crds.store.revision}`, () => crdProblem(caches));
  const { problem: rival } = deps.standing(onload.metadata.namespace ?? "");
  const selector = selectorChange(onload, plan.nodes, planned.policy.maxUnavailable, isKnown);
  const rollback = kmm.installed && isKnown ? beginRollback(onload, plan, now) : undefined;
  return {
    planned,
    rollback,
    problems: [
      ...(outdated === undefined ? [] : [cacheProblem(outdated)]),
      ...(rival ? [rival] : []),
      ...(oldCrd ? [oldCrd] : []),
      ...(deleting ? [] : [...problemsOf(gathered, planned), ...selectorProblems(selector)]),
    ],
    selector,
    works: rollback === undefined && invalid === undefined && isKnown,
    // Without its ServiceAccount no pod could take the place of one that goes.
    starts: live.daemonSet !== undefined && account?.reason !== REASON.ServiceAccountMissing,
    seen: new Map(
      plan.nodes.filter(isDue).flatMap(({ facts }) => entryOf(facts.name, caches.nodes.store.get(facts.name))),
    ),
    now,
    planMs,
  };
}

/** What is wrong with the whole resource, worst first. */
function problemsOf({ invalid, account }: Gathered, { kmm, desired, stop }: Planned): ResourceProblem[] {
  const first = invalid ? [invalid] : [];
  if (!kmm.installed) return [...first, KMM_MISSING];
  return [
    ...first,
    ...(stop ? [kernelProblem(stop)] : []),
    ...(desired?.daemonSet ? [] : [NO_IMAGE]),
    ...(account ? [account] : []),
    ...heldBackProblems(desired?.heldBack ?? []),
  ];
}

function selectorProblems({ heldBack }: SelectorChange): ResourceProblem[] {
  return heldBack === undefined ? [] : [{ reason: REASON.ChangeHeldBack, message: `Held back: ${heldBack}` }];
}

function entryOf<T>(name: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[name, value]];
}
