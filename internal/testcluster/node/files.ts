import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";

/** The values in the configuration files of the node. */
export interface NodeSettings {
  readonly name: string;
  readonly nodeAddress: string;
  /** HOST:PORT of the image registry, which speaks plain HTTP. */
  readonly registry: string;
  readonly sandboxImage: string;
  readonly caPath: string;
  /** Parent of all containers' cgroups. */
  readonly cgroup: string;
  readonly kubeconfigs: { readonly kubelet: string; readonly proxy: string; readonly multus: string };
  readonly programs: { readonly crictl: string; readonly multus: string };
}

const podRange = "10.244.0.0/24";

/** Writes the files that the node has beyond the host's, below the folders that init.sh lays over /etc and /usr. */
export function writeNodeFiles(folder: string, settings: NodeSettings): void {
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write("etc/containerd/onloadctl.toml", containerdConfig(settings));
  write(
    `etc/containerd/certs.d/${settings.registry}/hosts.toml`,
    `server = "http://${settings.registry}"\n[host."http://${settings.registry}"]\n  capabilities = ["pull", "resolve"]\n`,
  );
  write("etc/cni/net.d/00-multus.conf", JSON.stringify(multusConfig(settings), undefined, 2));
  write("etc/crictl.yaml", "runtime-endpoint: unix:///run/containerd/containerd.sock\ntimeout: 10\n");
  write("etc/kubernetes/kubelet.yaml", stringify(kubeletConfig(settings)));
  write("etc/kubernetes/kube-proxy.yaml", stringify(proxyConfig(settings)));
  mkdirSync(join(folder, "usr/bin"), { recursive: true });
  mkdirSync(join(folder, "usr/lib/cni"), { recursive: true });
  for (const [from, to] of [
    [settings.programs.crictl, "usr/bin/crictl"],
    [settings.programs.multus, "usr/lib/cni/multus"],
  ] as const) {
    copyFileSync(from, join(folder, to));
    chmodSync(join(folder, to), 0o755);
  }
}

/** For containerd 1.6 and 1.7. */
function containerdConfig(settings: NodeSettings): string {
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${settings.sandboxImage}"
  # Without CAP_SYS_RESOURCE no process may lower its score, and every sandbox would fail.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
`;
}

/** Multus, which gives every pod the bridge network and those that its annotation names. */
function multusConfig(settings: NodeSettings): unknown {
  return {
    cniVersion: "0.3.1",
    name: "multus",
    type: "multus",
    kubeconfig: settings.kubeconfigs.multus,
    delegates: [
      {
        cniVersion: "0.3.1",
        name: "pods",
        plugins: [
          {
            type: "bridge",
            bridge: "cni0",
            isGateway: true,
            ipMasq: true,
            hairpinMode: true,
            ipam: { type: "host-local", ranges: [[{ subnet: podRange }]], routes: [{ dst: "0.0.0.0/0" }] },
          },
          { type: "portmap", capabilities: { portMappings: true } },
        ],
      },
    ],
  };
}

function kubeletConfig(settings: NodeSettings): unknown {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: settings.nodeAddress,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: settings.caPath },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    cgroupDriver: "cgroupfs",
    failCgroupV1: false,
    // There is no hierarchy of quality classes; the cgroups of all pods are directly below one cgroup.
    cgroupsPerQOS: false,
    cgroupRoot: settings.cgroup,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    // A full disk of the host is no reason to evict a test's pods.
    evictionHard: {
      "memory.available": "0%",
      "nodefs.available": "0%",
      "imagefs.available": "0%",
      "nodefs.inodesFree": "0%",
    },
    imageGCHighThresholdPercent: 100,
    // There is no DNS server at this address. No pod of the test cluster needs one.
    clusterDNS: ["10.96.0.10"],
    maxPods: 250,
    serializeImagePulls: false,
    registryPullQPS: 0,
    // Changed devices show in the node's allocatable within a second.
    nodeStatusUpdateFrequency: "1s",
    oomScoreAdj: 0,
  };
}

function proxyConfig(settings: NodeSettings): unknown {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    clientConnection: { kubeconfig: settings.kubeconfigs.proxy },
    bindAddress: settings.nodeAddress,
    clusterCIDR: podRange,
    hostnameOverride: settings.name,
    mode: "iptables",
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    // The kubelet must not change limits of the kernel, which are shared with the host.
    conntrack: { maxPerCore: 0, min: 0 },
  };
}
