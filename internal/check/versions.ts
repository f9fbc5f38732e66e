/** Which versions of onloadctl and of KMM run in the cluster, and whether they fit to this program. Pure. */
import type { DeepReadonly, Deployment } from "../api/core.ts";
import type { KmmCapabilities } from "../api/kmm.ts";
import type { Lease } from "../kube/kinds.ts";
import { holderOf } from "../kube/lease-holder.ts";
import { parseTime } from "../kube/times.ts";
import { mainContainer, mainImage } from "../operator/own-image.ts";
import type { OperatorEvidence } from "../operator/view/serving.ts";

/** Semantic versions, of which no more is taken than one would write. */
const VERSION = /^v?(\d{1,9}\.\d{1,9}\.\d{1,9}(?:[-+][0-9A-Za-z.+-]{1,60})?)$/;

/**
 * The version of the operator: what the holder of the Lease says of itself, else what the tag of its image says.
 *
 * @returns undefined if neither says it
 */
export function operatorVersion({ leases, deployments }: OperatorEvidence): string | undefined {
  const byRenewal = leases.items.toSorted((a, b) => renewedAt(b) - renewedAt(a));
  const ours = deployments.items.filter((each) => !isOriginal(each));
  return [...byRenewal.map(versionOfHolder), ...ours.map(versionOfImage)].find((each) => each !== undefined);
}

/** Whether a Deployment runs the original operator, whose versions have nothing to do with ours: its program has no subcommands. */
function isOriginal({ spec }: DeepReadonly<Deployment>): boolean {
  return mainContainer(spec?.template?.spec?.containers ?? [])?.args?.[0]?.startsWith("-") === true;
}

function versionOfHolder(lease: DeepReadonly<Lease>): string | undefined {
  return versionIn(holderOf(lease)?.version ?? "");
}

function renewedAt({ spec }: DeepReadonly<Lease>): number {
  return parseTime(spec?.renewTime) ?? 0;
}

/** The version of a Deployment by the tag of its image, as `v1.1.0` or KMM's `20240618-v2.1.1`; undefined if it is none. */
export function versionOfImage(deployment: DeepReadonly<Deployment>): string | undefined {
  const [name = ""] = imageOf(deployment).split("@");
  const tag = /:([^:/]+)$/.exec(name)?.[1] ?? "";
  return versionIn(tag.replace(/^\d{8}-/, ""));
}

/** The image of the program that a Deployment is for; "" if it has none. */
export function imageOf({ spec }: DeepReadonly<Deployment>): string {
  return mainImage(spec?.template?.spec?.containers ?? []) ?? "";
}

function versionIn(text: string): string | undefined {
  return VERSION.exec(text)?.[1];
}

/** Which versions of KMM have CRDs such as those of the cluster. */
export function kmmSeries(found: KmmCapabilities): string {
  if (!found.nodeModulesConfig) return "1.1";
  if (found.moduleImagesConfig) return "2.4 or later";
  return found.tolerations ? "2.3" : found.pluralInTree ? "2.1 or 2.2" : "2.0";
}

/**
 * Why this program and the operator may not fit: their major or minor versions differ.
 *
 * @returns undefined if they fit, or cannot be compared
 */
export function skewText(client: string, operator: string | undefined): string | undefined {
  const [ours, theirs] = [numbersOf(client), numbersOf(operator ?? "")];
  if (!ours || !theirs) return undefined;
  const order = ours[0] - theirs[0] || ours[1] - theirs[1];
  if (order === 0) return undefined;
  const remedy = order > 0 ? `, or upgrade the operator: onloadctl manifests install --image=IMAGE` : "";
  return `This program is version ${client} and the operator ${operator}: what one of them knows, the other may not. Use onloadctl ${operator}${remedy}`;
}

function numbersOf(version: string): [number, number] | undefined {
  const [major, minor] = (versionIn(version) ?? "").split(".").map(Number);
  return major === undefined || minor === undefined ? undefined : [major, minor];
}
