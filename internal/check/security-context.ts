/** OpenShift's SecurityContextConstraints (SCC): whether one lets the pods of an Onload resource run. */
import type { KubeObject } from "../api/core.ts";
import { SECURITY_CONTEXT_CONSTRAINTS } from "../api/resources.ts";
import type { Ask, Subject } from "./rights.ts";

/** An SCC, as far as it is read. */
export interface SecurityContextConstraints extends KubeObject {
  allowPrivilegedContainer?: boolean;
  allowHostPID?: boolean;
  allowHostNetwork?: boolean;
  allowHostDirVolumePlugin?: boolean;
  /** Who may use it besides those that RBAC allows to. */
  users?: readonly string[] | null;
  groups?: readonly string[] | null;
}

/** Every OpenShift has it, and it allows everything. */
const PRIVILEGED = "privileged";
/** So many of those that people have made are looked at. */
const MAX_ASKED = 30;

/** The ServiceAccount of a namespace, as authorizers know it. */
export function subjectOf(namespace: string, account: string): Required<Subject> {
  return {
    user: `system:serviceaccount:${namespace}:${account}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
  };
}

/**
 * The SCC by which a ServiceAccount may run pods as the device plugin and KMM need them; undefined if there is none.
 *
 * @param readAll reads all SCCs; it is called only if RBAC does not allow to use `privileged`
 * @throws ApiError if it may not be asked
 */
export async function usableConstraints(
  ask: Ask,
  readAll: () => Promise<readonly SecurityContextConstraints[]>,
  namespace: string,
  account: string,
): Promise<string | undefined> {
  const subject = subjectOf(namespace, account);
  const { group, plural: resource } = SECURITY_CONTEXT_CONSTRAINTS;
  const mayUse = (name: string): Promise<boolean> => ask(subject, { verb: "use", group, resource, name, namespace });
  if (await mayUse(PRIVILEGED)) return PRIVILEGED;
  const fitting = (await readAll()).filter(isEnough).slice(0, MAX_ASKED);
  for (const { metadata, users, groups } of fitting) {
    const isNamed = users?.includes(subject.user) || groups?.some((each) => subject.groups.includes(each));
    if (isNamed || (metadata.name !== PRIVILEGED && (await mayUse(metadata.name)))) return metadata.name;
  }
  return undefined;
}

function isEnough(each: SecurityContextConstraints): boolean {
  return [each.allowPrivilegedContainer, each.allowHostPID, each.allowHostNetwork, each.allowHostDirVolumePlugin].every(
    (allowed) => allowed === true,
  );
}
