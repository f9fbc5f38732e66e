import type { Subcommand } from "../internal/cli/command.ts";

/** All subcommands. Each is loaded when it is asked for. */
export const root: Subcommand = {
  summary: "AMD Onload kernel-bypass networking on Kubernetes and OpenShift.",
  topics: {
    states: {
      summary: "The states of nodes, and what each waits for",
      load: async (columns) => (await import("../internal/operator/view/states-text.ts")).statesText(columns),
    },
  },
  elsewhere: {
    apply: "kubectl apply does it; onloadctl plan -f FILE says beforehand what that does",
    delete: "kubectl delete onload does it; onloadctl plan --delete says beforehand what that does",
    describe: "see onloadctl status, or kubectl describe onload",
    diff: "see onloadctl plan -f FILE --diff",
    events: "see kubectl events -n NAMESPACE",
    explain: "see kubectl explain onload.spec --recursive",
    get: "see onloadctl status, or kubectl get onload -A",
    install: "see onloadctl manifests install, which prints what kubectl apply installs",
    list: "see onloadctl status",
    logs: "see kubectl logs -n onload-operator-system deployment/onload-operator-controller-manager",
    sample: "see onloadctl manifests sample",
    states: "see onloadctl help states",
    upgrade:
      "change spec.onload.version and the images of the Onload resource; onloadctl plan -f FILE says beforehand what that does",
    watch: "see onloadctl status --watch",
  },
  names: async (...asked) => (await import("./shared/names.ts")).namesOf(...asked),
  subcommands: {
    check: {
      summary: "Check whether the cluster has what Onload needs; changes nothing",
      load: async () => (await import("./check.ts")).default,
    },
    "build-images": {
      summary: "Build the images that Onload on Kubernetes needs",
      load: async () => (await import("./build-images.ts")).default,
    },
    images: {
      summary: "List every image that Onload needs in a cluster, and copy them to another registry",
      load: async () => (await import("./images.ts")).default,
    },
    manifests: {
      summary: "Print the YAML that installs the operator, and more",
      load: async () => (await import("./manifests.ts")).default,
    },
    "gen-machineconfig": {
      summary: "Print the MachineConfig that loads the sfc driver at boot",
      load: async () => (await import("./gen-machineconfig.ts")).default,
    },
    status: {
      summary: "Show what each Onload resource and node is doing, and why",
      load: async () => (await import("./status.ts")).default,
    },
    wait: {
      summary: "Wait until Onload resources are Ready, or only a person can help",
      load: async () => (await import("./wait.ts")).default,
    },
    plan: {
      summary: "Show what the operator would do next; changes nothing",
      load: async () => (await import("./plan.ts")).default,
    },
    pause: {
      summary: "Pause the rollout of an Onload resource: no further node is upgraded",
      load: async () => (await import("./pause.ts")).default,
    },
    resume: {
      summary: "Let a paused rollout go on",
      load: async () => (await import("./resume.ts")).default,
    },
    retry: {
      summary: "Try again what has failed",
      load: async () => (await import("./retry.ts")).default,
    },
    rollback: {
      summary: "Go back to the last version that was Ready on every node",
      load: async () => (await import("./rollback.ts")).default,
    },
    doctor: {
      summary: "Say whether pods are accelerated, and if not, why not",
      load: async () => (await import("./doctor.ts")).default,
    },
    stack: {
      summary: "Show the Onload stacks of a pod, by onload_stackdump on its node",
      load: async () => (await import("./stack.ts")).default,
    },
    tcpdump: {
      summary: "Capture the accelerated traffic of a pod, which tcpdump does not see",
      load: async () => (await import("./tcpdump.ts")).default,
    },
    profile: {
      summary: "Show, check and convert Onload's profiles, without running them",
      load: async () => (await import("./profile.ts")).default,
    },
    uninstall: {
      summary: "Remove Onload from all nodes, and then the operator",
      load: async () => (await import("./uninstall.ts")).default,
    },
    version: {
      summary: "Show the versions of this program, the operator and KMM, and whether an operator acts",
      load: async () => (await import("./version.ts")).default,
    },
    completion: {
      summary: "Print the script that completes command lines in a shell",
      load: async () => (await import("./completion.ts")).default,
    },
    licenses: {
      summary: "Print the licences of all software in this executable",
      load: async () => (await import("./licenses.ts")).default,
    },
    operator: {
      summary: "Run the operator that rolls Onload out to nodes",
      inPods: true,
      load: async () => (await import("./operator.ts")).default,
    },
    "device-plugin": {
      summary: "Run the device plugin that offers amd.com/onload to the kubelet",
      inPods: true,
      load: async () => (await import("./device-plugin.ts")).default,
    },
    "control-plane": {
      summary: "Let the kernel start Onload's control plane server (onload_cp_server) in this container",
      inPods: true,
      load: async () => (await import("./control-plane.ts")).default,
    },
  },
};
