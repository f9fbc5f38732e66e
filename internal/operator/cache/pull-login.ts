/** What is said of logins when a registry refuses an image. */
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { printable } from "../../cli/printable.ts";

/**
 * The words of registries and container runtimes for 401 and 403. A number alone says nothing: kernels have such numbers in
 * the names of their images.
 */
const REFUSED =
  /unauthorized|forbidden|access denied|is denied|authentication required|authorization failed|no basic auth|invalid username\/password|status(?: code)?:? 40[13]\b/i;

/** The reason of the event by which the kubelet says that it goes on without a Secret (kubernetes, pkg/kubelet/kubelet_pods.go). */
export const SECRET_MISSING = "FailedToRetrieveImagePullSecret";

/** Under what the text about Secrets of a pod is kept, beside what its log tells. @param uid the pod's */
export function secretsKey(uid: string): string {
  return `${uid} secrets`;
}

/**
 * Which Secrets a pod pulls with, if the kubelet's message says that the registry wants another login; else "". That
 * message says nothing of a Secret that is missing: the kubelet pulls without a login.
 */
export function loginHint({ metadata, spec }: DeepReadonly<Pod>, message: string | undefined): string {
  if (message === undefined || !REFUSED.test(message)) return "";
  const names = secretsOf(spec);
  if (names.length === 0) return "; it pulls without a login: name a Secret in spec.imagePullSecrets";
  const quoted = firstFew(names, 3, (name) => `"${name}"`);
  return `; it pulls with the Secret ${quoted} of namespace "${metadata.namespace}": see that it exists there and has a login for that registry`;
}

/** Whether a registry refused an image to a pod that has Secrets to pull with: one of them may be missing. */
export function mayLackSecret({ spec, status }: DeepReadonly<Pod>): boolean {
  const { initContainerStatuses = [], containerStatuses = [] } = status ?? {};
  const refused = [...initContainerStatuses, ...containerStatuses].some(({ state }) =>
    REFUSED.test(state?.waiting?.message ?? ""),
  );
  return refused && secretsOf(spec).length > 0;
}

/** What to say of the Secrets that the kubelet's event names; undefined if it names none. */
export function missingSecrets(message: string | undefined): string | undefined {
  const [, list] = /image pull secrets \(([^()]{1,1000})\)/.exec(message ?? "") ?? [];
  if (list === undefined) return undefined;
  const quoted = firstFew(list.split(", "), 3, (name) => `"${printable(name, 260)}"`);
  return `the kubelet cannot read the Secret ${quoted}: it is missing there`;
}

function secretsOf(spec: DeepReadonly<Pod>["spec"]): string[] {
  return (spec?.imagePullSecrets ?? []).flatMap(({ name }) => name || []);
}
