/** Kinds that only this layer reads and writes; the others are in internal/api. */
import type { KubeObject } from "../api/core.ts";

/** coordination.k8s.io/v1. Times are RFC 3339 with microseconds. */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** Which object something is about (core/v1 ObjectReference). */
export interface ObjectReference {
  apiVersion?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  resourceVersion?: string;
}

/** An Event as core/v1 has it; the API server gives the same one as events.k8s.io/v1. */
export interface Event extends KubeObject {
  eventTime?: string;
  /** What `kubectl describe` sorts by. events.k8s.io/v1 refuses it, so that its events come in any order there. */
  lastTimestamp?: string;
  firstTimestamp?: string;
  count?: number;
  type?: "Normal" | "Warning";
  reason?: string;
  action?: string;
  message?: string;
  involvedObject?: ObjectReference;
  related?: ObjectReference;
  reportingComponent?: string;
  reportingInstance?: string;
  /** Set once the event has repeated. */
  series?: { count: number; lastObservedTime: string };
}
