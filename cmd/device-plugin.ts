import { hostname } from "node:os";
import {
  COPY_EXECUTABLE,
  DEVICE_PLUGIN,
  INSTALL_HOST_FILES,
  KUBELET_DIR,
  METRICS_PORT,
  PLUGIN_DEFAULTS,
  POD_NAME_VARIABLE,
  PROBE_ADDRESS,
  podResourcesDir,
} from "../internal/api/plugin-pod.ts";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { absolutePathFlag, durationFlag, integerFlag } from "../internal/cli/values.ts";
import { hostOnloadPathFlag } from "./shared/host-paths.ts";
import { MAX_DEVICES } from "../internal/deviceplugin/devices.ts";
import { DEFAULT_HYSTERESIS } from "../internal/deviceplugin/health.ts";
import { parseBindAddress } from "../internal/probes/bind-address.ts";

const path = { type: "string", valueHint: "PATH" } as const;
/** The flags that the DaemonSet sets, by setting. */
const FLAG = DEVICE_PLUGIN.flags;

export default defineSubcommand({
  summary: "Run the device plugin that offers amd.com/onload to the kubelet",
  description:
    "Runs on every node with Onload, as root, in the DaemonSet that the operator makes. Devices are healthy while the " +
    "device files of the kernel module, Onload's libraries and a NIC are there. On SIGTERM it withdraws the resource.",
  args: {
    ...commonArgs,
    [FLAG.maxPods]: {
      type: "string",
      valueHint: "N",
      default: String(PLUGIN_DEFAULTS.maxPods),
      description: "Pods that may use Onload at once",
    },
    [FLAG.setPreload]: {
      type: "boolean",
      default: PLUGIN_DEFAULTS.setPreload,
      description: "Set LD_PRELOAD in containers",
    },
    [FLAG.mountOnload]: {
      type: "boolean",
      default: PLUGIN_DEFAULTS.mountOnload,
      description: "Mount the onload script and its profiles into containers; needs --set-preload=false",
    },
    "need-nic": {
      type: "boolean",
      default: true,
      description: "Keep devices unhealthy while there is no NIC that Onload can use",
    },
    [FLAG.hostOnloadPath]: {
      ...path,
      default: PLUGIN_DEFAULTS.hostOnloadPath,
      description: "Onload's files on the node",
    },
    [FLAG.baseMountPath]: {
      ...path,
      default: PLUGIN_DEFAULTS.baseMountPath,
      description: "Where containers find Onload's files; the two paths below are added to it",
    },
    [FLAG.binMountPath]: {
      ...path,
      default: PLUGIN_DEFAULTS.binMountPath,
      description: "Where containers get the onload script",
    },
    [FLAG.libMountPath]: {
      ...path,
      default: PLUGIN_DEFAULTS.libMountPath,
      description: "Where containers get the libraries",
    },
    "device-strategy": {
      type: "enum",
      options: ["mounts", "cdi"],
      default: "mounts",
      description: "Give containers paths and devices, or the name of a CDI device (containerd 1.7, cri-o 1.23)",
    },
    "cdi-dir": { ...path, default: "/var/run/cdi", description: "Folder of the node's CDI files" },
    [FLAG.kubeletDir]: { ...path, default: KUBELET_DIR, description: "Folder of kubelet.sock" },
    [FLAG.podResourcesDir]: {
      ...path,
      default: podResourcesDir(KUBELET_DIR),
      description: "Folder in which the kubelet says which pods have which devices",
    },
    [FLAG.lookSocket]: {
      ...path,
      description: "Socket of `onloadctl control-plane`, which looks into pods' processes (default: no metrics by pod)",
    },
    "look-interval": {
      type: "string",
      valueHint: "TIME",
      default: "30s",
      description: "Shortest time between two looks into the processes",
    },
    [FLAG.stackMetrics]: {
      type: "boolean",
      default: PLUGIN_DEFAULTS.stackMetrics,
      description: "Serve counters of the pods' stacks as metrics, about twenty series per stack; needs --look-socket",
    },
    [FLAG.hostRoot]: { ...path, default: "/", description: "Where the node's /dev, /sys and files are found" },
    "proc-dir": { ...path, default: "/proc", description: "The node's /proc" },
    "pod-name": {
      type: "string",
      valueHint: "NAME",
      description: `Names the socket (default: $${POD_NAME_VARIABLE}, host name)`,
    },
    [FLAG.onloadVersion]: { type: "string", valueHint: "VERSION", default: "", description: "Shown in metrics" },
    [FLAG.metricsAddress]: {
      type: "string",
      valueHint: "HOST:PORT",
      default: `:${METRICS_PORT}`,
      description: "Address of /metrics; 0 for none",
    },
    "health-probe-bind-address": {
      type: "string",
      valueHint: "HOST:PORT",
      default: `${PROBE_ADDRESS.host}:${PROBE_ADDRESS.port}`,
      description: "Address of /healthz and /readyz; 0 for none",
    },
    "health-interval": {
      type: "string",
      valueHint: "TIME",
      default: "5s",
      description: "Longest time between two looks at the devices",
    },
    "kubelet-timeout": {
      type: "string",
      valueHint: "TIME",
      default: "5m",
      description: "How long the kubelet may be unreachable before /healthz reports a failure",
    },
  },
  examples: [
    { run: "onloadctl device-plugin --max-pods=20", does: "Offer 20 devices on this node" },
    {
      run: "onloadctl device-plugin --set-preload=false --mount-onload=true",
      does: "Let applications choose: onload -p latency APPLICATION",
    },
  ],
  subcommands: {
    [COPY_EXECUTABLE.words[1]]: {
      summary: "Copy this program and its C library into a folder, to run in another image",
      load: async () => (await import("./device-plugin-copy.ts")).default,
    },
    [INSTALL_HOST_FILES.words[1]]: {
      summary: "Install Onload's files from the user image on the node",
      load: async () => (await import("./device-plugin-install.ts")).default,
    },
  },
  service: true,
  async run({ args, signal, log }) {
    const maxPods = integerFlag(FLAG.maxPods, args[FLAG.maxPods], 0, 1_000_000);
    if (args[FLAG.setPreload] && args[FLAG.mountOnload]) {
      throw new UsageError(
        "Flags --mount-onload and --set-preload are mutually exclusive: give --set-preload=false with --mount-onload",
      );
    }
    if (maxPods > MAX_DEVICES) {
      log.warn("Offering fewer devices than asked for, the most that fits one message", { devices: MAX_DEVICES });
    }
    const metricsAddress = parseBindAddress(FLAG.metricsAddress, args[FLAG.metricsAddress]);
    const probeAddress = parseBindAddress("health-probe-bind-address", args["health-probe-bind-address"]);
    const lookSocket = args[FLAG.lookSocket];
    const { runDevicePlugin } = await import("../internal/deviceplugin/plugin.ts");
    await runDevicePlugin(
      {
        maxPods: Math.min(maxPods, MAX_DEVICES),
        setPreload: args[FLAG.setPreload],
        mountOnload: args[FLAG.mountOnload],
        needNic: args["need-nic"],
        hostOnloadPath: hostOnloadPathFlag(FLAG.hostOnloadPath, args[FLAG.hostOnloadPath]),
        baseMountPath: absolutePathFlag(FLAG.baseMountPath, args[FLAG.baseMountPath]),
        binMountPath: absolutePathFlag(FLAG.binMountPath, args[FLAG.binMountPath]),
        libMountPath: absolutePathFlag(FLAG.libMountPath, args[FLAG.libMountPath]),
        strategy: args["device-strategy"] === "cdi" ? "cdi" : "mounts",
        cdiDir: absolutePathFlag("cdi-dir", args["cdi-dir"]),
        kubeletDir: absolutePathFlag(FLAG.kubeletDir, args[FLAG.kubeletDir]),
        podResourcesDir: absolutePathFlag(FLAG.podResourcesDir, args[FLAG.podResourcesDir]),
        lookSocket: lookSocket && absolutePathFlag(FLAG.lookSocket, lookSocket),
        lookIntervalMs: durationFlag("look-interval", args["look-interval"]),
        stackMetrics: args[FLAG.stackMetrics],
        hostRoot: absolutePathFlag(FLAG.hostRoot, args[FLAG.hostRoot]),
        procDir: absolutePathFlag("proc-dir", args["proc-dir"]),
        podName: args["pod-name"] ?? process.env[POD_NAME_VARIABLE] ?? hostname(),
        onloadVersion: args[FLAG.onloadVersion],
        healthIntervalMs: durationFlag("health-interval", args["health-interval"]),
        socketIntervalMs: 5000,
        kubeletTimeoutMs: durationFlag("kubelet-timeout", args["kubelet-timeout"]),
        hysteresis: DEFAULT_HYSTERESIS,
      },
      { log, now: Date.now, elapsed: () => performance.now(), metricsAddress, probeAddress },
      signal,
    );
  },
});
