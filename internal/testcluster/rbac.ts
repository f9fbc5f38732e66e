import { poll } from "./lib/poll.ts";
import type { Client } from "./client.ts";

const GROUP = "rbac.authorization.k8s.io";
const API = `/apis/${GROUP}/v1`;

/** Whom a role is given to: a user, a group, or a ServiceAccount of a namespace. */
export interface Subject {
  readonly kind: "User" | "Group" | "ServiceAccount";
  readonly name: string;
  /** Of a ServiceAccount. */
  readonly namespace?: string;
}

/** A binding to make. */
export interface Binding {
  readonly role: string;
  /** "ClusterRole" if absent. */
  readonly kind?: "Role" | "ClusterRole";
  readonly subject: Subject;
  /** Where the role counts; in the whole cluster if absent. */
  readonly namespace?: string | undefined;
}

interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly resourceNames?: readonly string[];
}

/**
 * Makes a binding of a role that exists, and waits until it counts: the API server's authorizer follows roles and bindings by watches,
 * so that a user has the new rights a moment after the binding was made. The binding's name says that it is a test's.
 */
export async function bind(client: Client, binding: Binding): Promise<string> {
  const { role, kind = "ClusterRole", subject, namespace } = binding;
  const scope = namespace === undefined ? API : `${API}/namespaces/${namespace}`;
  const account = subject.kind === "ServiceAccount" ? `${subject.namespace}-` : "";
  const name = `test-${account}${subject.name}-${role}`.replaceAll(/[^a-zA-Z0-9.-]/g, "-");
  await client.request("POST", `${scope}/${namespace === undefined ? "clusterrolebindings" : "rolebindings"}`, {
    body: {
      metadata: { name },
      roleRef: { apiGroup: GROUP, kind, name: role },
      subjects: [
        subject.kind === "ServiceAccount" ? subject : { kind: subject.kind, name: subject.name, apiGroup: GROUP },
      ],
    },
  });
  const roles = kind === "Role" ? `${scope}/roles` : `${API}/clusterroles`;
  const { rules } = await client.request<{ rules: Rule[] }>("GET", `${roles}/${role}`);
  const rule = rules.find(({ resources }) => resources !== undefined) ?? rules[0]!;
  const spec = { ...identity(subject), ...attributes(rule, namespace) };
  await poll(
    async () => {
      const body = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec };
      const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
      return (await client.request<{ status: { allowed: boolean } }>("POST", path, { body })).status.allowed;
    },
    { what: `The API server's notice of binding ${name}` },
  );
  return name;
}

/** The name under which the API server knows a ServiceAccount. */
export function serviceAccountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

function identity(subject: Subject): object {
  if (subject.kind === "Group") return { user: "a-member", groups: [subject.name] };
  if (subject.kind === "User") return { user: subject.name };
  return { user: serviceAccountUser(subject.namespace!, subject.name), groups: ["system:serviceaccounts"] };
}

function attributes(rule: Rule, namespace: string | undefined): object {
  const verb = rule.verbs[0];
  if (rule.resources === undefined) return { nonResourceAttributes: { path: rule.nonResourceURLs?.[0], verb } };
  const [resource, subresource] = rule.resources[0]!.split("/");
  const [group, name] = [rule.apiGroups?.[0], rule.resourceNames?.[0]];
  return { resourceAttributes: { namespace, verb, group, resource, subresource, name } };
}
