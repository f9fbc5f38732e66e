/** The DaemonSet of the device plugin. What its pod must hold is written in internal/deviceplugin/contract.ts. */
import { posix } from "node:path";
import type { DaemonSet, DeepReadonly } from "../../api/core.ts";
import {
  DEVICE_PLUGIN_CONTAINER,
  VERSION_LABEL,
  WORKER_CONTAINER,
  devicePluginName,
  devicePluginSelector,
  objectLabels,
  pluginLabel,
} from "../../api/names.ts";
import { controlPlaneParameters, type Onload } from "../../api/onload.ts";

/** Where the node's own paths are found in the pod's containers. */
const HOST_ROOT = "/host";
/** Where our executable is for containers of the user image, and how it is started there without their libraries. */
const EXECUTABLE_DIR = "/onloadctl";
const EXECUTABLE = ["/onloadctl/ld.so", "--library-path", "/onloadctl/lib", "/onloadctl/onloadctl"];
const KUBELET_DIR = "/var/lib/kubelet/device-plugins";
const METRICS_PORT = 9470;

const ROOT = { privileged: true, runAsUser: 0, runAsGroup: 0 };
/** Keeps the runtime from compiling what is called often: a container that does next to nothing needs none of it. */
const NO_JIT = { name: "BUN_JSC_useJIT", value: "0" };
/**
 * Options of the runtime for the device plugin: a small heap, and compile late, by the simplest compiler, and never
 * beside the work. Of all that was tried, this alone answers in under half a millisecond and stays under 50 MB: without
 * the compiler a call takes half as long again, and as it comes the runtime takes 10 MB more.
 */
export const PLUGIN_RUNTIME: Readonly<Record<string, string>> = {
  BUN_OPTIONS: "--smol",
  BUN_JSC_useDFGJIT: "0",
  BUN_JSC_useRegExpJIT: "0",
  BUN_JSC_useConcurrentJIT: "0",
  BUN_JSC_thresholdForJITAfterWarmUp: "100000",
  BUN_JSC_thresholdForJITSoon: "100000",
};
const DEFAULT_RESOURCES = { requests: { cpu: "10m", memory: "64Mi" } };

/**
 * The DaemonSet, as the body of a server-side apply.
 *
 * Pods run where the plugin label is, whatever its value, and are never replaced by the DaemonSet controller
 * (OnDelete): so a new version changes no running pod. The rollout takes the label from a node, the pod goes, and when
 * the label is set again a pod of the new version comes.
 *
 * @param image the device plugin's image: {@link devicePluginImage}
 */
export function desiredDaemonSet(onload: DeepReadonly<Onload>, image: string): DaemonSet {
  const { spec, metadata } = onload;
  const key = { namespace: metadata.namespace ?? "", name: metadata.name };
  const version = { [VERSION_LABEL]: spec.onload.version };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: {
      name: devicePluginName(key.name),
      namespace: key.namespace,
      labels: { ...objectLabels(key, "device-plugin"), ...version },
    },
    spec: {
      selector: { matchLabels: devicePluginSelector(key) },
      updateStrategy: { type: "OnDelete" },
      template: {
        metadata: {
          labels: { ...devicePluginSelector(key), ...version },
          annotations: { "kubectl.kubernetes.io/default-container": DEVICE_PLUGIN_CONTAINER },
        },
        spec: podSpec(onload, image, pluginLabel(key)),
      },
    },
  };
}

/**
 * The device plugin's image: the resource's own, else the operator's DEVICE_PLUGIN_IMG, else the image that the
 * operator runs from.
 *
 * @returns undefined where none of them is known
 */
export function devicePluginImage(
  { spec }: DeepReadonly<Onload>,
  operator: { fromEnvironment: string | undefined; ownImage: string | undefined },
): string | undefined {
  return spec.devicePlugin.devicePluginImage || operator.fromEnvironment || operator.ownImage || undefined;
}

function podSpec({ spec }: DeepReadonly<Onload>, image: string, nodeLabel: string): object {
  const hostOnload = posix.join("/", spec.devicePlugin.hostOnloadPath).replace(/\/$/, "");
  const volumes = mounts(hostOnload);
  const plugin = { image, ...pullPolicy(spec.devicePlugin.imagePullPolicy) };
  const user = { image: spec.onload.userImage, ...pullPolicy(spec.onload.imagePullPolicy) };
  const files = [
    `--onload-version=${spec.onload.version}`,
    `--host-onload-path=${hostOnload}`,
    `--host-root=${HOST_ROOT}`,
  ];
  return {
    ...(spec.serviceAccountName ? { serviceAccountName: spec.serviceAccountName } : {}),
    // Nothing in the pod talks to the API server.
    automountServiceAccountToken: false,
    ...(spec.imagePullSecrets ? { imagePullSecrets: spec.imagePullSecrets.map(({ name }) => ({ name })) } : {}),
    // onload_cp_server serves the network namespace that it runs in, and is given others by their paths in /proc.
    hostNetwork: true,
    hostPID: true,
    priorityClassName: "system-node-critical",
    terminationGracePeriodSeconds: 10,
    ...(spec.tolerations ? { tolerations: spec.tolerations } : {}),
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: nodeLabel, operator: "Exists" }] }],
        },
      },
    },
    initContainers: [
      {
        name: "copy-onloadctl",
        ...plugin,
        args: ["device-plugin", "copy-executable", `--to=${EXECUTABLE_DIR}`],
        volumeMounts: [volumes.executable],
      },
      {
        name: "install-host-files",
        ...user,
        command: EXECUTABLE,
        args: ["device-plugin", "install-host-files", ...files],
        securityContext: ROOT,
        volumeMounts: [readOnly(volumes.executable), volumes.hostOnload, readOnly(volumes.sys)],
      },
    ],
    containers: [
      {
        name: DEVICE_PLUGIN_CONTAINER,
        ...plugin,
        // The copy, not the image's own: the kernel keeps one file in memory for both containers.
        command: EXECUTABLE,
        args: ["device-plugin", ...files, ...pluginFlags(spec.devicePlugin)],
        env: [
          { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          ...Object.entries(PLUGIN_RUNTIME).map(([name, value]) => ({ name, value })),
        ],
        securityContext: { ...ROOT, readOnlyRootFilesystem: true },
        ports: [{ name: "metrics", containerPort: METRICS_PORT, protocol: "TCP" }],
        livenessProbe: { httpGet: { path: "/healthz", port: "metrics" }, periodSeconds: 20, failureThreshold: 3 },
        readinessProbe: { httpGet: { path: "/readyz", port: "metrics" }, periodSeconds: 5 },
        resources: spec.devicePlugin.resources ?? DEFAULT_RESOURCES,
        volumeMounts: [
          readOnly(volumes.executable),
          volumes.kubelet,
          volumes.hostOnload,
          volumes.dev,
          readOnly(volumes.sys),
        ],
      },
      {
        name: WORKER_CONTAINER,
        ...user,
        command: EXECUTABLE,
        args: ["control-plane", `--host-root=${HOST_ROOT}`, `--parameters=${controlPlaneParameters(spec).join(" ")}`],
        env: [NO_JIT],
        securityContext: ROOT,
        resources: DEFAULT_RESOURCES,
        volumeMounts: [readOnly(volumes.executable), volumes.dev, volumes.sys],
      },
    ],
    volumes: [
      { name: "onloadctl", emptyDir: {} },
      { name: "kubelet", hostPath: { path: KUBELET_DIR, type: "Directory" } },
      { name: "host-onload", hostPath: { path: hostOnload, type: "DirectoryOrCreate" } },
      // The node's own /dev and /sys: a privileged container has copies that do not follow later changes.
      { name: "host-dev", hostPath: { path: "/dev", type: "Directory" } },
      { name: "host-sys", hostPath: { path: "/sys", type: "Directory" } },
    ],
  };
}

interface Mount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
}

function mounts(hostOnload: string): Record<"executable" | "kubelet" | "hostOnload" | "dev" | "sys", Mount> {
  return {
    executable: { name: "onloadctl", mountPath: EXECUTABLE_DIR },
    kubelet: { name: "kubelet", mountPath: KUBELET_DIR },
    hostOnload: { name: "host-onload", mountPath: posix.join(HOST_ROOT, hostOnload) },
    dev: { name: "host-dev", mountPath: `${HOST_ROOT}/dev` },
    sys: { name: "host-sys", mountPath: `${HOST_ROOT}/sys` },
  };
}

function readOnly(mount: Mount): Mount {
  return { ...mount, readOnly: true };
}

function pluginFlags(plugin: DeepReadonly<Onload["spec"]["devicePlugin"]>): string[] {
  // The original joined these paths whatever slashes they had; the device plugin wants each of them absolute.
  const absolute = (path: string): string => posix.join("/", path);
  return [
    `--max-pods=${plugin.maxPodsPerNode}`,
    `--set-preload=${plugin.setPreload}`,
    `--mount-onload=${plugin.mountOnload}`,
    `--base-mount-path=${absolute(plugin.baseMountPath)}`,
    `--bin-mount-path=${absolute(plugin.binMountPath)}`,
    `--lib-mount-path=${absolute(plugin.libMountPath ?? "/usr/lib64")}`,
  ];
}

function pullPolicy(policy: string | undefined): { imagePullPolicy?: string } {
  return policy ? { imagePullPolicy: policy } : {};
}
