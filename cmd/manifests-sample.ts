import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";
import { manifestArgs } from "./shared/manifests.ts";

const SAMPLES: Record<string, string> = {
  namespace: "A namespace for the Onload resource, with its ServiceAccount",
  onload: "An Onload resource with images that exist already",
  "in-cluster-build": "An Onload resource whose kernel modules KMM builds in the cluster",
  "in-cluster-build-openshift":
    "An Onload resource whose kernel modules KMM builds on OpenShift, into the registry of the cluster",
  "in-cluster-build-ubuntu": "An Onload resource whose kernel modules KMM builds for nodes with Ubuntu",
  pod: "A pod that uses Onload",
  "pod-x4": "A pod that uses Onload on an X4 NIC with its express datapath, with the huge pages that this needs",
  "pod-x3": "A pod that uses Onload on an X3 NIC, with the huge pages that this needs",
  profiles: "Onload's latency profile as a ConfigMap",
  networks: "Multus networks for pods: ipvlan, macvlan, host-device, bond and SR-IOV",
  sfnettest: "Server and client that measure latency, with the latency profile",
  "sfptpd-bond": "The PTP daemon (sfptpd) as a DaemonSet, with a master clock that it reaches through bond0",
  "sfptpd-link-local": "The PTP daemon as the clock of its neighbours, without a master clock",
  "sfptpd-system-clock": "The PTP daemon for a trial without PTP, which changes no clock",
  "sfptpd-openshift": "A MachineConfig that stops chronyd on OpenShift's workers",
  "sfptpd-monitoring": "A monitor and alert rules for the PTP daemon",
};

export default defineSubcommand({
  summary: "Print sample resources to start from",
  description: Object.entries(SAMPLES)
    .map(([name, does]) => `${name}: ${does}`)
    .join("\n\n"),
  args: {
    name: {
      type: "positional",
      required: false,
      default: "onload",
      completes: Object.keys(SAMPLES),
      description: `One of ${Object.keys(SAMPLES).join(", ")}`,
    },
    ...manifestArgs,
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests sample namespace | kubectl apply --server-side -f -",
      does: "Make a namespace whose pods may load drivers",
    },
    { run: "onloadctl manifests sample > onload.yaml", does: "Start an Onload resource of your own" },
  ],
  async run({ args }) {
    if (!Object.hasOwn(SAMPLES, args.name)) {
      throw new UsageError(`Unknown sample "${args.name}": use one of ${Object.keys(SAMPLES).join(", ")}`);
    }
    printData(render(`samples/${args.name}`, { namespace: namespaceFlag("namespace", args.namespace) }));
  },
});
