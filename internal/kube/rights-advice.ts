/** Which of our ClusterRoles a person lacks when the API server refuses a request, and how to get it. Pure. */
import { KMM_GROUP, ONLOAD_GROUP } from "../api/names.ts";

/** What the authorizers of Kubernetes say (k8s.io/apiserver, pkg/endpoints/handlers/responsewriters/errors.go). */
const REFUSED =
  /User "([^"]*)" cannot ([a-z]+) resource "([^"]*)" in API group "([^"]*)" (?:at the cluster scope|in the namespace "([a-z0-9-]{1,63})")/;

interface Role {
  name: string;
  /** Bound in one namespace, that of the Onload resource. */
  namespaced: boolean;
}

const VIEWER: Role = { name: "viewer", namespaced: false };
const DEPLOYER: Role = { name: "deployer", namespaced: false };
const DOCTOR: Role = { name: "doctor", namespaced: true };
const STACK: Role = { name: "stack", namespaced: true };

/** What the viewer's role reads (internal/manifests/rbac/user-roles.yaml), by API group. */
const VIEWED: Readonly<Record<string, readonly string[]>> = {
  [ONLOAD_GROUP]: ["onloads", "onloads/status"],
  "": ["nodes", "pods", "pods/log", "namespaces", "serviceaccounts", "events"],
  apps: ["daemonsets", "deployments"],
  policy: ["poddisruptionbudgets"],
  "coordination.k8s.io": ["leases"],
  [KMM_GROUP]: ["modules", "nodemodulesconfigs", "moduleimagesconfigs"],
  "machineconfiguration.openshift.io": ["machineconfigs", "machineconfigpools"],
  "apiextensions.k8s.io": ["customresourcedefinitions"],
  "admissionregistration.k8s.io": ["validatingadmissionpolicybindings"],
};

/** Of these it can do one thing only. */
const ONLY: Readonly<Record<string, string>> = { "onloads/status": "get", "pods/log": "get", events: "list" };

/** How advice begins. */
const ADVICE = "an administrator can give you that right: ";

const READS: ReadonlySet<string> = new Set(["get", "list", "watch"]);

/** Whether a refusal is one for want of a right, not of an admission policy. */
export function isRightMissing(message: string): boolean {
  return REFUSED.test(message);
}

/**
 * What an administrator can do for somebody who lacks a right: a command.
 *
 * @param message of a refusal
 * @returns undefined if it is no refusal for want of a right, or none of our roles has that right
 */
export function rightsAdvice(message: string): string | undefined {
  const [, user = "", verb = "", resource = "", group = "", namespace = "NAMESPACE"] = REFUSED.exec(message) ?? [];
  if (verb === "") return undefined;
  const role = roleFor(verb, resource, group);
  if (role === undefined) return undefined;
  const kind = role.namespaced
    ? `rolebinding onload-${role.name} -n ${namespace}`
    : `clusterrolebinding onload-${role.name}`;
  return `${ADVICE}kubectl create ${kind} --clusterrole=onload-operator-onload-${role.name}-role ${subjectFlag(user)}`;
}

/** A refusal without the advice, for where another line has it. */
export function withoutAdvice(message: string): string {
  const at = message.indexOf(`; ${ADVICE}`);
  return at < 0 ? message : message.slice(0, at);
}

function roleFor(verb: string, resource: string, group: string): Role | undefined {
  if (group === "" && resource === "pods/proxy" && verb === "get") return DOCTOR;
  if (group === "" && resource === "pods/exec" && (verb === "get" || verb === "create")) return STACK;
  if (READS.has(verb) && verb === (ONLY[resource] ?? verb))
    return VIEWED[group]?.includes(resource) ? VIEWER : undefined;
  return group === ONLOAD_GROUP && resource === "onloads" ? DEPLOYER : undefined;
}

/** A name that a shell would take apart is not put into a command. */
function subjectFlag(user: string): string {
  const [, namespace, name] = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/.exec(user) ?? [];
  if (name !== undefined) return `--serviceaccount=${namespace}:${name}`;
  return `--user=${/^[\w.@:/+-]+$/.test(user) ? user : "YOU"}`;
}
