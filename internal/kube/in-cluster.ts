import { access } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { readCredentialFile, refreshingCredentials, type ClusterConfig } from "./credentials.ts";

/** Where the kubelet mounts the pod's service account. */
const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";

/** What {@link loadInCluster} depends on; tests give their own. */
export interface PodEnvironment {
  env?: Record<string, string | undefined>;
  serviceAccountDir?: string;
  /** Monotonic clock in milliseconds. */
  now?: () => number;
}

/** Whether this process seems to run in a pod with a service account. */
export async function isInCluster({
  env = process.env,
  serviceAccountDir = SERVICE_ACCOUNT_DIR,
}: PodEnvironment = {}): Promise<boolean> {
  if (!env["KUBERNETES_SERVICE_HOST"] || !env["KUBERNETES_SERVICE_PORT"]) return false;
  return access(join(serviceAccountDir, "token")).then(
    () => true,
    () => false,
  );
}

/**
 * The pod's own service account. Token and CA are read again every minute and after a 401, because the kubelet
 * rotates them.
 */
export async function loadInCluster({
  env = process.env,
  serviceAccountDir = SERVICE_ACCOUNT_DIR,
  now,
}: PodEnvironment = {}): Promise<ClusterConfig> {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const read = async (file: string): Promise<string> =>
    (await readCredentialFile(join(serviceAccountDir, file))).toString("utf8");
  const credentials = refreshingCredentials(async () => {
    const [token, ca] = await Promise.all([read("token"), read("ca.crt")]);
    return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca, rejectUnauthorized: true } };
  }, now);
  try {
    const namespace = (await read("namespace")).trim();
    await credentials.identity();
    return {
      server: `https://${isIPv6(host) ? `[${host}]` : host}:${env["KUBERNETES_SERVICE_PORT"]}`,
      namespace: namespace || "default",
      source: "the pod's service account",
      credentials,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot load the pod's service account: ${reason}`, { cause: error });
  }
}
