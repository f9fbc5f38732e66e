import { hostname } from "node:os";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { absolutePathFlag, durationFlag, integerFlag } from "../internal/cli/values.ts";
import { KUBELET_DIR, METRICS_ADDRESS } from "../internal/deviceplugin/contract.ts";
import { MAX_DEVICES } from "../internal/deviceplugin/devices.ts";
import { DEFAULT_HYSTERESIS } from "../internal/deviceplugin/health.ts";

const path = { type: "string", valueHint: "PATH" } as const;

export default defineSubcommand({
  summary: "Run the device plugin that offers amd.com/onload to the kubelet",
  description:
    "Runs on every node with Onload, as root, in the DaemonSet that the operator makes. Devices are healthy while the " +
    "device files of the kernel module, Onload's libraries and a NIC are there. SIGTERM gives the resource back.",
  args: {
    ...commonArgs,
    "max-pods": { type: "string", valueHint: "N", default: "100", description: "Pods that may use Onload at once" },
    "set-preload": { type: "boolean", default: true, description: "Set LD_PRELOAD in containers" },
    "mount-onload": {
      type: "boolean",
      default: false,
      description: "Mount the onload script and its profiles into containers; needs --set-preload=false",
    },
    "need-nic": {
      type: "boolean",
      default: true,
      description: "Keep devices unhealthy while there is no NIC that Onload can use",
    },
    "host-onload-path": { ...path, default: "/opt/onload", description: "Onload's files on the node" },
    "base-mount-path": { ...path, default: "/opt/onload", description: "In containers, before the two below" },
    "bin-mount-path": { ...path, default: "/usr/bin", description: "Where containers get the onload script" },
    "lib-mount-path": { ...path, default: "/usr/lib64", description: "Where containers get the libraries" },
    "device-strategy": {
      type: "enum",
      options: ["mounts", "cdi"],
      default: "mounts",
      description: "Give containers paths and devices, or the name of a CDI device (containerd 1.7, cri-o 1.23)",
    },
    "cdi-dir": { ...path, default: "/var/run/cdi", description: "Folder of the node's CDI files" },
    "kubelet-dir": { ...path, default: KUBELET_DIR, description: "Folder of kubelet.sock" },
    "host-root": { ...path, default: "/", description: "Where the node's /dev, /sys and files are found" },
    "proc-dir": { ...path, default: "/proc", description: "The node's /proc" },
    "pod-name": { type: "string", valueHint: "NAME", description: "Names the socket (default: $POD_NAME, host name)" },
    "onload-version": { type: "string", valueHint: "VERSION", default: "", description: "Shown in metrics" },
    "metrics-bind-address": {
      type: "string",
      valueHint: "HOST:PORT",
      default: METRICS_ADDRESS,
      description: "Address of /metrics, /healthz and /readyz; 0 for none",
    },
    "health-interval": { type: "string", valueHint: "TIME", default: "5s", description: "Longest time between looks" },
    "kubelet-timeout": {
      type: "string",
      valueHint: "TIME",
      default: "5m",
      description: "How long the kubelet may be away before /healthz is bad",
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
    "copy-executable": {
      summary: "Copy this program and its C library into a folder, to run in another image",
      load: async () => (await import("./device-plugin-copy.ts")).default,
    },
    "install-host-files": {
      summary: "Install Onload's files from the user image on the node",
      load: async () => (await import("./device-plugin-install.ts")).default,
    },
  },
  async run({ args, signal, log }) {
    const maxPods = integerFlag("max-pods", args["max-pods"], 0, 1_000_000);
    if (args["set-preload"] && args["mount-onload"]) {
      throw new UsageError("Flag --mount-onload excludes --set-preload: give --set-preload=false with it");
    }
    if (maxPods > MAX_DEVICES) {
      log.warn("Offering fewer devices than asked for, the most that fits one message", { devices: MAX_DEVICES });
    }
    const address = args["metrics-bind-address"];
    if (address !== "0" && !/^(\[[0-9a-f:]+\]|[^:\s]*):\d+$/i.test(address)) {
      throw new UsageError(`Flag --metrics-bind-address cannot be "${address}": give HOST:PORT, :PORT or 0`);
    }
    const { runDevicePlugin } = await import("../internal/deviceplugin/plugin.ts");
    await runDevicePlugin(
      {
        maxPods: Math.min(maxPods, MAX_DEVICES),
        setPreload: args["set-preload"],
        mountOnload: args["mount-onload"],
        needNic: args["need-nic"],
        hostOnloadPath: absolutePathFlag("host-onload-path", args["host-onload-path"]),
        baseMountPath: absolutePathFlag("base-mount-path", args["base-mount-path"]),
        binMountPath: absolutePathFlag("bin-mount-path", args["bin-mount-path"]),
        libMountPath: absolutePathFlag("lib-mount-path", args["lib-mount-path"]),
        strategy: args["device-strategy"] === "cdi" ? "cdi" : "mounts",
        cdiDir: absolutePathFlag("cdi-dir", args["cdi-dir"]),
        kubeletDir: absolutePathFlag("kubelet-dir", args["kubelet-dir"]),
        hostRoot: absolutePathFlag("host-root", args["host-root"]),
        procDir: absolutePathFlag("proc-dir", args["proc-dir"]),
        podName: args["pod-name"] ?? process.env["POD_NAME"] ?? hostname(),
        onloadVersion: args["onload-version"],
        healthIntervalMs: durationFlag("health-interval", args["health-interval"]),
        socketIntervalMs: 5000,
        kubeletTimeoutMs: durationFlag("kubelet-timeout", args["kubelet-timeout"]),
        hysteresis: DEFAULT_HYSTERESIS,
      },
      { log, now: Date.now, metricsAddress: address === "0" ? undefined : address },
      signal,
    );
  },
});
