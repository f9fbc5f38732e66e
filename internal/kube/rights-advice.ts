/** Which of our ClusterRoles a person lacks when the API server refuses a request, and how to get it. Pure. */
import { KMM_GROUP, ONLOAD_GROUP } from "../api/names.ts";

/** What the authorizers of Kubernetes say (k8s.io/apiserver, pkg/endpoints/handlers/responsewriters/errors.go). */
const REFUSED =
  /User "([^"]*)" cannot ([a-z]+) resource "([^"]*)" in API group "([^"]*)" (?:at the cluster scope|in the namespace "([a-z0-9-]{1,63})")/;

/** Our roles for people, and whether each is bound in one namespace, that of the Onload resource. */
const NAMESPACED = { viewer: false, deployer: false, doctor: true, stack: true };
export type UserRole = keyof typeof NAMESPACED;

/** The name of a ClusterRole (internal/manifests/rbac/user-roles.yaml). */
export function roleName(role: UserRole): string {
  return `onload-operator-onload-${role}-role`;
}

/**
 * The command that gives somebody a role.
 *
 * @param namespace where roles are bound that are for one namespace
 * @param subject the flag that names who gets it
 */
export function bindCommand(role: UserRole, namespace = "NAMESPACE", subject = "--user=YOU"): string {
  const binding = NAMESPACED[role] ? `rolebinding onload-${role} -n ${namespace}` : `clusterrolebinding onload-${role}`;
  return `kubectl create ${binding} --clusterrole=${roleName(role)} ${subject}`;
}

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
  "admissionregistration.k8s.io": ["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
};

/** Of these it can do one thing only. */
const ONLY: Readonly<Record<string, string>> = { "onloads/status": "get", "pods/log": "get", events: "list" };

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
  const missing = missingRight(message);
  return missing && `an administrator can give you that right: ${missing.command}`;
}

/**
 * Refusals of one look: those for want of rights that one role has become one sentence with one command, in the place of
 * the first of them. Other messages stay as they are.
 *
 * @param messages without {@link rightsAdvice}
 */
export function missingRights(messages: readonly string[]): string[] {
  const byCommand = new Map<string, Map<string, Set<string>>>();
  const texts = messages.map((message): (() => string) => {
    const missing = missingRight(message);
    if (!missing) return () => message;
    const { command, user, verb, resource } = missing;
    const resources = byCommand.get(command) ?? new Map<string, Set<string>>();
    byCommand.set(command, resources);
    resources.set(verb, (resources.get(verb) ?? new Set()).add(resource));
    return () => lackText(user, resources, command);
  });
  return [...new Set(texts.map((text) => text()))];
}

function lackText(user: string, resources: ReadonlyMap<string, ReadonlySet<string>>, command: string): string {
  const rights = [...resources].map(([verb, of]) => `${verb} ${[...of].join(", ")}`).join(" or ");
  return `${user} may not ${rights}; an administrator can give these rights: ${command}`;
}

/** The right that a refusal is for, as in `list deployments.apps`; undefined if it is for something else. */
export function refusedRight(message: string): string | undefined {
  const [, , verb, resource = "", group = ""] = REFUSED.exec(message) ?? [];
  return verb === undefined ? undefined : `${verb} ${withGroup(resource, group)}`;
}

function withGroup(resource: string, group: string): string {
  return group === "" ? resource : `${resource}.${group}`;
}

/** A right that somebody lacks and one of our roles has, and the command that gives it. */
interface MissingRight {
  user: string;
  verb: string;
  /** With its group, as in `deployments.apps`. */
  resource: string;
  command: string;
}

function missingRight(message: string): MissingRight | undefined {
  const [, user = "", verb = "", resource = "", group = "", namespace] = REFUSED.exec(message) ?? [];
  const role = verb === "" ? undefined : roleFor(verb, resource, group);
  if (role === undefined) return undefined;
  return {
    user,
    verb,
    resource: withGroup(resource, group),
    command: bindCommand(role, namespace, subjectFlag(user)),
  };
}

/** The same for a command that changes Onload resources: whatever right is missing first, that role is needed. */
export function deployAdvice(message: string): string | undefined {
  const [, user = ""] = REFUSED.exec(message) ?? [];
  if (user === "") return undefined;
  return `an administrator can give you the rights to deploy: ${bindCommand("deployer", undefined, subjectFlag(user))}`;
}

function roleFor(verb: string, resource: string, group: string): UserRole | undefined {
  if (group === "" && resource === "pods/proxy" && verb === "get") return "doctor";
  if (group === "" && resource === "pods/exec" && (verb === "get" || verb === "create")) return "stack";
  if (READS.has(verb) && verb === (ONLY[resource] ?? verb))
    return VIEWED[group]?.includes(resource) ? "viewer" : undefined;
  return group === ONLOAD_GROUP && resource === "onloads" ? "deployer" : undefined;
}

/** A name that a shell would take apart is not put into a command. */
function subjectFlag(user: string): string {
  const [, namespace, name] = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/.exec(user) ?? [];
  if (name !== undefined) return `--serviceaccount=${namespace}:${name}`;
  return `--user=${/^[\w.@:/+-]+$/.test(user) ? user : "YOU"}`;
}
