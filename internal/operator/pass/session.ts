import { EvictionLog } from "../act/evict.ts";
import type { AppliedObjects } from "../act/objects.ts";
import { PatchGuard } from "../act/patch-guard.ts";
import { UnansweredPatches } from "../act/unanswered-patches.ts";
import { Memo } from "../memo.ts";
import { ClockWatch } from "./clock-watch.ts";
import { Persistence } from "./persistence.ts";
import { FailureLogs } from "../observe/failure-logs.ts";
import { RefusedPods } from "../observe/refused-pods.ts";
import { ServiceAccountCheck, type ReadOnload, type ResourceProblem } from "../observe/preflight.ts";
import { PlanMemo } from "../plan.ts";
import type { PreviousNodes } from "../report/events.ts";
import type { WrittenStatus } from "../report/status.ts";

/** What the operator's process remembers of one Onload resource. None of it is state: it can be lost at any time. */
export class ResourceSession implements WrittenStatus {
  /** A resource that is deleted and made again has another uid, and another session. */
  readonly uid: string | undefined;
  readonly read = new Memo<ReadOnload>();
  /** What is wrong with the CRD of Onload resources, by the revision of the CRDs. */
  readonly crd = new Memo<ResourceProblem | undefined>();
  readonly account = new ServiceAccountCheck();
  readonly plan = new PlanMemo();
  readonly clock: ClockWatch;
  readonly applied: AppliedObjects = new Map();
  readonly evictions = new EvictionLog();
  readonly patches = new PatchGuard();
  readonly unanswered = new UnansweredPatches();
  readonly failureLogs = new FailureLogs();
  readonly refusedPods = new RefusedPods();
  /** Nodes whose pods are known on behalf of this resource. */
  readonly inspected = new Set<string>();
  /** undefined before the first plan. */
  previousNodes: PreviousNodes | undefined;
  /** Whether steps fail. */
  readonly failing = new Persistence();
  /** Whether the status cannot be written, and whether that was told. */
  readonly statusFailing = new Persistence();
  statusFailureTold = false;
  statusWrittenAt: number | undefined;
  conditionsWritten: readonly string[] | undefined;
  statusOvertaken: Error | undefined;

  /** @param absence see ClockWatch */
  constructor(uid: string | undefined, absence: number | undefined) {
    this.uid = uid;
    this.clock = new ClockWatch(absence);
  }
}
