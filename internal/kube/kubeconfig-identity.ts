import { fieldsOf } from "../cli/json.ts";
import { execPlugin } from "./exec-plugin.ts";
import { readCredentialFile, type Headers, type Identity, type TlsOptions } from "./credentials.ts";
import { impersonationHeaders } from "./impersonation.ts";
import type { Cluster, KubeconfigUser } from "./kubeconfig-parts.ts";

/** User and password. */
export interface Login {
  username: string;
  password: string;
}

/**
 * Reads who a user of a kubeconfig is, as often as it is called; it is told whether the server refused the last answer.
 *
 * @param login of the server's address; it is used if there is no other, as Go's client does
 */
export async function identityReader(
  cluster: Cluster,
  user: KubeconfigUser | undefined,
  login?: Login,
): Promise<(refused: boolean) => Promise<Identity>> {
  const provider = user ? await authenticator(user, cluster) : undefined;
  return async (refused) => {
    // Said explicitly, because otherwise NODE_TLS_REJECT_UNAUTHORIZED decides.
    const tls: TlsOptions = { rejectUnauthorized: !cluster.skipTLSVerify };
    const ca = await pem(cluster.caFile, cluster.caData);
    if (ca) tls.ca = ca;
    if (cluster.tlsServerName) tls.servername = cluster.tlsServerName;
    const headers: Headers = user?.impersonation ? impersonationHeaders(user.impersonation) : {};
    if (user) {
      const [cert, key] = await Promise.all([pem(user.certFile, user.certData), pem(user.keyFile, user.keyData)]);
      if (cert) tls.cert = cert;
      if (key) tls.key = key;
      if (user.username) headers["authorization"] = basic(user.username, user.password ?? "");
      await provider?.(headers, tls, refused);
      const token = user.tokenFile ? await tokenOf(user.tokenFile, user.token) : user.token;
      if (token) headers["authorization"] = `Bearer ${token.trim()}`;
    }
    if (login) headers["authorization"] ??= basic(login.username, login.password);
    return { headers, tls };
  };
}

/** A token file goes before a token, which stands in if the file cannot be read, as in client-go. */
async function tokenOf(file: string, token: string | undefined): Promise<string> {
  try {
    return (await readCredentialFile(file)).toString("utf8");
  } catch (error) {
    if (token) return token;
    throw error;
  }
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function pem(file: string | undefined, data: string | undefined): Promise<Buffer | undefined> {
  if (data) return Buffer.from(data, "base64");
  return file ? readCredentialFile(file) : undefined;
}

/** Exec plugins, and OpenID Connect. What they gave is held until it expires or is refused. */
async function authenticator(
  user: KubeconfigUser,
  cluster: Cluster,
): Promise<((headers: Headers, tls: TlsOptions, refused: boolean) => Promise<void>) | undefined> {
  if (user.exec) {
    const plugin = execPlugin(user.exec, cluster, pem);
    return async (headers, tls, refused) => {
      const { token, cert, key } = await plugin(refused);
      if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
      if (cert !== undefined) tls.cert = cert;
      if (key !== undefined) tls.key = key;
    };
  }
  // Whoever has another login needs no provider, as in client-go.
  if (!user.authProvider || user.token || user.tokenFile || user.username) return undefined;
  const { name } = textsOf(user.authProvider);
  if (name !== "oidc")
    throw new Error(`user "${user.name}" needs auth provider "${name}", which is not supported: use an exec plugin`);
  const { oidcTokens } = await import("./oidc.ts");
  const tokens = oidcTokens(textsOf(user.authProvider["config"]), pem);
  return async (headers, _tls, refused) => {
    headers["authorization"] = `Bearer ${await tokens(refused)}`;
  };
}

/** Those fields of an object that are texts. */
function textsOf(value: unknown): Record<string, string> {
  const texts = Object.entries(fieldsOf(value) ?? {}).filter(([, text]) => typeof text === "string");
  return Object.fromEntries(texts) as Record<string, string>;
}
