import type { Condition, KubeObject, ObjectMeta } from "./object.ts";

/**
 * The core kinds that we read, each with the fields that we use and no more: an object that is written back goes
 * through server-side apply or a patch, so what is not named here is never lost.
 */

export interface Taint {
  key: string;
  value?: string;
  effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

export interface Toleration {
  key?: string;
  operator?: "Exists" | "Equal";
  value?: string;
  effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  tolerationSeconds?: number;
}

export interface Node extends KubeObject {
  spec?: { unschedulable?: boolean; taints?: Taint[] };
  status?: {
    conditions?: Condition[];
    allocatable?: Record<string, string>;
    capacity?: Record<string, string>;
    nodeInfo?: {
      kernelVersion?: string;
      architecture?: string;
      kubeletVersion?: string;
      osImage?: string;
      bootID?: string;
    };
  };
}

export interface ResourceRequirements {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

export interface Container {
  name: string;
  image?: string;
  resources?: ResourceRequirements;
}

export interface ContainerStatus {
  name: string;
  ready?: boolean;
  restartCount?: number;
  image?: string;
  state?: ContainerState;
  lastState?: ContainerState;
}

export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { exitCode?: number; reason?: string; message?: string; finishedAt?: string };
}

export interface Pod extends KubeObject {
  spec?: {
    nodeName?: string;
    containers?: Container[];
    initContainers?: Container[];
    serviceAccountName?: string;
  };
  status?: {
    phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
    reason?: string;
    message?: string;
    conditions?: Condition[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: "In" | "NotIn" | "Exists" | "DoesNotExist"; values?: string[] }[];
}

export interface DaemonSet extends KubeObject {
  spec?: {
    selector?: LabelSelector;
    updateStrategy?: { type?: "OnDelete" | "RollingUpdate" };
    template?: { metadata?: Partial<ObjectMeta>; spec?: Record<string, unknown> };
  };
  status?: {
    observedGeneration?: number;
    desiredNumberScheduled?: number;
    currentNumberScheduled?: number;
    numberReady?: number;
    updatedNumberScheduled?: number;
    numberMisscheduled?: number;
  };
}

export interface PodDisruptionBudget extends KubeObject {
  spec?: { selector?: LabelSelector; minAvailable?: number | string; maxUnavailable?: number | string };
  status?: { disruptionsAllowed?: number; currentHealthy?: number; desiredHealthy?: number };
}

export interface CustomResourceDefinition extends KubeObject {
  spec?: {
    group?: string;
    names?: { kind?: string; plural?: string };
    versions?: { name: string; served?: boolean; schema?: { openAPIV3Schema?: JsonSchema } }[];
  };
  status?: { conditions?: Condition[] };
}

/** The part of an OpenAPI schema that tells which fields exist. */
export interface JsonSchema {
  type?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
}

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

/** The condition of a type, if it is there. */
export function findCondition<C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether a pod or node says that it is Ready. */
export function isReady(object: {
  readonly status?: { readonly conditions?: readonly Pick<Condition, "type" | "status">[] };
}): boolean {
  return findCondition(object.status?.conditions, "Ready")?.status === "True";
}
