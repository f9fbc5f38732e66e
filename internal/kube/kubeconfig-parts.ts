/** Clusters, users and contexts of a kubeconfig whose shape has been checked (kubeconfig-shape.ts). */
import { resolve } from "node:path";
import { fieldsOf } from "../cli/json.ts";
import { parseImpersonation, type Impersonation } from "./impersonation.ts";

/** A cluster; paths are absolute. */
export interface Cluster {
  name: string;
  server: string;
  caData?: string | undefined;
  caFile?: string | undefined;
  skipTLSVerify: boolean;
  tlsServerName?: string | undefined;
  proxyUrl?: string | undefined;
}

/** `exec` of a user in a kubeconfig. */
export interface ExecConfig {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  interactiveMode?: string;
  provideClusterInfo?: boolean;
}

/** A user; paths are absolute. */
export interface KubeconfigUser {
  name: string;
  certData?: string | undefined;
  certFile?: string | undefined;
  keyData?: string | undefined;
  keyFile?: string | undefined;
  token?: string | undefined;
  tokenFile?: string | undefined;
  username?: string | undefined;
  password?: string | undefined;
  exec?: ExecConfig | undefined;
  authProvider?: Record<string, unknown> | undefined;
  impersonation?: Impersonation | undefined;
}

export interface Context {
  name: string;
  cluster: string;
  user: string | undefined;
  namespace: string | undefined;
}

type Fields = Record<string, unknown>;
/** Makes a path of the file absolute. */
type ToPath = (file: string | undefined) => string | undefined;

/**
 * @param dir folder of the file, to which its paths are relative
 * @throws Error that names what is missing
 */
export function readParts(
  raw: Readonly<Fields>,
  dir: string,
): { clusters: Cluster[]; users: KubeconfigUser[]; contexts: Context[] } {
  const path: ToPath = (file) => (file === undefined ? undefined : resolve(dir, file));
  return {
    clusters: itemsOf(raw, "clusters", "cluster").map(({ name, part, where }) => clusterOf(name, part, where, path)),
    users: itemsOf(raw, "users").map(({ name, part }) => userOf(name, part ?? {}, path)),
    contexts: itemsOf(raw, "contexts", "context").map(({ name, part, where }) => {
      const cluster = text(part, "cluster");
      if (cluster === undefined) throw new Error(`${where}.cluster is missing`);
      return { name, cluster, user: text(part, "user"), namespace: text(part, "namespace") };
    }),
  };
}

/** The items of a list with their part, which `needed` says they must have. */
function itemsOf(
  raw: Readonly<Fields>,
  list: string,
  needed?: string,
): { name: string; part: Fields; where: string }[] {
  return ((raw[list] ?? []) as Fields[]).map((item, index) => {
    const name = text(item, "name");
    if (name === undefined) throw new Error(`${list}[${index}].name is missing`);
    const part = fieldsOf(item[needed ?? "user"]);
    if (needed !== undefined && part === undefined) throw new Error(`${list}[${index}].${needed} is missing`);
    return { name, part: part ?? {}, where: `${list}[${index}].${needed}` };
  });
}

function clusterOf(name: string, part: Fields, where: string, path: ToPath): Cluster {
  const server = text(part, "server");
  if (server === undefined) throw new Error(`${where}.server is missing`);
  return {
    name,
    server: server.replace(/\/$/, ""),
    caData: text(part, "certificate-authority-data"),
    caFile: path(text(part, "certificate-authority")),
    skipTLSVerify: part["insecure-skip-tls-verify"] === true,
    tlsServerName: text(part, "tls-server-name"),
    proxyUrl: text(part, "proxy-url"),
  };
}

function userOf(name: string, part: Fields, path: ToPath): KubeconfigUser {
  const exec = fieldsOf(part["exec"]) as ExecConfig | undefined;
  // A path is relative to the file, a bare name is looked up in $PATH.
  const command = exec?.command?.includes("/") ? path(exec.command) : undefined;
  return {
    name,
    certData: text(part, "client-certificate-data"),
    certFile: path(text(part, "client-certificate")),
    keyData: text(part, "client-key-data"),
    keyFile: path(text(part, "client-key")),
    token: text(part, "token"),
    tokenFile: path(text(part, "tokenFile")),
    username: text(part, "username"),
    password: text(part, "password"),
    exec: exec && (command === undefined ? exec : { ...exec, command }),
    authProvider: fieldsOf(part["auth-provider"]),
    impersonation: parseImpersonation(name, part),
  };
}

/** A text that is there and not empty. */
function text(fields: Fields, key: string): string | undefined {
  const value = fields[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}
