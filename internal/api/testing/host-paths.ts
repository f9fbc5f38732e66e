/** Paths of the node and what becomes of each, wherever it is checked. Written by hand, not made from any rule. */

/** Values of spec.devicePlugin.hostOnloadPath that are refused, with a part of what is said. */
export const BAD_HOST_ONLOAD_PATHS: Readonly<Record<string, string>> = {
  "": "an absolute path",
  "opt/onload": "an absolute path",
  "/": "an absolute path",
  "//": "an absolute path",
  "/.": "an absolute path",
  "/./": "an absolute path",
  "/opt/./onload": "an absolute path",
  "/opt/..": "an absolute path",
  "/opt/../etc": "an absolute path",
  "/opt/onload:ro": "an absolute path",
  "/opt/on\nload": "no control characters",
  "/opt/onload\u0000": "no control characters",
  "/opt/\u001b[31monload": "no control characters",
  "/opt/onload\u007f": "no control characters",
  "/opt/\u009b31monload": "no control characters",
  "/sys": "a folder of the node's system",
  "/sys/kernel": "a folder of the node's system",
  "/dev": "a folder of the node's system",
  "/dev/shm/onload": "a folder of the node's system",
  "/proc/1/root": "a folder of the node's system",
  "//proc//1//root/opt/onload": "a folder of the node's system",
  "/etc": "a folder of the node's system",
  "///etc/": "a folder of the node's system",
  "/etc/cron.d": "a folder of the node's system",
  "/boot": "a folder of the node's system",
  "/run/onload": "a folder of the node's system",
  "/var/run/onload": "a folder of the node's system",
  "/var//run/onload": "a folder of the node's system",
  "/root/.ssh": "a folder of the node's system",
  "/usr": "a folder of the node's system",
  "/usr/lib64": "a folder of the node's system",
  "/usr//bin": "a folder of the node's system",
  "/lib64/security": "a folder of the node's system",
  "/opt": "a folder of the node's system",
  "/opt/cni/bin": "a folder of the node's system",
  "/var/lib/": "a folder of the node's system",
  "/var/lib/kubelet": "a folder of the node's system",
  "/var//lib/kubelet/pki": "a folder of the node's system",
  "/var/lib/containerd/io": "a folder of the node's system",
};

export const GOOD_HOST_ONLOAD_PATHS = [
  "/opt/onload",
  "/opt/onload/",
  "//opt//onload",
  "/opt/on load",
  "/opt/..onload",
  "/opt/onload.d",
  "/var/lib/onload/",
  "/var/opt/onload",
  "/usr/local/onload",
  "/etcetera",
  "/mnt/développement/onload",
] as const;

/** Values of spec.devicePlugin.kubeletDir that are refused. */
export const BAD_KUBELET_DIRS = [
  "",
  "var/lib/kubelet/device-plugins",
  "/device-plugins",
  "/var/lib/kubelet",
  "/var/lib/k0s/kubelet",
  "/var/lib/kubelet/device-plugins/kubelet.sock",
  "/var/lib/kubelet/mydevice-plugins",
  "/etc/../device-plugins",
  "/var/./device-plugins",
  "/var:lib/device-plugins",
  "/var/lib\n/device-plugins",
  `/${"a".repeat(63)}/device-plugins`,
] as const;

/** Values of spec.devicePlugin.podResourcesDir that are refused. */
export const BAD_POD_RESOURCES_DIRS = [
  "",
  "var/lib/kubelet/pod-resources",
  "/pod-resources",
  "/root/.ssh",
  "/var/lib/k0s/kubelet",
  "/var/lib/kubelet/pod-resources/kubelet.sock",
  "/etc/../pod-resources",
  "/var/lib\n/pod-resources",
  `/${"a".repeat(64)}/pod-resources`,
] as const;

export const GOOD_POD_RESOURCES_DIRS = [
  "/var/lib/k0s/kubelet/pod-resources",
  "/var/snap/microk8s/common/var/lib/kubelet/pod-resources/",
  `/${"a".repeat(63)}/pod-resources`,
] as const;

export const GOOD_KUBELET_DIRS = [
  "/var/lib/kubelet/device-plugins",
  "/var/lib/kubelet/device-plugins/",
  "/var/lib/k0s/kubelet/device-plugins",
  "/var/snap/microk8s/common/var/lib/kubelet/device-plugins",
  `/${"a".repeat(62)}/device-plugins`,
] as const;
