/** The DaemonSet of the device plugin. Names, paths and flags of its pod are in internal/api/plugin-pod.ts. */
import { posix } from "node:path";
import type { DaemonSet, DeepReadonly } from "../../api/core.ts";
import {
  HEALTHZ_PATH,
  READYZ_PATH,
  VERSION_LABEL,
  devicePluginName,
  devicePluginSelector,
  onloadKeyOf,
  objectLabels,
  pluginLabel,
} from "../../api/names.ts";
import { controlPlaneParameters, type Onload } from "../../api/onload.ts";
import {
  CONTROL_PLANE,
  COPY_CONTAINER,
  COPY_EXECUTABLE,
  DEVICE_PLUGIN,
  DEVICE_PLUGIN_CONTAINER,
  EXECUTABLE_DIR,
  HOST_ROOT,
  INSTALL_CONTAINER,
  INSTALL_HOST_FILES,
  LOOK_SOCKET,
  METRICS_PORT,
  METRICS_PORT_NAME,
  NEUTRAL_VARIABLES,
  NODE_IP_VARIABLE,
  PLUGIN_DEFAULTS,
  PLUGIN_RUNTIME,
  POD_NAME_VARIABLE,
  PROBE_ADDRESS,
  WORKER_CONTAINER,
  WORKER_RUNTIME,
  commandLine,
  executableCommand,
  joinParameters,
  podResourcesDir,
  podVolumes,
  type PodVolume,
} from "../../api/plugin-pod.ts";

/** Root on the node, which the kernel lets use every device. */
const PRIVILEGED = { privileged: true, runAsUser: 0, runAsGroup: 0 };
/** What no container needs that is not privileged. */
const CONFINED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  seccompProfile: { type: "RuntimeDefault" },
};
/** Any user but root, whose files the others of the pod can read. */
const NOBODY = {
  ...CONFINED,
  runAsNonRoot: true,
  runAsUser: 65532,
  runAsGroup: 65532,
  capabilities: { drop: ["ALL"] },
};
/**
 * Root without rights over the machine, who reads and writes files whoever owns them: those of the user image, of the
 * kubelet's folder and of the node's folder for Onload. With SELinux only this type may do so (as KMM's workers have it).
 */
const FILES_OF_NODE = {
  ...CONFINED,
  runAsUser: 0,
  runAsGroup: 0,
  capabilities: { drop: ["ALL"], add: ["DAC_OVERRIDE"] },
  seLinuxOptions: { type: "spc_t" },
};
/** Resources of each container, unless the Onload resource gives others. The limit is several times what each takes. */
const DEFAULT_RESOURCES = { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "256Mi" } };

/**
 * The DaemonSet, as the body of a server-side apply.
 *
 * Pods run on every node that has the plugin label, whatever its value. They are never replaced by the DaemonSet controller
 * (OnDelete): so a new version changes no running pod. The rollout takes the label from a node, the pod goes, and when
 * the label is set again a pod of the new version comes.
 *
 * @param image the device plugin's image: {@link devicePluginImage}
 */
export function desiredDaemonSet(onload: DeepReadonly<Onload>, image: string): DaemonSet {
  const { spec } = onload;
  const key = onloadKeyOf(onload);
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
 * @returns undefined if none of them is known
 */
export function devicePluginImage(
  { spec }: DeepReadonly<Onload>,
  operator: { fromEnvironment: string | undefined; ownImage: string | undefined },
): string | undefined {
  return spec.devicePlugin.devicePluginImage || operator.fromEnvironment || operator.ownImage || undefined;
}

function podSpec({ spec }: DeepReadonly<Onload>, image: string, nodeLabel: string): object {
  const hostOnload = folder(spec.devicePlugin.hostOnloadPath);
  const kubeletDir = folder(spec.devicePlugin.kubeletDir);
  const podResources = folder(spec.devicePlugin.podResourcesDir ?? podResourcesDir(kubeletDir));
  const volumes = podVolumes(hostOnload, kubeletDir, podResources);
  const command = executableCommand(EXECUTABLE_DIR);
  const plugin = { image, ...pullPolicy(spec.devicePlugin.imagePullPolicy) };
  const user = { image: spec.onload.userImage, ...pullPolicy(spec.onload.imagePullPolicy) };
  const files = { onloadVersion: spec.onload.version, hostOnloadPath: hostOnload, hostRoot: HOST_ROOT };
  return {
    ...(spec.serviceAccountName ? { serviceAccountName: spec.serviceAccountName } : {}),
    // Nothing in the pod talks to the API server.
    automountServiceAccountToken: false,
    ...(spec.imagePullSecrets ? { imagePullSecrets: spec.imagePullSecrets.map(({ name }) => ({ name })) } : {}),
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
        name: COPY_CONTAINER,
        ...plugin,
        args: commandLine(COPY_EXECUTABLE, { to: EXECUTABLE_DIR }),
        env: environment({}),
        securityContext: NOBODY,
        resources: DEFAULT_RESOURCES,
        volumeMounts: [mount(volumes.executable)],
      },
      {
        name: INSTALL_CONTAINER,
        ...user,
        command,
        args: commandLine(INSTALL_HOST_FILES, files),
        env: environment({}),
        securityContext: FILES_OF_NODE,
        resources: DEFAULT_RESOURCES,
        // In /sys it finds out whether SELinux is on.
        volumeMounts: [readOnly(volumes.executable), mount(volumes.hostOnload), readOnly(volumes.sys)],
      },
    ],
    containers: [
      {
        name: DEVICE_PLUGIN_CONTAINER,
        ...plugin,
        // The copy, not the image's own executable, so that the kernel keeps one file in memory for both containers.
        command,
        args: commandLine(DEVICE_PLUGIN, {
          ...files,
          kubeletDir,
          podResourcesDir: HOST_ROOT + podResources,
          lookSocket: LOOK_SOCKET,
          ...pluginSettings(spec.devicePlugin),
        }),
        env: [
          { name: POD_NAME_VARIABLE, valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
          { name: NODE_IP_VARIABLE, valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } },
          ...environment(PLUGIN_RUNTIME),
        ],
        securityContext: FILES_OF_NODE,
        ...metricsPort(metricsAddress(spec.devicePlugin)),
        livenessProbe: { ...probe(HEALTHZ_PATH), periodSeconds: 20, failureThreshold: 3 },
        readinessProbe: { ...probe(READYZ_PATH), periodSeconds: 5 },
        resources: spec.devicePlugin.resources ?? DEFAULT_RESOURCES,
        volumeMounts: [
          readOnly(volumes.executable),
          mount(volumes.kubelet),
          // To connect to a socket, one need not be able to write to its folder.
          readOnly(volumes.podResources),
          readOnly(volumes.look),
          mount(volumes.hostOnload),
          readOnly(volumes.dev),
          readOnly(volumes.sys),
          ...(volumes.bootStatus ? [readOnly(volumes.bootStatus)] : []),
        ],
      },
      {
        name: WORKER_CONTAINER,
        ...user,
        command,
        args: commandLine(CONTROL_PLANE, {
          hostRoot: HOST_ROOT,
          parameters: joinParameters(controlPlaneParameters(spec)),
          crictlPath: spec.onload.controlPlane?.crictlPath,
          runtimeEndpoint: spec.onload.controlPlane?.runtimeEndpoint,
          lookSocket: LOOK_SOCKET,
        }),
        env: environment(WORKER_RUNTIME),
        securityContext: PRIVILEGED,
        resources: DEFAULT_RESOURCES,
        // /sys is writable: the module's parameters are set there.
        volumeMounts: [readOnly(volumes.executable), mount(volumes.look), mount(volumes.dev), mount(volumes.sys)],
      },
    ],
    volumes: Object.values(volumes).map(({ name, hostPath }) => ({
      name,
      ...(hostPath ? { hostPath } : { emptyDir: {} }),
    })),
  };
}

/** A path of the node without slashes that mean nothing. */
function folder(path: string): string {
  return posix.join("/", path).replace(/\/$/, "");
}

function mount({ name, mountPath }: PodVolume): { name: string; mountPath: string } {
  return { name, mountPath };
}

function readOnly(volume: PodVolume): object {
  return { ...mount(volume), readOnly: true };
}

function probe(path: string): object {
  return { httpGet: { path, ...PROBE_ADDRESS } };
}

/** The kubelet puts the variable's value in its place. Brackets are for IPv6, and do no harm to IPv4. */
function metricsAddress({ metricsBindAddress }: DeepReadonly<Onload["spec"]["devicePlugin"]>): string {
  return metricsBindAddress ?? `[$(${NODE_IP_VARIABLE})]:${METRICS_PORT}`;
}

/** The port by which monitoring finds the metrics of a pod; none if they are not served. */
function metricsPort(address: string): object {
  const containerPort = Number(/:(\d+)$/.exec(address)?.[1] ?? 0);
  return containerPort === 0 ? {} : { ports: [{ name: METRICS_PORT_NAME, containerPort, protocol: "TCP" }] };
}

/** The variables of a container, and nothing for those by which its image could load code into our program. */
function environment(variables: Readonly<Record<string, string>>): { name: string; value?: string }[] {
  const neutral = NEUTRAL_VARIABLES.filter((name) => !Object.hasOwn(variables, name));
  return [...Object.entries(variables).map(([name, value]) => ({ name, value })), ...neutral.map((name) => ({ name }))];
}

function pluginSettings(plugin: DeepReadonly<Onload["spec"]["devicePlugin"]>) {
  // The original joined these paths whatever slashes they had; the device plugin wants each of them absolute.
  const absolute = (path: string): string => posix.join("/", path);
  return {
    maxPods: plugin.maxPodsPerNode,
    setPreload: plugin.setPreload,
    mountOnload: plugin.mountOnload,
    baseMountPath: absolute(plugin.baseMountPath),
    binMountPath: absolute(plugin.binMountPath),
    libMountPath: absolute(plugin.libMountPath ?? PLUGIN_DEFAULTS.libMountPath),
    metricsAddress: metricsAddress(plugin),
    // Left out if it is off, so that pods are as they were before there was such a setting.
    stackMetrics: plugin.stackMetrics || undefined,
  };
}

function pullPolicy(policy: string | undefined): { imagePullPolicy?: string } {
  return policy ? { imagePullPolicy: policy } : {};
}
