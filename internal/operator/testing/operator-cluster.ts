/** A control plane with KMM 1.1.0, the operator's CRD and RBAC, and a fake kubelet: what the operator's cluster tests start from. */
import { join } from "node:path";
import { startControlPlane, startKmm, type AuditEvent, type ControlPlane } from "../../testcluster/index.ts";
import { builtExecutable } from "../../testcluster/lib/built.ts";
import { freePorts } from "../../testcluster/lib/ports.ts";
import { run } from "../../testcluster/lib/command.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import type { Node, Pod } from "../../api/core.ts";
import { LEASE_NAME, OPERATOR_SERVICE_ACCOUNT, pluginLabel } from "../../api/names.ts";
import type { Onload, OnloadSpecInput, OnloadStatus } from "../../api/onload.ts";
import type { Client } from "../../kube/client.ts";
import { connect } from "../../kube/connect.ts";
import { ONLOADS } from "../../api/resources.ts";
import type { Lease } from "../../kube/kinds.ts";
import { LEASES, NODES, PODS } from "../../kube/resource.ts";
import { microTime } from "../../kube/times.ts";
import { FakeKubelet } from "./fake-kubelet.ts";
import { addOperatorUser, installAll, installRole, OPERATORS, OPERATORS_GROUP, type OperatorUser } from "./install.ts";
import { OperatorProcess } from "./operator-process.ts";
import { toldOtherwise, type ToldEvent } from "./told.ts";

/** Long, because tests share a small machine; nothing waits for it that goes well. */
export const PATIENCE_MS = 240_000;

/** Events of one moment are sent within this time, also where many wait to be sent. */
const TOLD_MS = 20_000;

const STAND_IN_LEASE = { namespace: "default", name: LEASE_NAME };

/** Which onloadctl an operator is of. */
export interface Release {
  /** By default this one's. */
  executable?: string;
  /** The image, which is the device plugin's too. */
  image?: string;
  /** The operator's own pod, as its Deployment names it to it. It then finds out the image by itself. */
  pod?: { namespace: string; name: string };
}

export class OperatorCluster implements AsyncDisposable {
  readonly plane: ControlPlane;
  readonly client: Client;
  readonly kubelet: FakeKubelet;
  readonly user: OperatorUser;
  readonly #kubeletClient: Client;
  #standInBound: Promise<unknown> | undefined;
  #operators: OperatorProcess[] = [];
  #kmm = false;

  private constructor(plane: ControlPlane, client: Client, kubeletClient: Client, user: OperatorUser) {
    this.plane = plane;
    this.client = client;
    this.#kubeletClient = kubeletClient;
    this.kubelet = new FakeKubelet(kubeletClient);
    this.user = user;
  }

  /**
   * @param options.admissionPolicies false: the API server knows none, like one before Kubernetes 1.30
   * @param options.kmm false leaves KMM out; see installKmm
   * @param options.installed everything that `manifests install` prints is in the cluster, admission policies included,
   *   and the operator runs as its ServiceAccount; a folder: the manifests of another release; "nothing": not even the CRD
   *   and the operator's rights, which the test installs
   */
  static async start({
    kmm = true,
    installed = false,
    admissionPolicies = true,
  }: {
    kmm?: boolean;
    installed?: boolean | string;
    admissionPolicies?: boolean;
  } = {}): Promise<OperatorCluster> {
    const plane = await startControlPlane({ admissionPolicies });
    const user =
      installed === false
        ? await installRole(plane)
        : installed === "nothing"
          ? await addOperatorUser(plane)
          : await installAll(plane, installed === true ? undefined : installed);
    // Admission policies know kubelets by their group.
    const kubelet = await plane.addUser("fake-kubelet", ["system:masters", "system:nodes"]);
    const client = await connect({ kubeconfig: plane.kubeconfigPath });
    const kubeletClient = await connect({ kubeconfig: kubelet.kubeconfigPath });
    const cluster = new OperatorCluster(plane, client, kubeletClient, user);
    if (kmm) await cluster.installKmm();
    return cluster;
  }

  /** Installs and starts KMM, unless it is there. */
  async installKmm(): Promise<void> {
    if (!this.#kmm) await startKmm(this.plane);
    this.#kmm = true;
  }

  /** Starts an operator and waits until it is ready. */
  async startOperator(args: readonly string[] = [], user = this.user, release: Release = {}): Promise<OperatorProcess> {
    const operator = await this.launchOperator(args, user, release);
    await poll(() => operator.isReady(), {
      what: "Readiness of the operator",
      timeoutMs: PATIENCE_MS,
    });
    return operator;
  }

  /** One more user that an operator may run as, so that the audit log tells two of them apart. */
  addOperatorUser(name: string): Promise<OperatorCluster["user"]> {
    return this.plane.addUser(name, [OPERATORS]);
  }

  /** Lets operators hold Leases in a namespace; gives the arguments with which they do. */
  async allowLeases(namespace: string): Promise<string[]> {
    const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const metadata = { name: "leases" };
    const rules = [
      {
        apiGroups: ["coordination.k8s.io"],
        resources: ["leases"],
        verbs: ["get", "create", "patch"],
      },
    ];
    await this.plane.request("POST", `${roles}/roles`, {
      body: { metadata, rules },
    });
    await this.plane.bind({
      role: "leases",
      kind: "Role",
      subject: OPERATORS_GROUP,
      namespace,
    });
    // Where no operator's ServiceAccount has its role, no Lease counts.
    await this.plane.bind({
      role: "onload-operator-manager-role",
      subject: { kind: "ServiceAccount", name: OPERATOR_SERVICE_ACCOUNT, namespace },
    });
    return ["--leader-elect", `--leader-election-namespace=${namespace}`];
  }

  async launchOperator(
    args: readonly string[] = [],
    user = this.user,
    { executable, image = "registry/onloadctl:1", pod }: Release = {},
  ): Promise<OperatorProcess> {
    const ports = (await freePorts(2)) as [number, number];
    const logFile = join(this.plane.folder, `operator-${this.#operators.length}.log`);
    const options = {
      kubeconfig: user.kubeconfigPath,
      executable: executable ?? (await builtExecutable()),
      args,
      logFile,
      env: pod ? { POD_NAMESPACE: pod.namespace, POD_NAME: pod.name } : { DEVICE_PLUGIN_IMG: image },
    };
    const operator = OperatorProcess.start(options, ports);
    this.#operators.push(operator);
    return operator;
  }

  /** Ends every operator that was started. */
  async stopOperators(): Promise<void> {
    await Promise.all(this.#operators.splice(0).map((operator) => operator.kill()));
  }

  /** A namespace with the ServiceAccount of {@link onloadSpec}. */
  async createNamespace(): Promise<string> {
    const namespace = await this.plane.createNamespace("o");
    await this.plane.request("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
      body: { metadata: { name: "onload" } },
    });
    return namespace;
  }

  async createOnload(namespace: string, spec: OnloadSpecInput, name = "main", more: object = {}): Promise<void> {
    const metadata = { namespace, name, ...more };
    await this.client.create(ONLOADS, {
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      metadata,
      spec,
    } as never);
  }

  async editOnload(namespace: string, spec: object, name = "main"): Promise<void> {
    await this.client.mergePatch(ONLOADS, { namespace, name }, { spec });
  }

  async deleteOnload(namespace: string, name = "main"): Promise<void> {
    await this.client.delete(ONLOADS, { namespace, name });
  }

  /** Deletes every Onload, waits until the operator is done with it, and takes the nodes away. */
  async clear(): Promise<void> {
    for (const { metadata } of (await this.client.list(ONLOADS)).items) {
      if (metadata.namespace) await this.deleteOnload(metadata.namespace, metadata.name);
    }
    await poll(async () => (await this.client.list(ONLOADS)).items.length === 0, {
      what: "The end of every Onload",
      timeoutMs: PATIENCE_MS,
    });
    for (const { metadata } of (await this.client.list(NODES)).items) await this.kubelet.deleteNode(metadata.name);
  }

  onload(namespace: string, name = "main"): Promise<Onload | undefined> {
    return this.client.get<Onload>(ONLOADS, { namespace, name });
  }

  async status(namespace: string, name = "main"): Promise<OnloadStatus | undefined> {
    return (await this.onload(namespace, name))?.status;
  }

  /** Waits until a condition has a status, and a reason if one is given; gives its message. */
  async condition(namespace: string, type: string, status: string, reason?: string, name = "main"): Promise<string> {
    let seen: unknown;
    return poll(
      async () => {
        const onload = await this.onload(namespace, name);
        seen = onload?.status;
        const found = onload?.status?.conditions?.find((each) => each.type === type);
        const current = onload?.status?.observedGeneration === onload?.metadata.generation;
        const fits = current && found?.status === status && (reason === undefined || found.reason === reason);
        if (!fits) throw new Error(JSON.stringify(seen));
        return found.message;
      },
      {
        what: `${type}=${status}${reason ? ` (${reason})` : ""}`,
        timeoutMs: PATIENCE_MS,
        intervalMs: 100,
      },
    );
  }

  ready(namespace: string, name = "main"): Promise<string> {
    return this.condition(namespace, "Ready", "True", undefined, name);
  }

  async gone(namespace: string, name = "main"): Promise<void> {
    await poll(async () => (await this.onload(namespace, name)) === undefined, {
      what: `The end of Onload ${name}`,
      timeoutMs: PATIENCE_MS,
    });
  }

  async node(name: string): Promise<Node> {
    return (await this.client.get<Node>(NODES, { name }))!;
  }

  /** Version of the plugin label on a node. */
  async versionOn(node: string, namespace: string, name = "main"): Promise<string | undefined> {
    return (await this.node(node)).metadata.labels?.[pluginLabel({ namespace, name })];
  }

  /** Labels and annotations on a node that are ours or KMM's. */
  async traces(node: string): Promise<string[]> {
    const { labels = {}, annotations = {} } = (await this.node(node)).metadata;
    const ours = (key: string): boolean => /onload\.amd\.com|kmm\.node\.kubernetes\.io\/version-|\.ready$/.test(key);
    return [...Object.keys(labels), ...Object.keys(annotations)].filter(ours);
  }

  /** Status, nodes and pods on one line, for messages. */
  async describe(namespace: string, name = "main"): Promise<string> {
    const nodes = (await this.client.list<Node>(NODES)).items.map(({ metadata }) => [
      metadata.name,
      metadata.labels,
      metadata.annotations,
    ]);
    const pods = (await this.client.list<Pod>(PODS, { namespace })).items.map(({ metadata, spec, status }) => [
      metadata.name,
      spec?.nodeName,
      status?.phase,
      metadata.deletionTimestamp,
      metadata.finalizers,
    ]);
    return JSON.stringify({
      status: await this.status(namespace, name),
      nodes,
      pods,
    });
  }

  /**
   * Waits until kubectl shows a reason for a resource, and holds what kubectl prints against `onloadctl status`, `plan`,
   * and the metrics and events of the operator that was started last.
   *
   * @returns what differs; nothing if they say the same
   */
  async differences(namespace: string, reason: string, name = "main"): Promise<string[]> {
    // Commands look a moment later, while time limits run out, and events are sent a moment later.
    const end = Date.now() + TOLD_MS;
    let found: string[];
    do {
      await this.#tellThatItActs();
      const row = await poll(
        async () => {
          const columns = await this.#kubectlRow(namespace, name);
          return columns["STATUS"] === reason ? columns : undefined;
        },
        { what: `The reason ${reason}`, timeoutMs: PATIENCE_MS },
      );
      const [shown, plan, status, metrics, events] = await Promise.all([
        this.#shown("status", namespace, name),
        this.#shown("plan", namespace, name),
        this.status(namespace, name),
        this.#operators.at(-1)!.metricsText(),
        this.events(namespace, name),
      ]);
      const nodes = (shown["nodes"] as unknown[]).length;
      found = [
        ...shownOtherwise(row, namespace, shown),
        ...shownOtherwise(row, namespace, { ...plan, desired: shown["desired"], ready: shown["ready"] }),
        ...toldOtherwise({ namespace, name, row, nodes, status, metrics, events }),
      ];
    } while (found.length > 0 && Date.now() < end);
    await this.client.delete(LEASES, STAND_IN_LEASE);
    return found;
  }

  /**
   * Renews the Lease by which commands know that an operator acts: without it they show only what the operator has written.
   * Most operators of these tests keep none.
   */
  async #tellThatItActs(): Promise<void> {
    const spec = { holderIdentity: "operator", leaseDurationSeconds: 60, renewTime: microTime(Date.now()) };
    // Where no operator's ServiceAccount has its role, no Lease counts.
    this.#standInBound ??= this.plane.bind({
      role: "onload-operator-manager-role",
      subject: { kind: "ServiceAccount", name: OPERATOR_SERVICE_ACCOUNT, namespace: STAND_IN_LEASE.namespace },
    });
    await this.#standInBound;
    const found = await this.client.get<Lease>(LEASES, STAND_IN_LEASE);
    if (found) await this.client.mergePatch<Lease>(LEASES, STAND_IN_LEASE, { spec });
    else await this.client.create<Lease>(LEASES, { metadata: STAND_IN_LEASE, spec });
  }

  /** What a command prints of one resource. */
  async #shown(command: string, namespace: string, name: string): Promise<Record<string, unknown>> {
    const args = [command, name, "-n", namespace, "-o", "json"];
    return (JSON.parse(await this.onloadctl(args)) as Record<string, unknown>[])[0]!;
  }

  /** The columns of `kubectl get onload -o wide`, by their headings. */
  async #kubectlRow(namespace: string, name: string): Promise<Record<string, string>> {
    const text = await this.plane.kubectl(["get", "onload", "-n", namespace, name, "-o", "wide"]);
    const [head = "", row = ""] = text.split("\n");
    const columns = [...head.matchAll(/\S+\s*/g)];
    return Object.fromEntries(
      columns.map(({ 0: heading, index }) => [heading.trim(), row.slice(index, index + heading.length).trim()]),
    );
  }

  /** What `onloadctl` prints, run by the cluster's administrator. */
  async onloadctl(args: readonly string[]): Promise<string> {
    const env = { KUBECONFIG: this.plane.kubeconfigPath, NO_COLOR: "1" };
    return (await run([await builtExecutable(), ...args], { env })).stdout;
  }

  /** Notes of the events about a resource, oldest first. */
  async events(namespace: string, name = "main"): Promise<(ToldEvent & { type: string })[]> {
    const list = await this.plane.request<{
      items: (ToldEvent & { type: string; regarding: { name: string } })[];
    }>("GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    return list.items
      .filter(({ regarding }) => regarding.name === name)
      .sort((a, b) => a.eventTime.localeCompare(b.eventTime));
  }

  /** Waits for an event of a reason, whose text names something: events are sent beside the status, in any order with it. */
  async told(namespace: string, reason: string, about = ""): Promise<void> {
    const isTold = async (): Promise<boolean> =>
      (await this.events(namespace)).some((event) => event.reason === reason && event.note.includes(about));
    await poll(isTold, { what: `Event ${reason}`, timeoutMs: PATIENCE_MS });
  }

  /** What the operator has asked of the API server. */
  requests(): AuditEvent[] {
    return this.plane.auditEvents(this.user.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopOperators();
    await this.kubelet.close();
    this.client.transport.close();
    this.#kubeletClient.transport.close();
    await this.plane[Symbol.asyncDispose]();
  }
}

/** What a command shows otherwise than kubectl. */
function shownOtherwise(
  row: Readonly<Record<string, string>>,
  namespace: string,
  shown: Readonly<Record<string, unknown>>,
): string[] {
  const columns = ["Namespace", "Name", "Version", "Desired", "Ready", "Status", "Message"] as const;
  const expected: Record<string, string> = { ...row, NAMESPACE: namespace };
  return columns
    .map((column) => [column, String(shown[column.toLowerCase()]), expected[column.toUpperCase()] ?? ""] as const)
    .filter(([, ours, theirs]) => ours !== theirs)
    .map(([column, ours, theirs]) => `${column}: "${ours}", and kubectl: "${theirs}"`);
}

/** A spec for version `version`, for the nodes that have the label `pool`. */
export function onloadSpec(pool: string, version: string, changes: Partial<OnloadSpecInput> = {}): OnloadSpecInput {
  return {
    selector: { pool },
    serviceAccountName: "onload",
    onload: imagesOf(version),
    ...changes,
  };
}

/** spec.onload for a version. */
export function imagesOf(version: string): OnloadSpecInput["onload"] {
  const kernelModuleImage = `registry/onload-module:${version}`;
  return {
    kernelMappings: [{ regexp: ".*", kernelModuleImage }],
    userImage: `registry/onload-user:${version}`,
    version,
  };
}
