import type { Cluster, User } from "@kubernetes/client-node/dist/config_types.js";
import { readCredentialFile, type Headers, type Identity, type TlsOptions } from "./credentials.ts";
import { impersonationHeaders, type Impersonation } from "./impersonation.ts";

/** A user of a kubeconfig: what client-node reads of it, and what it leaves out. */
export type KubeconfigUser = User & { tokenFile?: string; impersonation?: Impersonation };

/** Reads who a user of a kubeconfig is, as often as it is called; it is told whether the server refused the last answer. */
export async function identityReader(
  cluster: Cluster,
  user: KubeconfigUser | undefined,
): Promise<(refused: boolean) => Promise<Identity>> {
  const provider = user ? await authenticator(user, cluster) : undefined;
  return async (refused) => {
    const tls: TlsOptions = {};
    const ca = await pem(cluster.caFile, cluster.caData);
    if (ca) tls.ca = ca;
    if (cluster.tlsServerName) tls.servername = cluster.tlsServerName;
    if (cluster.skipTLSVerify) tls.rejectUnauthorized = false;
    const headers: Headers = user?.impersonation ? impersonationHeaders(user.impersonation) : {};
    if (user) {
      const [cert, key] = await Promise.all([pem(user.certFile, user.certData), pem(user.keyFile, user.keyData)]);
      if (cert) tls.cert = cert;
      if (key) tls.key = key;
      if (user.username) {
        headers["authorization"] = `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
      }
      await provider?.(headers, tls, refused);
      // A token file goes before a token, as in client-go.
      const token = user.tokenFile ? (await readCredentialFile(user.tokenFile)).toString("utf8") : user.token;
      if (token) headers["authorization"] = `Bearer ${token.trim()}`;
    }
    return { headers, tls };
  };
}

async function pem(file: string | undefined, data: string | undefined): Promise<Buffer | undefined> {
  if (data) return Buffer.from(data, "base64");
  return file ? readCredentialFile(file) : undefined;
}

/** Exec plugins and OpenID Connect, by client-node, which holds what they gave until it expires or is refused. */
async function authenticator(
  user: User,
  cluster: Cluster,
): Promise<((headers: Headers, tls: TlsOptions, refused: boolean) => Promise<void>) | undefined> {
  let make: () => { applyAuthentication(user: User, options: object): Promise<void> };
  let subject = user;
  if (user.exec) {
    const { ExecAuth } = await import("@kubernetes/client-node/dist/exec_auth.js");
    make = () => new ExecAuth();
    subject = { ...user, exec: withExecInfo(user.exec as ExecConfig, cluster) };
  } else if (user.authProvider) {
    const name = (user.authProvider as { name?: string }).name;
    if (name !== "oidc")
      throw new Error(`user "${user.name}" needs auth provider "${name}", which is not supported: use an exec plugin`);
    const { OpenIDConnectAuth } = await import("@kubernetes/client-node/dist/oidc_auth.js");
    make = () => new OpenIDConnectAuth();
  } else {
    return undefined;
  }
  let holder = make();
  return async (headers, tls, refused) => {
    if (refused) holder = make();
    const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} };
    try {
      await holder.applyAuthentication(subject, options);
    } catch (error) {
      const command = (user.exec as ExecConfig | undefined)?.command;
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${command ? `exec plugin "${command}"` : "auth provider"} failed: ${reason.trim()}`, {
        cause: error,
      });
    }
    for (const [name, value] of Object.entries(options.headers)) headers[name.toLowerCase()] = value;
    if (options.cert) tls.cert = options.cert;
    if (options.key) tls.key = options.key;
  };
}

export interface ExecConfig {
  apiVersion?: string;
  command?: string;
  args?: string[];
  env?: { name: string; value: string }[] | null;
  provideClusterInfo?: boolean;
}

/** client-node starts the plugin without KUBERNETES_EXEC_INFO, which the exec protocol requires. */
function withExecInfo(exec: ExecConfig, cluster: Cluster): ExecConfig {
  const info = {
    apiVersion: exec.apiVersion ?? "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: {
      interactive: false,
      ...(exec.provideClusterInfo
        ? {
            cluster: {
              server: cluster.server,
              "certificate-authority-data": cluster.caData,
              "tls-server-name": cluster.tlsServerName,
            },
          }
        : {}),
    },
  };
  return {
    ...exec,
    env: [...(exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }],
  };
}
