import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AuditLog } from "./audit-log.ts";
import type { AuditEvent } from "./audit-log.ts";
import { output } from "./lib/command.ts";
import { tool } from "./tools/index.ts";
import { Client } from "./client.ts";
import type { RequestOptions } from "./client.ts";
import { writeKubeconfig, writeTokenKubeconfig } from "./kubeconfig.ts";
import { CertificateAuthority } from "./pki.ts";
import type { KeyPair } from "./pki.ts";
import { bind, serviceAccountUser, type Binding } from "./rbac.ts";

/** The group of the cluster's own programs. Their requests are not in the audit log. */
export const infrastructureGroup = "onloadctl:infrastructure";

/** A user of the cluster: a client certificate and a kubeconfig that names it. */
export interface ClusterUser extends KeyPair {
  readonly name: string;
  readonly kubeconfigPath: string;
}

/** A running cluster. This process started it, or another process did and passed on its folder. */
export class Cluster {
  /** The folder with the cluster's certificates, kubeconfigs and logs. */
  readonly folder: string;
  /** https://ADDRESS:PORT. */
  readonly server: string;
  readonly admin: ClusterUser;
  readonly #authority: CertificateAuthority;
  readonly #client: Client;
  readonly #auditLog: AuditLog;

  constructor(folder: string, server: string) {
    this.folder = folder;
    this.#auditLog = new AuditLog(this.auditLogPath);
    this.server = server;
    this.#authority = new CertificateAuthority(join(folder, "pki"));
    this.admin = userFiles(folder, "admin");
    this.#client = new Client(server, this.caPath, this.admin);
  }

  get caPath(): string {
    return this.#authority.certPath;
  }

  /** The administrator's kubeconfig. */
  get kubeconfigPath(): string {
    return this.admin.kubeconfigPath;
  }

  /** Every request of users that are neither administrators nor the cluster's own programs, one JSON object a line. */
  get auditLogPath(): string {
    return join(this.folder, "audit.log");
  }

  /** Makes a user with a client certificate; without groups it has only the rights that the RBAC objects of a test give it. */
  async addUser(name: string, groups: readonly string[] = []): Promise<ClusterUser> {
    return await issueUser(this.folder, this.server, this.#authority, name, groups);
  }

  /** Writes a kubeconfig with a token of a ServiceAccount, good for a day, and returns its path. */
  async serviceAccountKubeconfig(namespace: string, name: string): Promise<string> {
    const { status } = await this.request<{ status: { token: string } }>(
      "POST",
      `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
      { body: { spec: { expirationSeconds: 86_400 } } },
    );
    const user = serviceAccountUser(namespace, name);
    const path = userFiles(this.folder, user).kubeconfigPath;
    mkdirSync(join(this.folder, "users"), { recursive: true });
    writeTokenKubeconfig(path, this.server, this.caPath, user, status.token);
    return path;
  }

  /** Makes a binding of a role, and waits until the API server heeds it; returns its name. */
  bind(binding: Binding): Promise<string> {
    return bind(this.#client, binding);
  }

  /** Sends a request as the administrator; see Client.request. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape depends on the path
  request<T = any>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    return this.#client.request<T>(method, path, options);
  }

  /** Runs kubectl as the administrator and returns its standard output; throws with its message if it fails. */
  async kubectl(args: readonly string[], options: { input?: string; signal?: AbortSignal } = {}): Promise<string> {
    const kubectl = await tool("kubectl");
    return await output([kubectl, "--kubeconfig", this.kubeconfigPath, ...args], options);
  }

  /** Applies manifests (YAML or JSON text) by server-side apply, forcing conflicts. */
  async apply(manifests: string): Promise<void> {
    await this.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], { input: manifests });
  }

  /** Makes a namespace of a unique name for one test and returns the name. */
  async createNamespace(prefix = "test"): Promise<string> {
    const name = `${prefix}-${crypto.randomUUID().slice(0, 8)}`;
    await this.request("POST", "/api/v1/namespaces", {
      body: {
        metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
      },
    });
    return name;
  }

  /** Reads the audit log: the requests of one user (a service account is system:serviceaccount:NAMESPACE:NAME). */
  auditEvents(username: string): AuditEvent[] {
    return this.#auditLog.events(username);
  }

  /** Closes the connections of this process; the cluster keeps running. */
  close(): void {
    this.#client.close();
  }
}

/** The files of a user, whether they exist yet or not. */
export function userFiles(folder: string, name: string): ClusterUser {
  const file = fileName(name);
  return {
    name,
    certPath: join(folder, "pki", `${file}.crt`),
    keyPath: join(folder, "pki", `${file}.key`),
    kubeconfigPath: join(folder, "users", `${file}.kubeconfig`),
  };
}

/** Issues a certificate for a user and writes the kubeconfig. */
export async function issueUser(
  folder: string,
  server: string,
  authority: CertificateAuthority,
  name: string,
  groups: readonly string[],
): Promise<ClusterUser> {
  const user = userFiles(folder, name);
  mkdirSync(join(folder, "users"), { recursive: true });
  await authority.issue(fileName(name), { name, groups });
  writeKubeconfig(user.kubeconfigPath, server, authority.certPath, name, user);
  return user;
}

function fileName(user: string): string {
  return user.replaceAll(/[^A-Za-z0-9.-]/g, "_");
}
