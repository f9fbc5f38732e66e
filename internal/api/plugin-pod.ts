/**
 * The pod of the device plugin, as both of its sides see it. The operator renders these names, paths and flags into a
 * DaemonSet (internal/operator/desired/daemonset.ts). The subcommands that run in the pod's containers read them
 * (cmd/device-plugin*.ts, cmd/control-plane.ts).
 *
 * The pod is given more than names:
 * - hostPID: onload_cp_server opens /proc/PID/ns/net of processes of the node, and the device plugin reads the mount
 *   tables of all containers before it removes old files.
 * - hostNetwork: `onload_cp_server --bootstrap` serves the network namespace that it runs in, which must be the node's.
 * - onload-worker is privileged: onload_cp_server opens the node's device files in it, which no cgroup but that of a
 *   privileged container lets it do without a device of the kubelet, and the module's parameters are written in /sys.
 *   The other containers are not. What they have is tried on a real node, and each capability there is needed.
 * - The worker looks into the processes and stacks of pods that hold Onload, because it is privileged already. The device plugin would
 *   need CAP_SYS_PTRACE for it, by which whoever takes it over could take over every process of the node, and others on
 *   the network reach it. It asks the worker over a socket in a folder that only these two have.
 */
import { posix } from "node:path";
import { BOOT_STATUS_FILE } from "./boot-status.ts";
import { BUN_VARIABLES, LOADER_VARIABLES, SMALL_HEAP } from "./runtime-variables.ts";

/** Containers of the pod. */
export const COPY_CONTAINER = "copy-onloadctl";
export const INSTALL_CONTAINER = "install-host-files";
export const DEVICE_PLUGIN_CONTAINER = "device-plugin";
export const WORKER_CONTAINER = "onload-worker";

/**
 * Folder in which the kubelet listens and looks for the sockets of device plugins unless the resource says otherwise.
 * It is the same whatever the kubelet's --root-dir is (kubernetes/kubernetes issue 120626), but not where the kubelet
 * runs in a container with another /var/lib.
 */
export const KUBELET_DIR = "/var/lib/kubelet/device-plugins";

/** Name of the folder, beside that one, in which the kubelet tells which pods have which devices. */
const POD_RESOURCES = "pod-resources";

/**
 * The folder of the kubelet's PodResources service on a node with that folder of device plugins, unless the kubelet has
 * another --root-dir, which it follows and that one does not.
 */
export function podResourcesDir(kubeletDir: string): string {
  return posix.join(posix.dirname(kubeletDir), POD_RESOURCES);
}

/** The node's own folders of devices and of kernel settings. */
export const DEV_DIR = "/dev";
export const SYS_DIR = "/sys";

/** Device files that Onload's library and onload_cp_server open. Each container that runs Onload needs all of them. */
export const DEVICE_FILES = [`${DEV_DIR}/onload`, `${DEV_DIR}/onload_epoll`, `${DEV_DIR}/sfc_char`] as const;

/** Onload's files: in the user image always, and on the node and in containers unless the resource says otherwise. */
export const ONLOAD_DIR = "/opt/onload";

/** Settings of the device plugin unless the resource, or the command line, says otherwise. */
export const PLUGIN_DEFAULTS = {
  maxPods: 100,
  setPreload: true,
  mountOnload: false,
  hostOnloadPath: ONLOAD_DIR,
  baseMountPath: ONLOAD_DIR,
  binMountPath: "/usr/bin",
  libMountPath: "/usr/lib64",
  stackMetrics: false,
} as const;

/** Arguments of onload_cp_server unless the resource, or the command line, says otherwise. */
export const DEFAULT_PARAMETERS: readonly string[] = ["-K"];

/** The folder at which containers of the pod find the node's root folder: the node's /dev is at HOST_ROOT/dev. */
export const HOST_ROOT = "/host";

/**
 * Name of the port of metrics, and its number unless the resource gives another. It is one of the node's, because the
 * pod is in the node's network.
 */
export const METRICS_PORT_NAME = "metrics";
export const METRICS_PORT = 9470;

/** Environment variable with the node's own address, on which metrics are served unless the resource gives another. */
export const NODE_IP_VARIABLE = "NODE_IP";

/**
 * Where probes are served: only the kubelet asks, which is in the node's network as well.
 *
 * /readyz is good once the kubelet lists the devices, healthy or not, because a plugin's pod may start before the
 * kernel module is loaded: only the node's allocatable amd.com/onload says that pods can use it. /healthz is bad once
 * the kubelet has been out of reach for longer than --kubelet-timeout.
 */
export const PROBE_ADDRESS = { host: "127.0.0.1", port: 9471 } as const;

/** Environment variable with the pod's name, after which the plugin's socket is named. */
export const POD_NAME_VARIABLE = "POD_NAME";

/**
 * Environment of the device plugin: options of the JavaScript runtime. The plugin runs on every node for years and is
 * called only when a pod starts, so a small process matters more than fast calls. These options keep the heap small,
 * leave out the optimising compilers, and compile late and never on a second thread.
 *
 * Measured by scripts/bench/device-plugin.ts: with them, and with no other set that was tried, a call takes less than
 * half a millisecond and the process less than 50 MB. Without any compiler a call takes half as long again. With the
 * runtime's defaults the process takes 10 MB more.
 */
export const PLUGIN_RUNTIME: Readonly<Record<string, string>> = {
  ...SMALL_HEAP,
  BUN_JSC_useDFGJIT: "0",
  BUN_JSC_useRegExpJIT: "0",
  BUN_JSC_useConcurrentJIT: "0",
  BUN_JSC_thresholdForJITAfterWarmUp: "100000",
  BUN_JSC_thresholdForJITSoon: "100000",
};

/**
 * Environment of the worker, which only looks at a few files each second: nothing is compiled at all. Files are read by
 * threads, of which there would be as many as processors; reading files of hostile containers may hang 13 of them. One
 * is made only when all before it are busy.
 */
export const WORKER_RUNTIME: Readonly<Record<string, string>> = { BUN_JSC_useJIT: "0", UV_THREADPOOL_SIZE: "20" };

/**
 * What every container of the pod sets to nothing, unless it has a value of its own for it: the environment of a user
 * image must not load code into our program.
 */
export const NEUTRAL_VARIABLES: readonly string[] = [...BUN_VARIABLES, ...LOADER_VARIABLES];

/** The folder that our executable is copied to, and the names in it. */
export const EXECUTABLE_DIR = "/onloadctl";
export const EXECUTABLE_FILES = { program: "onloadctl", loader: "ld.so", libraries: "lib" } as const;

/**
 * The command that starts the copied executable in any image. It brings its own dynamic loader and C library, which a
 * user image need not have. LD_LIBRARY_PATH would not do: onload_cp_server would inherit it.
 */
export function executableCommand(folder: string): string[] {
  const { program, loader, libraries } = EXECUTABLE_FILES;
  return [`${folder}/${loader}`, "--library-path", `${folder}/${libraries}`, `${folder}/${program}`];
}

/** The folder of the socket on which the worker looks into processes for the device plugin, and the socket. */
const LOOK_DIR = "/onloadctl-look";
export const LOOK_SOCKET = `${LOOK_DIR}/look.sock`;

/** A volume of the pod. */
export interface PodVolume {
  name: string;
  /** Where each container that has the volume finds it. */
  mountPath: string;
  /** The node's folder that it is; undefined for an empty folder that lives as long as the pod. */
  hostPath?: { path: string; type: "Directory" | "DirectoryOrCreate" };
}

/**
 * The pod's volumes.
 *
 * @param hostOnloadPath folder of Onload's files on the node, absolute and without a slash at its end
 * @param kubeletDir folder of kubelet.sock on the node, in the same form
 * @param podResources folder of the kubelet's PodResources service on the node, in the same form
 */
export function podVolumes(
  hostOnloadPath: string,
  kubeletDir: string,
  podResources: string,
): Record<"executable" | "look" | "kubelet" | "podResources" | "hostOnload" | "dev" | "sys", PodVolume> & {
  bootStatus?: PodVolume;
} {
  const ofNode = (name: string, path: string): PodVolume => ({
    name,
    mountPath: posix.join(HOST_ROOT, path),
    hostPath: { path, type: "Directory" },
  });
  const bootStatusDir = posix.dirname(BOOT_STATUS_FILE);
  return {
    // About 120 MB, by which containers of the user image run our program.
    executable: { name: "onloadctl", mountPath: EXECUTABLE_DIR },
    look: { name: "look", mountPath: LOOK_DIR },
    // At the same path as on the node: the kubelet is told a socket's name only, never its folder.
    kubelet: { ...ofNode("kubelet", kubeletDir), mountPath: kubeletDir },
    // If the kubelet has it elsewhere, this one is empty, and all the rest works.
    podResources: {
      ...ofNode("pod-resources", podResources),
      hostPath: { path: podResources, type: "DirectoryOrCreate" },
    },
    hostOnload: {
      ...ofNode("host-onload", hostOnloadPath),
      hostPath: { path: hostOnloadPath, type: "DirectoryOrCreate" },
    },
    // The node's own: a privileged container has copies of its own, which do not follow later changes.
    dev: ofNode("host-dev", DEV_DIR),
    sys: ofNode("host-sys", SYS_DIR),
    // What the sfc boot service says. Onload's own files may be in the same folder.
    ...(bootStatusDir === hostOnloadPath
      ? {}
      : {
          bootStatus: {
            ...ofNode("boot-status", bootStatusDir),
            hostPath: { path: bootStatusDir, type: "DirectoryOrCreate" as const },
          },
        }),
  };
}

/** A subcommand that a container of the pod runs, and the names of the flags that it is given. */
export interface PodCommand<Setting extends string = string> {
  words: readonly string[];
  flags: Readonly<Record<Setting, string>>;
}

/** Fills {@link EXECUTABLE_DIR}. */
export const COPY_EXECUTABLE = {
  words: ["device-plugin", "copy-executable"],
  flags: { to: "to" },
} as const satisfies PodCommand;

/** Installs Onload's files on the node. */
export const INSTALL_HOST_FILES = {
  words: ["device-plugin", "install-host-files"],
  flags: { onloadVersion: "onload-version", hostOnloadPath: "host-onload-path", hostRoot: "host-root" },
} as const satisfies PodCommand;

/**
 * Offers devices to the kubelet. Paths are the node's or those of applications' containers. Only --host-root is a path
 * of the plugin's own container: the one at which it finds the node's.
 */
export const DEVICE_PLUGIN = {
  words: ["device-plugin"],
  flags: {
    ...INSTALL_HOST_FILES.flags,
    kubeletDir: "kubelet-dir",
    podResourcesDir: "pod-resources-dir",
    lookSocket: "look-socket",
    maxPods: "max-pods",
    setPreload: "set-preload",
    mountOnload: "mount-onload",
    baseMountPath: "base-mount-path",
    binMountPath: "bin-mount-path",
    libMountPath: "lib-mount-path",
    metricsAddress: "metrics-bind-address",
    stackMetrics: "stack-metrics",
  },
} as const satisfies PodCommand;

/** Has the kernel start onload_cp_server in the container. */
export const CONTROL_PLANE = {
  words: ["control-plane"],
  flags: {
    hostRoot: "host-root",
    parameters: "parameters",
    crictlPath: "crictl-path",
    runtimeEndpoint: "runtime-endpoint",
    lookSocket: "look-socket",
  },
} as const satisfies PodCommand;

/**
 * The arguments of a container that runs `command`: all flags, in the order in which they are declared, but for those
 * whose setting is undefined.
 */
export function commandLine<Setting extends string>(
  command: PodCommand<Setting>,
  settings: Readonly<Record<Setting, string | number | boolean | undefined>>,
): string[] {
  const flags = Object.entries<string>(command.flags) as [Setting, string][];
  const given = flags.filter(([setting]) => settings[setting] !== undefined);
  return [...command.words, ...given.map(([setting, flag]) => `--${flag}=${settings[setting]}`)];
}

/** Arguments of onload_cp_server as the one value that a flag, and the module's parameter, has for all of them. */
export function joinParameters(parameters: readonly string[]): string {
  return parameters.join(" ");
}

/** The arguments of onload_cp_server that a value stands for. The kernel splits it at spaces too. */
export function splitParameters(value: string): string[] {
  return value.split(/\s+/).filter((word) => word !== "");
}

/** What the device plugin logs when its devices become healthy, or are so at its start. */
export const LOG_HEALTHY = "Devices are healthy";
/** What it logs, with the field `problems`, when they are not: nothing else says why it offers none. */
export const LOG_UNHEALTHY = "Devices are unhealthy";
