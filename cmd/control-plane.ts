import { CONTROL_PLANE, DEFAULT_PARAMETERS, DEV_DIR, joinParameters, ONLOAD_DIR } from "../internal/api/plugin-pod.ts";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { absolutePathFlag, durationFlag } from "../internal/cli/values.ts";

const path = { type: "string", valueHint: "PATH" } as const;
/** The flags that the DaemonSet sets, by setting. */
const FLAG = CONTROL_PLANE.flags;

export default defineSubcommand({
  summary: "Point the kernel module at the onload_cp_server of this container",
  description:
    "Runs in a container of the user image. The kernel module then starts Onload's control plane server through the " +
    "node's crictl, inside this container. SIGTERM puts the module's former settings back.",
  args: {
    ...commonArgs,
    "server-path": {
      ...path,
      default: `${ONLOAD_DIR}/sbin/onload_cp_server`,
      description: "The control plane server in this container",
    },
    [FLAG.parameters]: {
      type: "string",
      valueHint: "WORDS",
      default: joinParameters(DEFAULT_PARAMETERS),
      description: "Its parameters",
    },
    "container-id": {
      type: "string",
      valueHint: "ID",
      description: "This container (default: found in /proc and /sys)",
    },
    "crictl-path": { ...path, description: "crictl on the node (default: looked for in the usual folders)" },
    [FLAG.hostRoot]: { ...path, default: "/", description: "Where the node's /sys and /dev are found" },
    "kernel-root": {
      ...path,
      default: "/proc/1/root",
      description: "Root folder of programs that the kernel starts, where crictl must be",
    },
    "proc-dir": { ...path, default: "/proc", description: "This container's /proc" },
    "dev-dir": { ...path, default: DEV_DIR, description: "This container's /dev, where the server opens its devices" },
    interval: { type: "string", valueHint: "TIME", default: "1s", description: "Time between two looks at the module" },
  },
  examples: [
    { run: "onloadctl control-plane --host-root=/host --parameters=-K", does: "In the container onload-worker" },
  ],
  async run({ args, signal, log }) {
    const intervalMs = durationFlag("interval", args.interval);
    const { runControlPlane } = await import("../internal/controlplane/control-plane.ts");
    await runControlPlane(
      {
        serverPath: absolutePathFlag("server-path", args["server-path"]),
        parameters: args[FLAG.parameters],
        containerId: args["container-id"],
        crictlPath: args["crictl-path"] && absolutePathFlag("crictl-path", args["crictl-path"]),
        hostRoot: absolutePathFlag(FLAG.hostRoot, args[FLAG.hostRoot]),
        kernelRoot: absolutePathFlag("kernel-root", args["kernel-root"]),
        procDir: absolutePathFlag("proc-dir", args["proc-dir"]),
        devDir: absolutePathFlag("dev-dir", args["dev-dir"]),
        intervalMs,
      },
      log,
      signal,
    );
  },
});
