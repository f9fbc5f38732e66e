import { defineSubcommand } from "../internal/cli/command.ts";

export default defineSubcommand({
  summary: "Print the YAML that installs the operator, and more",
  description: "Prints the YAML to standard output, for kubectl apply or for a repository of your own.",
  examples: [
    {
      run: "onloadctl manifests install --image=registry.example.com/onloadctl:0.1.0 | kubectl apply --server-side --force-conflicts -f -",
      does: "Install or update the operator",
    },
    { run: "onloadctl manifests sample > onload.yaml", does: "Start an Onload resource of your own" },
    {
      run: "onloadctl manifests prometheus | kubectl apply --server-side --force-conflicts -f -",
      does: "Add alerts and a dashboard",
    },
  ],
  subcommands: {
    install: {
      summary: "Print the CRD, namespace, RBAC, admission policies and Deployment of the operator",
      load: async () => (await import("./manifests-install.ts")).default,
    },
    sample: {
      summary: "Print sample resources to start from",
      load: async () => (await import("./manifests-sample.ts")).default,
    },
    admission: {
      summary: "Print the admission policies alone",
      load: async () => (await import("./manifests-admission.ts")).default,
    },
    crd: {
      summary: "Print the CustomResourceDefinition of Onload alone",
      load: async () => (await import("./manifests-crd.ts")).default,
    },
    prometheus: {
      summary: "Print monitors, alert rules and a Grafana dashboard",
      load: async () => (await import("./manifests-prometheus.ts")).default,
    },
    openshift: {
      summary: "Print the roles that let a ServiceAccount use OpenShift's privileged SCC",
      load: async () => (await import("./manifests-openshift.ts")).default,
    },
    helm: {
      summary: "Write a Helm chart that installs the operator",
      load: async () => (await import("./manifests-helm.ts")).default,
    },
    bundle: {
      summary: "Write an OLM bundle, for a catalogue of the Operator Lifecycle Manager",
      load: async () => (await import("./manifests-bundle.ts")).default,
    },
  },
});
