import type { Cluster, Context, User } from "@kubernetes/client-node/dist/config_types.js";
import { readFile } from "node:fs/promises";
import { delimiter, dirname, resolve } from "node:path";
import { URL } from "node:url";
import { refreshingCredentials, type ClusterConfig, type Identity, type TlsOptions } from "./credentials.ts";

/** The parts of one or more kubeconfig files, merged as kubectl merges them: the first file that says something wins. */
interface Kubeconfig {
  clusters: Cluster[];
  users: (User & { tokenFile?: string })[];
  contexts: Context[];
  currentContext: string | undefined;
}

export interface KubeconfigOptions {
  /** Context to use instead of the current one. */
  context?: string | undefined;
  /** Monotonic clock in milliseconds. */
  now?: () => number;
}

/** Files named by $KUBECONFIG, or none. */
export function kubeconfigList(value: string | undefined): string[] {
  return (value ?? "").split(delimiter).filter((file) => file !== "");
}

/**
 * Reads kubeconfig files and picks a context.
 *
 * @param files in order of precedence; of several, missing ones are skipped as kubectl does
 * @throws Error "Cannot load kubeconfig FILE: reason" on one line
 */
export async function loadKubeconfig(
  files: readonly string[],
  options: KubeconfigOptions = {},
): Promise<ClusterConfig> {
  const source = files.join(delimiter);
  try {
    const config = await readFiles(files);
    const name = options.context ?? config.currentContext;
    if (!name) throw new Error("it has no current-context: give --context");
    const context = config.contexts.find((item) => item.name === name);
    if (!context) throw new Error(`it has no context "${name}"${oneOf(config.contexts)}`);
    const cluster = config.clusters.find((item) => item.name === context.cluster);
    if (!cluster) throw new Error(`context "${name}" names cluster "${context.cluster}", which it does not have`);
    const user = config.users.find((item) => item.name === context.user);
    if (!user && context.user)
      throw new Error(`context "${name}" names user "${context.user}", which it does not have`);
    if (!URL.canParse(cluster.server))
      throw new Error(`cluster "${cluster.name}" has server "${cluster.server}", which is no URL`);
    if (cluster.proxyUrl) throw new Error(`cluster "${cluster.name}" has a proxy-url, which is not supported`);
    const read = await identityReader(cluster, user);
    const credentials = refreshingCredentials(read, options.now);
    return { server: cluster.server, namespace: context.namespace ?? "default", source, credentials };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot load kubeconfig ${source}: ${reason.replace(/\s*\n\s*/g, " ")}`, { cause: error });
  }
}

async function readFiles(files: readonly string[]): Promise<Kubeconfig> {
  const merged: Kubeconfig = { clusters: [], users: [], contexts: [], currentContext: undefined };
  let found = 0;
  for (const file of files) {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (error) {
      if (files.length > 1 && (error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    found++;
    const one = await parse(text, dirname(resolve(file)));
    merged.currentContext ??= one.currentContext;
    addNew(merged.clusters, one.clusters);
    addNew(merged.users, one.users);
    addNew(merged.contexts, one.contexts);
  }
  if (found === 0) throw new Error("no such file");
  return merged;
}

async function parse(text: string, dir: string): Promise<Kubeconfig> {
  // Only these two files of client-node: its index loads every generated model, some 40 MB.
  const [{ parse: parseYaml }, types] = await Promise.all([
    import("yaml"),
    import("@kubernetes/client-node/dist/config_types.js"),
  ]);
  const raw = parseYaml(text) as Record<string, unknown> | null;
  if (raw === null || typeof raw !== "object" || Array.isArray(raw)) throw new Error("it is not a kubeconfig");
  const path = (file: string | undefined): string | undefined => (file ? resolve(dir, file) : file);
  const clusters = types.newClusters(raw["clusters"]);
  for (const cluster of clusters) setPath(cluster, "caFile", path);
  const tokenFiles = new Map(
    ((raw["users"] ?? []) as { name: string; user?: { tokenFile?: string } }[]).map((u) => [u.name, u.user?.tokenFile]),
  );
  const users = types.newUsers(raw["users"]).map((user) => {
    setPath(user, "certFile", path);
    setPath(user, "keyFile", path);
    const tokenFile = path(tokenFiles.get(user.name));
    const exec = user.exec as ExecConfig | undefined;
    // A path is relative to the file, a bare name is looked up in $PATH.
    const command = exec?.command?.includes("/") ? { exec: { ...exec, command: path(exec.command) } } : {};
    return { ...user, ...command, ...(tokenFile ? { tokenFile } : {}) };
  });
  const current = raw["current-context"];
  return {
    clusters,
    users,
    contexts: types.newContexts(raw["contexts"]),
    currentContext: typeof current === "string" && current !== "" ? current : undefined,
  };
}

function setPath<K extends string>(
  holder: { [key in K]?: string },
  key: K,
  path: (file?: string) => string | undefined,
): void {
  const file = path(holder[key]);
  if (file) holder[key] = file;
}

function addNew<T extends { name: string }>(into: T[], more: readonly T[]): void {
  for (const item of more) if (!into.some((known) => known.name === item.name)) into.push(item);
}

function oneOf(items: readonly { name: string }[]): string {
  return items.length > 0 ? `: use one of ${items.map((item) => item.name).join(", ")}` : "";
}

async function identityReader(
  cluster: Cluster,
  user: Kubeconfig["users"][number] | undefined,
): Promise<(refused: boolean) => Promise<Identity>> {
  const provider = user ? await authenticator(user, cluster) : undefined;
  return async (refused) => {
    const tls: TlsOptions = {};
    const ca = await pem(cluster.caFile, cluster.caData);
    if (ca) tls.ca = ca;
    if (cluster.tlsServerName) tls.servername = cluster.tlsServerName;
    if (cluster.skipTLSVerify) tls.rejectUnauthorized = false;
    const headers: Record<string, string> = {};
    if (user) {
      const [cert, key] = await Promise.all([pem(user.certFile, user.certData), pem(user.keyFile, user.keyData)]);
      if (cert) tls.cert = cert;
      if (key) tls.key = key;
      if (user.impersonateUser) headers["impersonate-user"] = user.impersonateUser;
      if (user.username) {
        headers["authorization"] = `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
      }
      await provider?.(headers, tls, refused);
      // A token file goes before a token, as in client-go.
      const token = user.tokenFile ? await readFile(user.tokenFile, "utf8") : user.token;
      if (token) headers["authorization"] = `Bearer ${token.trim()}`;
    }
    return { headers, tls };
  };
}

async function pem(file: string | undefined, data: string | undefined): Promise<Buffer | undefined> {
  if (data) return Buffer.from(data, "base64");
  return file ? readFile(file) : undefined;
}

/** Exec plugins and OpenID Connect, by client-node, which holds what they gave until it expires or is refused. */
async function authenticator(
  user: User,
  cluster: Cluster,
): Promise<((headers: Record<string, string>, tls: TlsOptions, refused: boolean) => Promise<void>) | undefined> {
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

interface ExecConfig {
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
