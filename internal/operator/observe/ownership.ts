/**
 * Which Onload resource a node belongs to. Whoever has it keeps it, until its own selector or its deletion lets it go. Age
 * decides only about a node that nobody has.
 */
import { hasLabels } from "../../api/label-selector.ts";
import type { DeepReadonly, Node } from "../../api/core.ts";
import {
  onloadModuleLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleLabel,
  sfcModuleName,
  type OnloadKey,
} from "../../api/names.ts";
import { namespacedName } from "../../kube/object.ts";
import { loadLabel } from "../kmm/load-label.ts";
import { reminderLabel } from "../kmm/reminder.ts";
import type { NodeObservation } from "./observation.ts";
import { stepRecordAnnotation } from "./step-record.ts";

/** An Onload resource, and the node labels that are its own. */
export interface Owner extends OnloadKey {
  ownLabels: readonly string[];
}

/** What ownership depends on of an Onload resource. */
export interface Claim extends Owner {
  /** The selector that holds; see status.selector. */
  selector: Readonly<Record<string, string>>;
  /** spec.selector, if a change of it does not hold yet. */
  nextSelector?: Readonly<Record<string, string>> | undefined;
  /** RFC 3339. */
  created: string;
  deleting: boolean;
}

/** The claims on a node, the one that keeps it first. Resources that are being deleted claim nothing. */
export function claimsOn(node: DeepReadonly<Node>, claims: readonly Claim[]): Claim[] {
  const labels = node.metadata.labels ?? {};
  const has = (claim: Claim): number => Number(isTouched(node, claim));
  return claims
    .filter(({ deleting, selector }) => !deleting && hasLabels(selector, labels))
    .sort((a, b) => has(b) - has(a) || older(a, b));
}

/** Whose a node is, seen from one Onload resource. */
export function ownershipOf(
  node: DeepReadonly<Node>,
  key: OnloadKey,
  claims: readonly Claim[],
): Pick<NodeObservation, "blockedBy" | "keptBy" | "claimed" | "letGo"> & { owned: boolean } {
  const owners = claimsOn(node, claims);
  const mine = owners.findIndex((claim) => namespacedName(claim) === namespacedName(key));
  const other = claims.find((claim) => namespacedName(claim) !== namespacedName(key) && isTouched(node, claim));
  return {
    owned: mine === 0,
    blockedBy: other && namespacedName(other),
    keptBy: mine > 0 ? namespacedName(owners[0]!) : undefined,
    claimed: mine !== 0 && owners.length > 0,
    letGo: mine === 0 && isLetGo(owners[0]!, node),
  };
}

/** Whether a node that a claim keeps would not be selected any more if the change of its selector held. */
function isLetGo({ nextSelector }: Claim, { metadata }: DeepReadonly<Node>): boolean {
  return nextSelector !== undefined && !hasLabels(nextSelector, metadata.labels ?? {});
}

/**
 * Whether a resource has not left a node yet. KMM 2 unloads after the labels are off: until the step record is gone too,
 * its drivers may still be there.
 */
function isTouched(node: DeepReadonly<Node>, owner: Owner): boolean {
  return carriesLabels(node, owner) || stepRecordAnnotation(owner) in (node.metadata.annotations ?? {});
}

/** Whether a node carries any of the labels that belong to an Onload resource. */
export function carriesLabels(node: DeepReadonly<Node>, { ownLabels }: Owner): boolean {
  const labels = node.metadata.labels ?? {};
  return ownLabels.some((label) => label in labels);
}

/** A resource with the names of its labels, made once because every plan asks about every node. */
export function ownerOf(key: OnloadKey): Owner {
  const loadLabels = [onloadModuleName(key.name), sfcModuleName(key.name)].map((name) =>
    loadLabel(key.namespace, name),
  );
  const moduleLabels = [onloadModuleLabel(key), sfcModuleLabel(key), ...loadLabels];
  return { ...key, ownLabels: [pluginLabel(key), ...moduleLabels, reminderLabel(key)] };
}

function older(a: Claim, b: Claim): number {
  return a.created < b.created ? -1 : a.created > b.created ? 1 : namespacedName(a) < namespacedName(b) ? -1 : 1;
}
