/** Asks the API server who a client is and what it may do, as servers do whose clients log in with tokens of Kubernetes. */
import type { ApiRequest, Transport } from "./transport.ts";

/** What came of it. "unauthenticated": the token is nobody's. */
export type Access = "allowed" | "forbidden" | "unauthenticated";

/** For each of the two calls, in milliseconds. Prometheus waits 10 s by default. */
const TIMEOUT_MS = 4000;

interface TokenReview {
  status?: {
    authenticated?: boolean;
    user?: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };
  };
}
interface SubjectAccessReview {
  status?: { allowed?: boolean; denied?: boolean };
}

/**
 * Whether the owner of a token may GET a path that belongs to no resource (nonResourceURLs of a ClusterRole).
 *
 * @param token as the client sent it; it goes to the API server only
 * @throws ApiError, ConnectionError when the API server does not say
 */
export async function reviewAccess(
  transport: Pick<Transport, "json">,
  token: string,
  path: string,
  signal?: AbortSignal,
): Promise<Access> {
  // Whoever asks for metrics asks again.
  const options = { timeoutMs: TIMEOUT_MS, noRetry: true, signal };
  const { status } = await review<TokenReview>(transport, "authentication.k8s.io", "TokenReview", { token }, options);
  const user = status?.user;
  if (status?.authenticated !== true || !user?.username) return "unauthenticated";
  const { username, uid, groups, extra } = user;
  const nonResourceAttributes = { path, verb: "get" };
  const asked = { user: username, uid, groups, extra, nonResourceAttributes };
  return (await isAllowed(transport, "SubjectAccessReview", asked, options)) ? "allowed" : "forbidden";
}

/**
 * Asks the API server's authorizers. Their answer is stored nowhere.
 *
 * @param spec of the review
 * @throws ApiError, ConnectionError when the API server does not say
 */
export async function isAllowed(
  transport: Pick<Transport, "json">,
  kind: "SelfSubjectAccessReview" | "SubjectAccessReview",
  spec: object,
  options: ReviewOptions,
): Promise<boolean> {
  const { status } = await review<SubjectAccessReview>(transport, "authorization.k8s.io", kind, spec, options);
  return status?.allowed === true && status.denied !== true;
}

type ReviewOptions = Pick<ApiRequest, "timeoutMs" | "noRetry" | "signal">;

function review<T extends object>(
  transport: Pick<Transport, "json">,
  group: string,
  kind: string,
  spec: object,
  options: ReviewOptions,
): Promise<T> {
  const resource = `${kind.toLowerCase()}s`;
  const request = {
    method: "POST",
    path: `/apis/${group}/v1/${resource}`,
    action: `create ${resource}.${group}`,
    body: { apiVersion: `${group}/v1`, kind, spec },
    ...options,
  } as const;
  return transport.json<T>(request, (answer) => answer.kind === kind);
}
