/** What of the objects is kept in memory: only what is read, because a cluster has many and large ones. */
import type {
  AdmissionPolicy,
  CustomResourceDefinition,
  DaemonSet,
  JsonSchema,
  KubeObject,
  Node,
  Pod,
  ObjectMeta,
  PolicyBinding,
  Toleration,
} from "../../api/core.ts";
import {
  CURRENT_CONFIG_ANNOTATION,
  DESIRED_CONFIG_ANNOTATION,
  type MachineConfigPool,
  type PoolConfiguration,
} from "../../api/machine-config-pool.ts";
import type { Module, NodeModulesConfig } from "../../api/kmm.ts";
import {
  ALLOW_DELETION_ANNOTATION,
  FORCE_ANNOTATION,
  KMM_GROUP,
  KMM_IMAGE_OWNER_LABEL,
  KMM_MODULE_NAME_LABEL,
  KMM_ROLE_LABEL,
  KMM_WORKER_ACTION_LABEL,
  kmm1ModuleLoaderLabel,
  NOT_READY_TAINTS,
  objectLabels,
  ONLOAD_GROUP,
  ONLOAD_RESOURCE,
  PLUGIN_NAME_LABEL,
  TEMPLATE_ANNOTATION,
  VERSION_LABEL,
} from "../../api/names.ts";

type Meta = Node["metadata"];

const CONFIG_ANNOTATIONS: readonly string[] = [CURRENT_CONFIG_ANNOTATION, DESIRED_CONFIG_ANNOTATION];

/** A node: its labels and annotations, and what the rollout decides on. */
export function trimNode(node: Node): Node {
  const { conditions = [], allocatable, nodeInfo } = node.status ?? {};
  const ready = conditions.find(({ type }) => type === "Ready");
  const amount = allocatable?.[ONLOAD_RESOURCE];
  return {
    ...kind(node),
    metadata: { ...identity(node.metadata), labels: readLabels(node), annotations: ourAnnotations(node) },
    ...only("spec", cordonOf(node)),
    status: {
      conditions: ready
        ? [{ type: "Ready", status: ready.status, ...only("lastTransitionTime", ready.lastTransitionTime) }]
        : [],
      ...(amount === undefined ? {} : { allocatable: { [ONLOAD_RESOURCE]: amount } }),
      nodeInfo: {
        ...only("kernelVersion", nodeInfo?.kernelVersion),
        ...only("bootID", nodeInfo?.bootID),
        ...only("operatingSystem", nodeInfo?.operatingSystem),
      },
    },
  };
}

/** A namespace: whether its pods may be taken away by force, and whether it may be deleted. */
export function trimNamespace(namespace: KubeObject): KubeObject {
  const annotations = pick(namespace.metadata.annotations, [FORCE_ANNOTATION, ALLOW_DELETION_ANNOTATION]);
  return { ...kind(namespace), metadata: { ...identity(namespace.metadata), annotations } };
}

/** The binding of a policy: whether that policy is in force. */
export function trimPolicyBinding(binding: PolicyBinding): PolicyBinding {
  const { policyName, validationActions, matchResources } = binding.spec ?? {};
  return {
    ...kind(binding),
    metadata: identity(binding.metadata),
    spec: {
      ...only("policyName", policyName),
      ...only("validationActions", validationActions),
      ...only("matchResources", matchResources),
    },
  };
}

/** A policy: what it refuses, but not in which words. */
export function trimAdmissionPolicy(policy: AdmissionPolicy): AdmissionPolicy {
  const { failurePolicy, paramKind, matchConstraints, matchConditions, variables, validations } = policy.spec ?? {};
  return {
    ...kind(policy),
    metadata: identity(policy.metadata),
    spec: {
      ...only("failurePolicy", failurePolicy),
      ...only("paramKind", paramKind),
      ...only("matchConstraints", matchConstraints),
      ...only("matchConditions", matchConditions),
      ...only("variables", variables),
      ...only(
        "validations",
        validations?.map(({ expression }) => only("expression", expression)),
      ),
    },
  };
}

/** What keeps pods from the node, whatever its conditions are; undefined if nothing does. */
function cordonOf({ spec }: Node): Node["spec"] {
  const taints = (spec?.taints ?? [])
    .filter(({ key, effect }) => effect !== "PreferNoSchedule" && !NOT_READY_TAINTS.includes(key))
    .map(({ key, value, effect }) => ({ key, ...only("value", value), effect }));
  if (!spec?.unschedulable && taints.length === 0) return undefined;
  return { ...(spec?.unschedulable ? { unschedulable: true } : {}), ...(taints.length > 0 ? { taints } : {}) };
}

/** KMM 1.1's own bookkeeping comes and goes with each module and says nothing to us. */
function readLabels({ metadata: { labels = {} } }: Node): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([name]) => !name.startsWith("beta.kmm.node.kubernetes.io/")),
  );
}

/** Ours, and those that name the node's MachineConfigs on OpenShift. */
function ourAnnotations(node: Node): Record<string, string> {
  const entries = Object.entries(node.metadata.annotations ?? {});
  return Object.fromEntries(
    entries.filter(([name]) => name.startsWith(`${ONLOAD_GROUP}/`) || CONFIG_ANNOTATIONS.includes(name)),
  );
}

/** Labels of pods that are read. */
const READ_LABELS: ReadonlySet<string> = new Set([
  PLUGIN_NAME_LABEL,
  VERSION_LABEL,
  KMM_MODULE_NAME_LABEL,
  KMM_ROLE_LABEL,
  KMM_WORKER_ACTION_LABEL,
  KMM_IMAGE_OWNER_LABEL,
]);
/** How much of each is kept of a pod. Anybody may make pods with such labels, as large as the API server takes. */
const MAX_ITEMS = 100;
const MAX_TOLERATIONS = 200;
const MAX_IMAGE = 1000;
const MAX_SECRET_NAME = 253;
/** Of a longer message this many characters at each end are kept: what a hook has printed is at the end. */
const MESSAGE_END = 10_000;

/** With what KMM 1.1's labels of module loaders begin. */
const LOADER_LABEL = kmm1ModuleLoaderLabel("", "").replace(/[.]*$/, ".");

function podLabels({ metadata: { labels = {} } }: Pod): Record<string, string> {
  const read: Record<string, string> = {};
  let count = 0;
  for (const [name, value] of Object.entries(labels)) {
    if (!READ_LABELS.has(name) && !name.startsWith(LOADER_LABEL)) continue;
    if (++count > MAX_ITEMS) break;
    read[name] = value;
  }
  return read;
}

function first(entries: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  return entries && Object.fromEntries(Object.entries(entries).slice(0, MAX_ITEMS));
}

/** A pod of the plugin or of KMM: the labels that are read, and what the kubelet says of it. */
export function trimPod(pod: Pod): Pod {
  const { metadata } = pod;
  const template = metadata.annotations?.[TEMPLATE_ANNOTATION]?.slice(0, MAX_IMAGE);
  const trimmed: Meta = { ...identity(metadata), labels: podLabels(pod) };
  if (metadata.creationTimestamp !== undefined) trimmed.creationTimestamp = metadata.creationTimestamp;
  if (template !== undefined) trimmed.annotations = { [TEMPLATE_ANNOTATION]: template };
  return { ...kind(pod), metadata: trimmed, spec: podSpec(pod), status: podStatus(pod) };
}

function podSpec(pod: Pod): NonNullable<Pod["spec"]> {
  const spec: NonNullable<Pod["spec"]> = {};
  const nodeName = pod.spec?.nodeName ?? targetNode(pod);
  const nodeSelector = first(pod.spec?.nodeSelector);
  const imagePullSecrets = isPending(pod) ? pullSecrets(pod) : undefined;
  if (nodeName !== undefined) spec.nodeName = nodeName;
  if (nodeSelector !== undefined) spec.nodeSelector = nodeSelector;
  if (imagePullSecrets !== undefined) spec.imagePullSecrets = imagePullSecrets;
  return spec;
}

function podStatus(pod: Pod): NonNullable<Pod["status"]> {
  const status = pod.status ?? {};
  const { phase, reason } = status;
  const message = brief(status.message);
  const conditions = status.conditions ?? [];
  const ready = conditions.find(({ type }) => type === "Ready");
  const unscheduled = conditions.find((each) => each.type === "PodScheduled" && each.status === "False");
  const trimmed: NonNullable<Pod["status"]> = {};
  if (phase !== undefined) trimmed.phase = phase;
  if (reason !== undefined) trimmed.reason = reason;
  if (message !== undefined) trimmed.message = message;
  trimmed.conditions = [ready, unscheduled].filter((each) => each !== undefined);
  trimmed.containerStatuses = containers(status.containerStatuses);
  trimmed.initContainerStatuses = containers(status.initContainerStatuses);
  return trimmed;
}

function pullSecrets({ spec }: Pod): { name?: string }[] | undefined {
  return spec?.imagePullSecrets?.slice(0, MAX_ITEMS).map(({ name }) => only("name", name?.slice(0, MAX_SECRET_NAME)));
}

/** The kubelet's messages name what they are about, such as an image, whose name may be as long as one likes. */
function brief(message: string | undefined): string | undefined {
  if (message === undefined || message.length <= 2 * MESSAGE_END) return message;
  return `${message.slice(0, MESSAGE_END)} ... ${message.slice(-MESSAGE_END)}`;
}

/** Only such a pod may have an image that cannot be pulled. */
function isPending({ status }: Pod): boolean {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.some(({ state }) => state?.waiting);
}

/** The node that a DaemonSet's pod is for before it is scheduled (Kubernetes 1.17 and later, pkg/controller/daemon/util). */
function targetNode({ spec }: Pod): string | undefined {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const fields = terms.flatMap(({ matchFields = [] }) => matchFields);
  return fields.find(({ key, operator }) => key === "metadata.name" && operator === "In")?.values?.[0];
}

/** A pod by which KMM loads a module or looks for an image: also which image. */
export function trimPodWithImages(pod: Pod): Pod {
  const containers = (pod.spec?.containers ?? [])
    .slice(0, MAX_ITEMS)
    .map(({ name, image }) => ({ name, ...only("image", image?.slice(0, MAX_IMAGE)) }));
  const trimmed = trimPod(pod);
  return { ...trimmed, spec: { ...trimmed.spec, containers } };
}

type Statuses = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>;

/** Only containers that do not run, or have run before. */
function containers(statuses: Statuses | undefined): Statuses {
  const notable = (statuses ?? []).filter(
    ({ state, lastState }) => state?.waiting ?? state?.terminated ?? lastState?.terminated,
  );
  return notable.slice(0, MAX_ITEMS).map(({ name, state, lastState, restartCount }) => ({
    name,
    ...only("restartCount", restartCount),
    ...only("state", briefState(state)),
    ...only("lastState", briefState(lastState)),
  }));
}

function briefState(state: Statuses[number]["state"]): Statuses[number]["state"] {
  const { waiting, terminated } = state ?? {};
  return (
    state && {
      ...state,
      ...(waiting ? { waiting: { ...waiting, ...only("message", brief(waiting.message)) } } : {}),
      ...(terminated ? { terminated: { ...terminated, ...only("message", brief(terminated.message)) } } : {}),
    }
  );
}

/** Without the record of who set which field, which is larger than the rest, and without KMM's counts. */
export function trimModule(module: Module): Module {
  return { ...kind(module), metadata: withoutManagedFields(module.metadata), spec: module.spec };
}

/** Labels of a DaemonSet that are read. */
const DAEMON_SET_LABELS: readonly string[] = [
  ...Object.keys(objectLabels({ namespace: "", name: "" }, "device-plugin")),
  VERSION_LABEL,
];

/**
 * The template is compared by a digest; the API server's copy of it is not needed. Anybody may make DaemonSets with our
 * labels, too.
 */
export function trimDaemonSet(daemonSet: DaemonSet): DaemonSet {
  const { metadata, spec } = daemonSet;
  const { labels, annotations } = spec.template.metadata;
  const { tolerations } = spec.template.spec as { tolerations?: Toleration[] };
  const owners = metadata.ownerReferences?.filter(({ apiVersion }) => apiVersion.startsWith(`${ONLOAD_GROUP}/`));
  return {
    ...kind(daemonSet),
    metadata: {
      ...identity(metadata),
      ...only("generation", metadata.generation),
      ...openWay(metadata),
      labels: pick(metadata.labels, DAEMON_SET_LABELS),
      ...(owners?.length ? { ownerReferences: owners.slice(0, MAX_ITEMS) } : {}),
    },
    spec: {
      selector: { matchLabels: pick(spec.selector?.matchLabels, [PLUGIN_NAME_LABEL]) },
      template: {
        metadata: { labels: pick(labels, [VERSION_LABEL]), annotations: pick(annotations, [TEMPLATE_ANNOTATION]) },
        spec: { ...only("tolerations", tolerations?.slice(0, MAX_TOLERATIONS)) },
      },
    },
    status: { ...only("observedGeneration", daemonSet.status?.observedGeneration) },
  };
}

/** Whether a person has opened the way for the deletion of an object. */
function openWay({ annotations }: Meta): Pick<Meta, "annotations"> {
  const allowed = annotations?.[ALLOW_DELETION_ANNOTATION];
  return allowed === undefined ? {} : { annotations: { [ALLOW_DELETION_ANNOTATION]: allowed } };
}

/** The entries of these keys. */
export function pick<V>(entries: Readonly<Record<string, V>> | undefined, keys: readonly string[]): Record<string, V> {
  return Object.fromEntries(keys.flatMap((key) => (entries?.[key] === undefined ? [] : [[key, entries[key]]])));
}

/** A NodeModulesConfig of KMM 2: all of it but the metadata that nobody reads. */
export function trimNodeModulesConfig(nmc: NodeModulesConfig): NodeModulesConfig {
  return { ...nmc, metadata: { ...identity(nmc.metadata), ...openWay(nmc.metadata) } };
}

/** A CRD's schema, down to which fields there are. */
export function trimCrd(crd: CustomResourceDefinition): CustomResourceDefinition {
  const { group, scope, names, versions } = crd.spec;
  // Other groups' schemas are never looked at.
  const ours = group.endsWith(KMM_GROUP) || group === ONLOAD_GROUP;
  return {
    ...kind(crd),
    metadata: { ...identity(crd.metadata), ...openWay(crd.metadata) },
    spec: {
      group,
      scope,
      names: { kind: names.kind, plural: names.plural },
      versions: ours
        ? versions.map(({ name, served, storage, schema }) => ({
            name,
            served,
            storage,
            ...(schema?.openAPIV3Schema ? { schema: { openAPIV3Schema: fields(schema.openAPIV3Schema, 6) } } : {}),
          }))
        : [],
    },
  };
}

function fields(schema: JsonSchema, depth: number): JsonSchema {
  if (depth === 0) return {};
  const { properties, items } = schema;
  const entries = Object.entries(properties ?? {});
  return {
    ...(properties ? { properties: Object.fromEntries(entries.map(([k, v]) => [k, fields(v, depth - 1)])) } : {}),
    ...(items ? { items: fields(items, depth) } : {}),
  };
}

/** What an object is and how it is labelled: a MachineConfig has whole files in it. */
export function trimToLabels(object: KubeObject): KubeObject {
  return { ...kind(object), metadata: { ...identity(object.metadata), ...only("labels", object.metadata.labels) } };
}

/** A MachineConfigPool: its nodes, and the MachineConfigs that they have and get. */
export function trimPool(pool: MachineConfigPool): MachineConfigPool {
  const { nodeSelector, configuration } = pool.spec ?? {};
  return {
    ...kind(pool),
    metadata: identity(pool.metadata),
    spec: { ...only("nodeSelector", nodeSelector), ...configurationOf(configuration) },
    status: configurationOf(pool.status?.configuration),
  };
}

function configurationOf(configuration: PoolConfiguration | undefined): { configuration?: PoolConfiguration } {
  if (!configuration) return {};
  const source = (configuration.source ?? []).map(({ name }) => only("name", name));
  return { configuration: { ...only("name", configuration.name), source } };
}

/** Metadata less who manages which field. */
export function withoutManagedFields<M extends ObjectMeta>(metadata: M): M {
  const { managedFields: _, ...rest } = metadata;
  return rest as M;
}

function kind<T extends KubeObject>(object: T): Pick<T, "apiVersion" | "kind"> {
  return { apiVersion: object.apiVersion, kind: object.kind } as Pick<T, "apiVersion" | "kind">;
}

/** Who an object is, and whether it is about to go. */
export function identity({ name, namespace, uid, resourceVersion, deletionTimestamp }: Meta): Meta {
  const meta: Meta = { name };
  if (namespace !== undefined) meta.namespace = namespace;
  if (uid !== undefined) meta.uid = uid;
  if (resourceVersion !== undefined) meta.resourceVersion = resourceVersion;
  if (deletionTimestamp !== undefined) meta.deletionTimestamp = deletionTimestamp;
  return meta;
}

/** `{[key]: value}`, or nothing if there is no value. */
export function only<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
