/** Whether an operator acts, from its Lease and its Deployment. Pure. */
import { firstFew } from "../../cli/first-few.ts";
import { printable } from "../../cli/printable.ts";
import { formatAge } from "../../cli/table.ts";
import type { DeepReadonly, Deployment } from "../../api/core.ts";
import { LEASE_NAME, OPERATOR_SELECTOR, OPERATOR_SERVICE_ACCOUNT } from "../../api/names.ts";
import { isNamespaceName } from "../../cli/values.ts";
import type { Lease } from "../../kube/kinds.ts";
import { covers, identityOf, scopeOf, type Scope } from "../../kube/lease-holder.ts";
import { parseTime } from "../../kube/times.ts";
import { remedyForOperator } from "../observe/refusal-remedy.ts";
import { replicaFailure } from "./replica-failure.ts";

/**
 * acts: somebody holds the Lease, or serves without one. silent: there was an operator, and it does not act. none: there
 * is no trace of one. unknown: it cannot be told.
 */
export type ServingState = "acts" | "silent" | "none" | "unknown";

/** Whether an operator acts. */
export interface Serving {
  state: ServingState;
  /** What was seen, in one sentence; without what to do. */
  message: string;
  /** The Deployment that is scaled to zero, if that is why nobody acts: NAMESPACE/NAME. */
  scaledToZero?: string;
  /** What to do about the refusal of the Deployment's pods, if that is why nobody acts. */
  refusalRemedy?: string;
  /** Whether an operator that acts, or that may come back, takes part in the leader election. */
  elected: boolean;
  /** Operators act, but for other namespaces alone. */
  elsewhere?: true;
}

/** What could be read of one kind. */
export interface Found<T> {
  items: readonly T[];
  /** Why there may be more than `items`; undefined if these are all. */
  problem: string | undefined;
}

/** What tells of an operator. */
export interface OperatorEvidence {
  /** Leases with the operator's name. */
  leases: Found<Lease>;
  /** Deployments with the operator's labels. */
  deployments: Found<Deployment>;
  /** Namespaces of those in which no operator may run: what says there that one acts was made by somebody else. */
  barred?: ReadonlySet<string>;
  /** Why that is not known of the others; undefined if it is, or if nobody else can make such objects. */
  doubt?: string | undefined;
}

/**
 * A Lease counts as renewed for this long beyond its duration: a restarted operator may need that long, and the clocks
 * of its node and of this machine are never quite the same.
 */
export const LEASE_MARGIN_MS = 45_000;
/** Duration of a Lease that does not say (client-go's default, and ours). */
const DEFAULT_DURATION_S = 15;

type Age = { lease: DeepReadonly<Lease>; ageMs: number };

/**
 * Whether an operator acts.
 *
 * @param namespaces of the resources that it is about: the worst that is so of any of them. Empty: whether any operator acts
 */
export function servingOf(evidence: OperatorEvidence, now: number, namespaces: Iterable<string> = []): Serving {
  const all = [...new Set(namespaces)].map((namespace) => servingIn(evidence, now, namespace));
  const worst = WORST_FIRST.flatMap((state) => all.filter((each) => each.state === state))[0];
  return worst ? { ...worst, elected: all.every(({ elected }) => elected) } : servingAnywhere(evidence, now);
}

const WORST_FIRST: readonly ServingState[] = ["none", "silent", "unknown", "acts"];

/** Whether an operator acts for the resources of a namespace. */
function servingIn(evidence: OperatorEvidence, now: number, namespace: string): Serving {
  const covering = coveringOnly(evidence, namespace);
  const serving = servingAnywhere(covering, now);
  if (serving.state !== "none") return serving;
  const others = servingAnywhere(evidence, now);
  if (others.state === "none") return others;
  const message = `No operator acts for namespace "${namespace}": ${others.message}, but not for that namespace`;
  return { state: "silent", message, elected: true, elsewhere: true };
}

function coveringOnly(evidence: OperatorEvidence, namespace: string): OperatorEvidence {
  const { leases, deployments } = evidence;
  return {
    ...evidence,
    leases: { ...leases, items: leases.items.filter((each) => covers(scopeOf(each), namespace)) },
    deployments: { ...deployments, items: deployments.items.filter((each) => covers(flagScope(each), namespace)) },
  };
}

/**
 * What a person has to know if two operators act for a namespace; undefined if it is one at most.
 *
 * @param now milliseconds since the epoch
 */
export function rivalsText(evidence: OperatorEvidence, now: number, namespace: string): string | undefined {
  const { leases } = coveringOnly(evidence, namespace);
  const held = leases.items.filter((lease) => identityOf(lease) !== "" && mayBeTrue(lease, evidence));
  // An operator that has ended a moment ago is no second one.
  const live = held.filter((lease) => ageOf(lease, now).some(({ ageMs }) => Math.abs(ageMs) <= durationOf(lease)));
  if (live.length < 2) return undefined;
  const names = firstFew(live, 3, (lease) => `${printable(identityOf(lease), 100)} holds ${nameOf(lease)}`);
  return `${live.length} operators have namespace "${namespace}": ${names}; only that of the oldest Lease acts, unless another is the original or of an earlier version: remove all but one, or give them different namespaces by --watch-namespaces`;
}

/** Whether an operator acts for any namespace. */
function servingAnywhere(evidence: OperatorEvidence, now: number): Serving {
  const serving = judge(evidence, now);
  const { message, state } = serving;
  if (state === "acts") {
    const { doubt } = evidence;
    return doubt === undefined
      ? serving
      : { ...serving, message: `${message}, unless somebody else made that: ${doubt}` };
  }
  const { leases, deployments } = evidence;
  const [forged] = [...leases.items, ...deployments.items].filter((each) => !mayBeTrue(each, evidence));
  if (!forged) return serving;
  const { namespace, name } = forged.metadata;
  const why = `ServiceAccount "${OPERATOR_SERVICE_ACCOUNT}" of that namespace may not do an operator's work`;
  return { ...serving, message: `${message}; "${namespace}/${name}" does not count, because ${why}` };
}

/** Whether an object can be an operator's. */
function mayBeTrue({ metadata }: DeepReadonly<Lease | Deployment>, { barred }: OperatorEvidence): boolean {
  return barred?.has(metadata.namespace ?? "") !== true;
}

function judge(evidence: OperatorEvidence, now: number): Serving {
  const { leases, deployments } = evidence;
  const ages = leases.items
    .filter((each) => mayBeTrue(each, evidence))
    .flatMap((lease) => ageOf(lease, now))
    .toSorted((a, b) => a.ageMs - b.ageMs);
  const renewed = ages.filter(isRenewed);
  const held = renewed.find(({ lease }) => identityOf(lease) !== "");
  if (held) return { state: "acts", message: `The operator holds ${nameOf(held.lease)}`, elected: true };
  // An operator that restarts, or another replica, takes it in a moment.
  const [released] = renewed;
  if (released && (deployments.problem !== undefined || deployments.items.some(mayRun))) {
    return { state: "acts", message: `${nameOf(released.lease)} was released just now`, elected: true };
  }
  // It renews no Lease, so that an old one is that of an operator before it.
  const runs = deployments.items.filter((each) => readyReplicas(each) > 0 && mayBeTrue(each, evidence));
  const unelected = runs.find((each) => !electsLeader(each));
  if (unelected) {
    return { state: "acts", message: `${deploymentName(unelected)} is ready, without a Lease`, elected: false };
  }
  const elected = !deployments.items.some((each) => mayRun(each) && !electsLeader(each));
  const last = ages.at(0);
  if (last && last.ageMs < 0) {
    const message = `${nameOf(last.lease)} was renewed ${formatAge(-last.ageMs)} in the future: compare the clock of this machine with the operator's`;
    return { state: "unknown", message, elected };
  }
  const why = whyNotRunning(deployments);
  if (last) {
    const message = `No operator acts: ${lastSeen(last)}; ${deploymentText(deployments)}`;
    return { state: "silent", message, elected, ...why };
  }
  if (leases.problem !== undefined) {
    return { state: "unknown", message: `Whether an operator acts is unknown: ${leases.problem}`, elected };
  }
  const [ready] = runs;
  if (ready) return { state: "acts", message: `${deploymentName(ready)} is ready`, elected: true };
  if (deployments.items.length > 0) {
    return { state: "silent", message: `No operator acts: ${deploymentText(deployments)}`, elected, ...why };
  }
  if (deployments.problem !== undefined) {
    return { state: "unknown", message: `Whether an operator acts is unknown: ${deployments.problem}`, elected };
  }
  const message = `No operator found: there is no Lease "${LEASE_NAME}" and no Deployment with the labels ${OPERATOR_SELECTOR}`;
  return { state: "none", message, elected: true };
}

/** `IMAGE (Deployment "NAMESPACE/NAME")` of every operator that is installed. */
export function operatorImages({ deployments }: Pick<OperatorEvidence, "deployments">): string[] {
  return deployments.items.flatMap((deployment) => {
    const containers = deployment.spec?.template?.spec?.containers ?? [];
    return containers.slice(0, 1).map(({ image = "" }) => imageText(deployment, image));
  });
}

/** `IMAGE (Deployment "NAMESPACE/NAME")` of an image of a Deployment. */
export function imageText(deployment: DeepReadonly<Deployment>, image: string): string {
  return `${printable(image, 300)} (${deploymentName(deployment)})`;
}

/** What a person can do if no operator acts; "" if there is nothing to do. */
export function remedyOf({
  state,
  elsewhere,
  scaledToZero: deployment,
  refusalRemedy,
}: Pick<Serving, "state" | "elsewhere" | "scaledToZero" | "refusalRemedy">): string {
  if (state === "none") return "install it, or remove what is left with `onloadctl uninstall`";
  if (state !== "silent") return "";
  if (elsewhere) return "start one with that namespace in --watch-namespaces, or without that flag";
  if (deployment !== undefined) {
    const [namespace, name] = deployment.split("/");
    return `start it: kubectl scale deployment ${name} -n ${namespace} --replicas=1`;
  }
  if (refusalRemedy !== undefined) return refusalRemedy;
  return "see `kubectl describe` and `kubectl logs` of its pods, or install it again; to remove Onload, run `onloadctl uninstall`";
}

/** Whether nobody acts, as far as can be told. */
export function isUnserved({ state }: Pick<Serving, "state">): boolean {
  return state === "silent" || state === "none";
}

/** Whether the pods of a Deployment act only while they hold the Lease. */
export function electsLeader(deployment: DeepReadonly<Deployment>): boolean {
  return argsOf(deployment).some((arg) => /^--?leader-elect(=true)?$/.test(arg));
}

/** The namespaces that a Deployment's operator has, by its flag. What cannot be read may be any. */
function flagScope(deployment: DeepReadonly<Deployment>): Scope {
  const namespaces = (flagOf(deployment, "watch-namespaces") ?? "").split(",").map((each) => each.trim());
  return namespaces.every(isNamespaceName) ? namespaces : [];
}

/** The value of a flag of a Deployment's operator, as it is written there; undefined if it is not given. */
export function flagOf(deployment: DeepReadonly<Deployment>, name: string): string | undefined {
  const args = argsOf(deployment);
  const flag = `--${name}`;
  const at = args.findLastIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  const arg = args[at];
  return arg === flag ? (args[at + 1] ?? "") : arg?.slice(flag.length + 1);
}

function argsOf({ spec }: DeepReadonly<Deployment>): string[] {
  return (spec?.template?.spec?.containers ?? []).flatMap((container) => container.args ?? []);
}

function ageOf(lease: DeepReadonly<Lease>, now: number): Age[] {
  const renewed = parseTime(lease.spec?.renewTime);
  return renewed === undefined ? [] : [{ lease, ageMs: now - renewed }];
}

function isRenewed({ lease, ageMs }: Age): boolean {
  return Math.abs(ageMs) <= durationOf(lease) + LEASE_MARGIN_MS;
}

function durationOf({ spec }: DeepReadonly<Lease>): number {
  return (spec?.leaseDurationSeconds ?? DEFAULT_DURATION_S) * 1000;
}

function nameOf({ metadata }: DeepReadonly<Lease>): string {
  return `Lease "${metadata.namespace}/${metadata.name}"`;
}

function lastSeen({ lease, ageMs }: Age): string {
  const holder = printable(identityOf(lease), 100);
  const ago = `${formatAge(ageMs)} ago`;
  return holder === ""
    ? `${nameOf(lease)} was released ${ago} and nobody has taken it`
    : `${nameOf(lease)} was renewed ${ago}, by ${holder}`;
}

/** Why no pod of a Deployment runs, as far as a person can do something about it. */
function whyNotRunning({ items }: Found<Deployment>): Pick<Serving, "scaledToZero" | "refusalRemedy"> {
  const [first] = items;
  if (!first) return {};
  const { namespace = "", name } = first.metadata;
  if (!items.some(mayRun)) return { scaledToZero: `${namespace}/${name}` };
  const refusal = replicaFailure(first);
  return refusal === undefined ? {} : { refusalRemedy: remedyForOperator(refusal, { namespace, name }) };
}

function deploymentText({ items, problem }: Found<Deployment>): string {
  const [first] = items;
  if (!first) return problem === undefined ? "its Deployment is gone" : "its Deployment cannot be read";
  const ready = items.find((each) => readyReplicas(each) > 0);
  if (ready) return `${deploymentName(ready)} is ready, but does not renew the Lease`;
  if (first.spec?.replicas === 0) return `${deploymentName(first)} is scaled to zero`;
  const refusal = replicaFailure(first);
  const why = refusal === undefined ? "" : `, because its pods are refused: ${refusal}`;
  return `${deploymentName(first)} has no ready replica${why}`;
}

function deploymentName({ metadata }: DeepReadonly<Deployment>): string {
  return `Deployment "${metadata.namespace}/${metadata.name}"`;
}

function readyReplicas({ status }: DeepReadonly<Deployment>): number {
  return status?.readyReplicas ?? 0;
}

function mayRun({ spec, status }: DeepReadonly<Deployment>): boolean {
  return (spec?.replicas ?? 1) > 0 || (status?.replicas ?? 0) > 0;
}
