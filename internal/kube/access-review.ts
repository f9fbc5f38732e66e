/** Asks the API server who a client is and what it may do, as servers do whose clients log in with tokens of Kubernetes. */
import type { Transport } from "./transport.ts";

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
  const { status } = await create<TokenReview>("authentication.k8s.io", "TokenReview", { token });
  const user = status?.user;
  if (status?.authenticated !== true || !user?.username) return "unauthenticated";
  const { username, uid, groups, extra } = user;
  const nonResourceAttributes = { path, verb: "get" };
  const asked = { user: username, uid, groups, extra, nonResourceAttributes };
  const answer = await create<SubjectAccessReview>("authorization.k8s.io", "SubjectAccessReview", asked);
  return answer.status?.allowed === true && answer.status.denied !== true ? "allowed" : "forbidden";

  function create<T extends object>(group: string, kind: string, spec: object): Promise<T> {
    const request = {
      method: "POST",
      path: `/apis/${group}/v1/${kind.toLowerCase()}s`,
      action: `create ${kind.toLowerCase()}s.${group}`,
      body: { apiVersion: `${group}/v1`, kind, spec },
      timeoutMs: TIMEOUT_MS,
      // Whoever asks for metrics asks again.
      noRetry: true,
      signal,
    } as const;
    return transport.json<T>(request, (answer) => answer.kind === kind);
  }
}
