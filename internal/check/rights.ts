/** Rights: which are needed for what, and what the API server says of them. */
import { KMM_GROUP, ONLOAD_GROUP } from "../api/names.ts";
import { firstFew } from "../cli/first-few.ts";
import { ApiError } from "../kube/errors.ts";
import { refusalText } from "../kube/refusal-text.ts";
import { finderOf, type Finding } from "./findings.ts";

/** One thing that somebody may do, or may not. */
export interface Right {
  verb: string;
  group: string;
  resource: string;
  subresource?: string;
  name?: string;
  /** undefined: in all namespaces, or of the cluster. */
  namespace?: string;
}

/** So many missing rights are named. */
const MAX_NAMED = 12;

/** Who asks. */
export interface Subject {
  /** undefined: the caller. */
  user?: string;
  groups?: readonly string[];
}

/** Asks whether somebody has a right. @throws ApiError if it may not be asked */
export type Ask = (subject: Subject, right: Right) => Promise<boolean>;

const list = (group: string, resource: string): Right => ({ verb: "list", group, resource });

/** What `status` and `plan` cannot do without. */
export const TO_LOOK: readonly Right[] = [
  list(ONLOAD_GROUP, "onloads"),
  list("", "nodes"),
  list("", "pods"),
  list("apps", "daemonsets"),
  list(KMM_GROUP, "modules"),
  list("apiextensions.k8s.io", "customresourcedefinitions"),
  list("policy", "poddisruptionbudgets"),
];

/** What only tells more: whether an operator acts, and what failed pods say. */
export const TO_LOOK_CLOSER: readonly Right[] = [
  list("coordination.k8s.io", "leases"),
  list("apps", "deployments"),
  { verb: "get", group: "", resource: "pods", subresource: "log" },
  list("admissionregistration.k8s.io", "validatingadmissionpolicies"),
  list("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
];

/** What one needs to apply Onload resources; the policy onload-operator-deploy asks for `deploy`. */
export const TO_DEPLOY: readonly Right[] = [
  { verb: "get", group: ONLOAD_GROUP, resource: "onloads" },
  { verb: "deploy", group: ONLOAD_GROUP, resource: "onloads" },
  { verb: "create", group: ONLOAD_GROUP, resource: "onloads" },
  { verb: "patch", group: ONLOAD_GROUP, resource: "onloads" },
];

/** What `doctor` needs in each namespace with an Onload resource, to ask the device plugins there. */
export function toExamine(namespaces: readonly string[]): Right[] {
  return namespaces.map((namespace) => ({ verb: "get", group: "", resource: "pods", subresource: "proxy", namespace }));
}

/** `list nodes`, `patch onloads.onload.amd.com/status`, `get pods/proxy in namespace a`, `list leases x`. */
function rightText({ verb, group, resource, subresource, name, namespace }: Right): string {
  const of = `${resource}${group === "" ? "" : `.${group}`}${subresource === undefined ? "" : `/${subresource}`}`;
  return `${verb} ${of}${name === undefined ? "" : ` ${name}`}${namespace === undefined ? "" : ` in namespace ${namespace}`}`;
}

/**
 * One finding about several rights.
 *
 * @param lacking the result if one of them is missing
 * @param remedy what to do then
 */
export async function judgeRights(
  ask: Ask,
  what: string,
  subject: Subject,
  rights: readonly Right[],
  lacking: "failed" | "warning",
  remedy: string,
): Promise<Finding> {
  const finding = finderOf(what);
  try {
    const answers = await Promise.all(rights.map(async (right) => ({ right, may: await ask(subject, right) })));
    const missing = answers.filter(({ may }) => !may).map(({ right }) => rightText(right));
    if (missing.length === 0) return finding("ok", "All that is needed");
    return finding(lacking, `Not allowed: ${firstFew(missing, MAX_NAMED)}; ${remedy}`);
  } catch (error) {
    return finding("unknown", error instanceof ApiError ? refusalText(error) : (error as Error).message);
  }
}
