/** One Go program that the test cluster runs or a test compares with. */
export interface Tool {
  /** The folder below internal/testcluster/tools whose go.mod pins the module; programs of one family share their dependencies. */
  readonly family: string;
  /** The package that is built. */
  readonly package: string;
  /** The module whose version is the program's; absent for our own programs. */
  readonly module?: string;
  /** Variables set by the linker; VERSION stands for the module's version. */
  readonly variables?: Readonly<Record<string, string>>;
}

const kubernetes = (name: string): Tool => ({
  family: "kubernetes",
  package: `k8s.io/kubernetes/cmd/${name}`,
  module: "k8s.io/kubernetes",
  variables: {
    "k8s.io/component-base/version.gitVersion": "VERSION",
    "k8s.io/component-base/version.gitMajor": "MAJOR",
    "k8s.io/component-base/version.gitMinor": "MINOR",
    "k8s.io/component-base/version.gitTreeState": "clean",
  },
});

/** Every program by the name of its executable. */
export const catalogue = {
  "kube-apiserver": kubernetes("kube-apiserver"),
  "kube-controller-manager": kubernetes("kube-controller-manager"),
  "kube-scheduler": kubernetes("kube-scheduler"),
  kubelet: kubernetes("kubelet"),
  "kube-proxy": kubernetes("kube-proxy"),
  kubectl: kubernetes("kubectl"),
  etcd: { family: "etcd", package: "go.etcd.io/etcd/server/v3", module: "go.etcd.io/etcd/server/v3" },
  kwok: {
    family: "kwok",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    module: "sigs.k8s.io/kwok",
    variables: { "sigs.k8s.io/kwok/pkg/consts.Version": "VERSION" },
  },
  "kmm-manager": {
    family: "kmm",
    package: "github.com/kubernetes-sigs/kernel-module-management/cmd/manager",
    module: "github.com/kubernetes-sigs/kernel-module-management",
  },
  butane: {
    family: "butane",
    package: "github.com/coreos/butane/internal",
    module: "github.com/coreos/butane",
    variables: { "github.com/coreos/butane/internal/version.Raw": "VERSION" },
  },
  "ignition-validate": {
    family: "ignition",
    package: "github.com/coreos/ignition/v2/validate",
    module: "github.com/coreos/ignition/v2",
    variables: { "github.com/coreos/ignition/v2/internal/version.Raw": "VERSION" },
  },
  multus: {
    family: "multus",
    package: "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/multus",
    module: "gopkg.in/k8snetworkplumbingwg/multus-cni.v4",
  },
  crictl: {
    family: "cri-tools",
    package: "sigs.k8s.io/cri-tools/cmd/crictl",
    module: "sigs.k8s.io/cri-tools",
    variables: { "sigs.k8s.io/cri-tools/pkg/version.Version": "VERSION" },
  },
  actionlint: {
    family: "actionlint",
    package: "github.com/rhysd/actionlint/cmd/actionlint",
    module: "github.com/rhysd/actionlint",
  },
  helm: {
    family: "helm",
    package: "helm.sh/helm/v3/cmd/helm",
    module: "helm.sh/helm/v3",
    variables: {
      "helm.sh/helm/v3/internal/version.version": "VERSION",
      // The Kubernetes that is assumed without a cluster. Helm's own builds name that of its client-go, which is 0.37.
      "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": "37",
      "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": "37",
    },
  },
  pause: { family: "pause", package: "." },
  "kubelet-client": { family: "kubelet-client", package: "." },
  "go-regexp": { family: "go-regexp", package: "." },
  "go-quantity": { family: "go-quantity", package: "." },
  "go-httpproxy": { family: "go-httpproxy", package: "." },
  "go-lua": { family: "go-lua", package: "." },
  "go-kstatus": { family: "go-kstatus", package: "." },
  "go-crd": { family: "go-crd", package: "." },
  "go-olm": { family: "go-olm", package: "." },
} as const satisfies Record<string, Tool>;

/** The name of a program in the catalogue. */
export type ToolName = keyof typeof catalogue;
