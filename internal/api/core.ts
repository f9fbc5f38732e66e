/**
 * Kubernetes objects as the API server sends them, reduced to the fields that onloadctl reads or writes.
 *
 * These are descriptions of raw JSON, not classes: unknown fields survive a round trip, and nothing is converted.
 * Facts: the Kubernetes API reference of core/v1, apps/v1, policy/v1, apiextensions.k8s.io/v1.
 */

/** A value that its reader must not change, at any depth: everything that a store hands out. */
export type DeepReadonly<T> = T extends (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** Metadata that every object has. Times are RFC 3339 strings. */
export interface ObjectMeta {
  name: string;
  /** Absent on cluster-scoped objects. */
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
}

/** Who owns an object: deleted together with its owner. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Which fields a manager has set, as the API server keeps it for server-side apply. */
export interface ManagedFieldsEntry {
  manager?: string;
  operation?: "Apply" | "Update";
  apiVersion?: string;
  subresource?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
}

/** Any object of the API. Items of a list may lack `apiVersion` and `kind`. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** A condition as Kubernetes' own resources and ours write it (metav1.Condition). */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  /** CamelCase, one of a known set: see reasons.ts for ours. */
  reason: string;
  message: string;
  /** Changes only when `status` does. */
  lastTransitionTime: string;
  observedGeneration?: number;
}

/** A reference to an object of the same namespace. */
export interface LocalObjectReference {
  name?: string;
}

/** A toleration of a node's taint (core/v1). */
export interface Toleration {
  key?: string;
  operator?: "Exists" | "Equal";
  value?: string;
  effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  tolerationSeconds?: number;
}

/** A taint on a node. */
export interface Taint {
  key: string;
  value?: string;
  effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  timeAdded?: string;
}

/** Amounts of resources by name; each a quantity such as "100m", "64Mi" or 1. */
export type ResourceList = Record<string, string | number>;

/** What a container asks for and may use at most. */
export interface ResourceRequirements {
  requests?: ResourceList;
  limits?: ResourceList;
}

/** A node, as far as it is read. */
export interface Node extends KubeObject {
  kind: "Node";
  spec?: { unschedulable?: boolean; taints?: Taint[]; providerID?: string };
  status?: {
    conditions?: { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }[];
    allocatable?: ResourceList;
    capacity?: ResourceList;
    nodeInfo?: { kernelVersion?: string; bootID?: string; architecture?: string; operatingSystem?: string };
  };
}

/** Where a variable's value is from, unless it is there itself. */
export interface EnvSource extends LocalObjectReference {
  key?: string;
  optional?: boolean;
}

/** A variable of a container's environment. */
export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: { configMapKeyRef?: EnvSource; [other: string]: unknown };
}

/** A container of a pod, as far as it is read. */
export interface Container {
  name: string;
  image?: string;
  resources?: ResourceRequirements;
  env?: EnvVar[];
  envFrom?: { prefix?: string; configMapRef?: EnvSource; secretRef?: EnvSource }[];
  /** "Always" on an init container makes it a sidecar, which holds its resources for the pod's whole life. */
  restartPolicy?: string;
}

/** What the kubelet says of a container. */
export interface ContainerStatus {
  name: string;
  ready?: boolean;
  started?: boolean;
  restartCount?: number;
  image?: string;
  imageID?: string;
  containerID?: string;
  state?: ContainerState;
  lastState?: ContainerState;
}

/** Exactly one member is set. */
export interface ContainerState {
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: { exitCode: number; reason?: string; message?: string; finishedAt?: string };
}

/** A pod, as far as it is read. */
export interface Pod extends KubeObject {
  kind: "Pod";
  spec?: {
    nodeName?: string;
    nodeSelector?: Record<string, string>;
    affinity?: {
      nodeAffinity?: {
        requiredDuringSchedulingIgnoredDuringExecution?: {
          nodeSelectorTerms?: { matchFields?: { key: string; operator: string; values?: string[] }[] }[];
        };
      };
    };
    containers?: Container[];
    initContainers?: Container[];
    terminationGracePeriodSeconds?: number;
    priorityClassName?: string;
    /** Absent: the node's default runtime. */
    runtimeClassName?: string;
    schedulerName?: string;
    imagePullSecrets?: { name?: string }[];
    serviceAccountName?: string;
  };
  status?: {
    phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
    reason?: string;
    message?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
  };
}

/** A DaemonSet. The pod template is kept as it is sent: it is written by us and compared as a whole. */
export interface DaemonSet extends KubeObject {
  kind: "DaemonSet";
  spec: {
    selector: { matchLabels: Record<string, string> };
    updateStrategy?: { type: "OnDelete" | "RollingUpdate" };
    template: { metadata: { labels: Record<string, string>; annotations?: Record<string, string> }; spec: object };
  };
  status?: {
    observedGeneration?: number;
    desiredNumberScheduled?: number;
    currentNumberScheduled?: number;
    numberReady?: number;
    numberMisscheduled?: number;
  };
}

/** A Deployment, as far as it is read. */
export interface Deployment extends KubeObject {
  kind: "Deployment";
  spec?: {
    replicas?: number;
    template?: {
      spec?: {
        serviceAccountName?: string;
        initContainers?: Container[];
        containers?: (Container & { args?: string[] })[];
      };
    };
  };
  /** `replicas` are the pods that there are; a pod that is ending is none of them. */
  status?: {
    replicas?: number;
    readyReplicas?: number;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
}

/** A PodDisruptionBudget, as far as it is read to say which budget holds a pod back. */
export interface PodDisruptionBudget extends KubeObject {
  kind: "PodDisruptionBudget";
  spec?: { selector?: LabelSelector; minAvailable?: number | string; maxUnavailable?: number | string };
  status?: { disruptionsAllowed?: number; currentHealthy?: number; desiredHealthy?: number; expectedPods?: number };
}

/** A selector over labels; all parts must match. */
export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: "In" | "NotIn" | "Exists" | "DoesNotExist"; values?: string[] }[];
}

/** A CustomResourceDefinition, as far as its schema and readiness are read. */
export interface CustomResourceDefinition extends KubeObject {
  kind: "CustomResourceDefinition";
  spec: {
    group: string;
    scope: "Namespaced" | "Cluster";
    names: { kind: string; plural: string; [field: string]: unknown };
    versions: {
      name: string;
      served: boolean;
      storage: boolean;
      schema?: { openAPIV3Schema?: JsonSchema };
      [field: string]: unknown;
    }[];
  };
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** A structural schema, as far as it is walked. */
export interface JsonSchema {
  type?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  [keyword: string]: unknown;
}

/** A ValidatingAdmissionPolicy, as far as it says what is refused. */
export interface AdmissionPolicy extends KubeObject {
  spec?: {
    failurePolicy?: string;
    paramKind?: object;
    matchConstraints?: PolicyMatch;
    matchConditions?: { name?: string; expression?: string }[];
    variables?: { name?: string; expression?: string }[];
    validations?: { expression?: string }[];
  };
}

/** Which requests a policy is asked about. */
export interface PolicyMatch {
  resourceRules?: PolicyRule[];
  excludeResourceRules?: PolicyRule[];
  namespaceSelector?: object;
  objectSelector?: object;
  matchPolicy?: string;
}

export interface PolicyRule {
  apiGroups?: string[];
  apiVersions?: string[];
  operations?: string[];
  resources?: string[];
  resourceNames?: string[];
  scope?: string;
}

/** The binding of a ValidatingAdmissionPolicy, as far as it says whether the policy is in force everywhere. */
export interface PolicyBinding extends KubeObject {
  spec?: {
    policyName?: string;
    validationActions?: string[];
    /** Limits where the policy is in force. */
    matchResources?: object;
  };
}
