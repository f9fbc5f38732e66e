/** What is said of logins when a registry refuses an image. */
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly, Pod } from "../../api/core.ts";

/**
 * The words of registries and container runtimes for 401 and 403. A number alone says nothing: kernels have such numbers in
 * the names of their images.
 */
const REFUSED =
  /unauthorized|forbidden|access denied|is denied|authentication required|authorization failed|no basic auth|invalid username\/password|status(?: code)?:? 40[13]\b/i;

/**
 * Which Secrets a pod pulls with, if the kubelet's message says that the registry wants another login; else "". The kubelet
 * itself says nothing of a Secret that is missing: it pulls without a login.
 */
export function loginHint({ metadata, spec }: DeepReadonly<Pod>, message: string | undefined): string {
  if (message === undefined || !REFUSED.test(message)) return "";
  const names = (spec?.imagePullSecrets ?? []).flatMap(({ name }) => name || []);
  if (names.length === 0) return "; it pulls without a login: name a Secret in spec.imagePullSecrets";
  const quoted = firstFew(names, 3, (name) => `"${name}"`);
  return `; it pulls with the Secret ${quoted} of namespace "${metadata.namespace}": see that it exists there and has a login for that registry`;
}
