import { OPERATOR_NAME } from "../internal/api/names.ts";
import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import type { Logger } from "../internal/cli/log.ts";
import { isNamespaceName } from "../internal/cli/values.ts";
import { parseBindAddress } from "../internal/probes/bind-address.ts";
import { certificateOf, type CertificateSource } from "../internal/probes/certificate.ts";
import { ControllerMetrics } from "../internal/controller/metrics.ts";
import { connect } from "../internal/kube/connect.ts";
import { runOperator } from "../internal/operator/operator.ts";

export default defineSubcommand({
  summary: "Run the operator that rolls Onload out to nodes",
  description:
    "Brings every node that an Onload resource selects to the version of that resource, one step at a time: modules through KMM, the device plugin by a DaemonSet.\n\nIt reads these variables of its environment: DEVICE_PLUGIN_IMG, the image of the device plugin where a resource names none; POD_NAME and POD_NAMESPACE, its own pod; NODE_NAME, the node that it runs on, which is upgraded last.",
  args: {
    "metrics-bind-address": {
      type: "string",
      valueHint: "ADDRESS",
      default: ":8080",
      description: "Address of /metrics; 0 turns it off",
    },
    "metrics-secure": {
      type: "boolean",
      default: false,
      description:
        "Serve metrics by TLS, and only to clients whose token the API server allows to get /metrics (see manifests install --secure-metrics)",
    },
    "metrics-cert-path": {
      type: "string",
      valueHint: "FOLDER",
      description: "Folder of tls.crt and tls.key for --metrics-secure (default: a self-signed certificate)",
    },
    "health-probe-bind-address": {
      type: "string",
      valueHint: "ADDRESS",
      default: ":8081",
      description: "Address of /healthz and /readyz; 0 turns it off",
    },
    "leader-elect": {
      type: "boolean",
      default: false,
      description: "Act only while holding the Lease, so that several replicas can stand by",
    },
    "leader-election-namespace": {
      type: "string",
      valueHint: "NS",
      description: "Namespace of the Lease (default: the operator's own)",
    },
    "watch-namespaces": {
      type: "string",
      valueHint: "NS[,NS]",
      description: "Handle only Onload resources of these namespaces (default: all)",
    },
    "allow-force-drain": {
      type: "boolean",
      default: false,
      description:
        "Let spec.upgrade.drain.force reach pods of every namespace, also of those that have not agreed by an annotation",
    },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl operator --leader-elect", does: "Run as the Deployment does" },
    {
      run: "onloadctl operator --kubeconfig ~/.kube/config --metrics-bind-address=0 --health-probe-bind-address=0",
      does: "Run outside the cluster, with a kubeconfig",
    },
  ],
  service: true,
  async run({ args, signal, log }) {
    const metricsAddress = parseBindAddress("metrics-bind-address", args["metrics-bind-address"]);
    const healthProbeAddress = parseBindAddress("health-probe-bind-address", args["health-probe-bind-address"]);
    const certPath = args["metrics-cert-path"];
    if (certPath !== undefined && !args["metrics-secure"]) {
      throw new UsageError("Flag --metrics-cert-path needs --metrics-secure: without it metrics are plain HTTP");
    }
    const namespaces = namespaceList(args["watch-namespaces"]);
    const metrics = new ControllerMetrics();
    const client = await connect({
      kubeconfig: args.kubeconfig,
      context: args.context,
      onRequest: metrics.onRequest,
    });
    const { POD_NAME, POD_NAMESPACE, NODE_NAME, DEVICE_PLUGIN_IMG } = process.env;
    await runOperator(
      {
        client,
        metrics,
        log,
        namespaces,
        metricsAddress,
        metricsCertificate:
          args["metrics-secure"] && metricsAddress ? await metricsCertificate(certPath, log) : undefined,
        healthProbeAddress,
        leaderElect: args["leader-elect"],
        leaseNamespace: args["leader-election-namespace"] || POD_NAMESPACE || client.namespace,
        pod: { name: POD_NAME || undefined, namespace: POD_NAMESPACE || undefined },
        nodeName: NODE_NAME || undefined,
        pluginImage: DEVICE_PLUGIN_IMG || undefined,
        forceEverywhere: args["allow-force-drain"],
      },
      signal,
    );
  },
});

async function metricsCertificate(folder: string | undefined, log: Logger): Promise<CertificateSource> {
  if (folder !== undefined) {
    return certificateOf(folder, (error) => log.error("Cannot renew the certificate of metrics", { error }));
  }
  const { selfSigned } = await import("../internal/probes/self-signed.ts");
  return selfSigned(OPERATOR_NAME);
}

function namespaceList(value: string | undefined): string[] {
  const list = (value ?? "").split(",").map((each) => each.trim());
  if (value === undefined || value === "") return [];
  const wrong = list.find((each) => !isNamespaceName(each));
  if (wrong !== undefined) {
    throw new UsageError(
      `Flag --watch-namespaces cannot be "${value}": "${wrong}" is not the name of a namespace; give names, separated by commas`,
    );
  }
  return [...new Set(list)];
}
