/** Kinds that only this layer reads and writes; the others are in internal/api. */
import type { KubeObject } from "./object.ts";

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

/** events.k8s.io/v1. */
export interface Event extends KubeObject {
  eventTime?: string;
  type?: "Normal" | "Warning";
  reason?: string;
  action?: string;
  note?: string;
  regarding?: ObjectReference;
  related?: ObjectReference;
  reportingController?: string;
  reportingInstance?: string;
  /** Set once the same event came again. */
  series?: { count: number; lastObservedTime: string };
}
