/** A cluster in which all of `manifests install` is, admission policies included, and the people who try what they can. */
import { errorText } from "../../cli/errors.ts";
import { ONLOADS } from "../../api/resources.ts";
import type { Client } from "../../kube/client.ts";
import { connect } from "../../kube/connect.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import { onloadSpec, OperatorCluster, PATIENCE_MS } from "./operator-cluster.ts";

export class ProtectedCluster implements AsyncDisposable {
  readonly cluster: OperatorCluster;
  /** The Onload resource's namespace. */
  readonly namespace: string;
  readonly pool: string;
  nodes: string[] = [];
  /** Admin of {@link namespace}, with the role by which the original let people edit Onload resources there. */
  tenant!: Client;
  /** May deploy Onload, and nothing else. */
  deployer!: Client;
  /** May change nodes, as the pods of a network plugin may; see {@link bindAgent}. */
  agent!: Client;
  /** The operator's own credentials, in the hands of somebody else. */
  thief!: Client;
  readonly #clients: Client[] = [];

  private constructor(cluster: OperatorCluster, namespace: string) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.pool = `p${crypto.randomUUID().slice(0, 8)}`;
  }

  /** Installs everything, and starts the operator. There is no Onload resource yet. */
  static async start(nodes: number): Promise<ProtectedCluster> {
    const cluster = await OperatorCluster.start({ installed: true });
    const made = new ProtectedCluster(cluster, await cluster.createNamespace());
    made.nodes = await cluster.kubelet.createNodes(nodes, made.pool, { pool: made.pool });
    made.tenant = await made.#user("tenant");
    await made.bindInNamespace("User", "tenant", "admin");
    await made.bindInNamespace("User", "tenant", "onload-operator-onload-editor-role");
    made.deployer = await made.#user("deployer");
    await cluster.plane.bind({
      role: "onload-operator-onload-deployer-role",
      subject: { kind: "User", name: "deployer" },
    });
    made.thief = await made.clientOf(cluster.user.kubeconfigPath);
    // The API server takes a moment until new policies are in force.
    await poll(async () => (await refusal(made.create(made.tenant, "early", { dryRun: true }))).includes("denied"), {
      what: "The policies being in force",
      timeoutMs: PATIENCE_MS,
    });
    await cluster.startOperator();
    return made;
  }

  async clientOf(kubeconfig: string): Promise<Client> {
    const client = await connect({ kubeconfig });
    this.#clients.push(client);
    return client;
  }

  async #user(name: string): Promise<Client> {
    return this.clientOf((await this.cluster.plane.addUser(name)).kubeconfigPath);
  }

  /** Makes {@link agent}. */
  async bindAgent(): Promise<void> {
    this.agent = await this.#user("agent");
    const rules = [{ apiGroups: [""], resources: ["nodes", "nodes/status"], verbs: ["get", "patch"] }];
    const metadata = { name: "node-agent" };
    await this.cluster.plane.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {
      body: { metadata, rules },
    });
    await this.cluster.plane.bind({ role: "node-agent", subject: { kind: "User", name: "agent" } });
  }

  /** Gives somebody a role in {@link namespace}. */
  async bindInNamespace(kind: "User" | "ServiceAccount", name: string, role: string): Promise<void> {
    const { namespace } = this;
    await this.cluster.plane.bind({ role, subject: { kind, name, namespace }, namespace });
  }

  /** Somebody creates an Onload resource for the nodes. */
  create(client: Client, name: string, options: { dryRun?: boolean } = {}): Promise<unknown> {
    const spec = onloadSpec(this.pool, "v1", { upgrade: { drain: { timeoutSeconds: 2, force: true } } });
    const metadata = { namespace: this.namespace, name };
    const object = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata, spec };
    return client.create(ONLOADS, object, options);
  }

  /** Somebody changes the Onload resource. */
  edit(client: Client, change: object): Promise<unknown> {
    return client.mergePatch(ONLOADS, { namespace: this.namespace, name: "main" }, change);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.transport.close();
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** Why something is refused; "" if it is not. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "";
  } catch (error) {
    return errorText(error);
  }
}
