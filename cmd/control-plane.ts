import { readlinkSync } from "node:fs";
import { CONTROL_PLANE, DEFAULT_PARAMETERS, DEV_DIR, joinParameters, ONLOAD_DIR } from "../internal/api/plugin-pod.ts";
import { RUN_TOOL } from "../internal/api/run-tool.ts";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { readRegularFileSync } from "../internal/cli/regular-file.ts";
import { absolutePathFlag, durationFlag } from "../internal/cli/values.ts";

const path = { type: "string", valueHint: "PATH" } as const;
/** The flags that the DaemonSet sets, by setting. */
const FLAG = CONTROL_PLANE.flags;
const RUN_ON_NODE = "run-on-node";
/** Longer than a container runtime takes to start anew. Then the kubelet waits, and starts the container again. */
const PATIENCE_MS = 30_000;

/** As much as the kernel takes for the arguments of a program, in bytes. */
const MAX_COMMAND_LINE = 8 * 1024 * 1024;

export default defineSubcommand({
  summary: "Let the kernel start Onload's control plane server (onload_cp_server) in this container",
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
    [FLAG.crictlPath]: { ...path, description: "crictl on the node (default: the first of the usual ones that works)" },
    [FLAG.runtimeEndpoint]: {
      type: "string",
      valueHint: "unix://PATH",
      description: "The node's container runtime (default: the first of the usual ones that works)",
    },
    [FLAG.lookSocket]: {
      ...path,
      description:
        "Socket on which to look into the processes and stacks of pods for the device plugin (default: none)",
    },
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
  subcommands: {
    [RUN_ON_NODE]: {
      summary: "Become a program of the node, as the kernel starts it",
      hidden: true,
      load: async () => (await import("./control-plane-run-on-node.ts")).default,
    },
    [RUN_TOOL]: {
      summary: "Run one of Onload's tools until it or standard input ends",
      hidden: true,
      load: async () => (await import("./control-plane-run-tool.ts")).default,
    },
  },
  service: true,
  async run({ args, signal, log }) {
    const crictlPath = args[FLAG.crictlPath];
    const intervalMs = durationFlag("interval", args.interval);
    const lookSocket = args[FLAG.lookSocket];
    const procDir = absolutePathFlag("proc-dir", args["proc-dir"]);
    const { runControlPlane } = await import("../internal/controlplane/control-plane.ts");
    const { OrmJson } = await import("../internal/controlplane/orm-json.ts");
    const { serveLooks } = await import("../internal/acceleration/serve.ts");
    const tool = new OrmJson();
    // Beside it, and it ends with it, however that ends.
    const looks = new AbortController();
    const served =
      lookSocket &&
      serveLooks(
        {
          socket: absolutePathFlag(FLAG.lookSocket, lookSocket),
          procDir,
          readStacks: (wanted, stop) => tool.read(wanted, stop),
        },
        log,
        AbortSignal.any([signal, looks.signal]),
      );
    const run = runControlPlane(
      {
        serverPath: absolutePathFlag("server-path", args["server-path"]),
        parameters: args[FLAG.parameters],
        containerId: args["container-id"],
        crictlPath: crictlPath && absolutePathFlag(FLAG.crictlPath, crictlPath),
        runtimeEndpoint: args[FLAG.runtimeEndpoint],
        hostRoot: absolutePathFlag(FLAG.hostRoot, args[FLAG.hostRoot]),
        kernelRoot: absolutePathFlag("kernel-root", args["kernel-root"]),
        procDir,
        devDir: absolutePathFlag("dev-dir", args["dev-dir"]),
        intervalMs,
        runOnNode: [...ownCommand(), ...CONTROL_PLANE.words, RUN_ON_NODE, "--"],
        patienceMs: PATIENCE_MS,
      },
      log,
      signal,
    );
    try {
      await run;
    } finally {
      looks.abort();
      await served;
    }
  },
});

/** The words by which this program was started, without those of the subcommand. */
function ownCommand(): string[] {
  const words = readRegularFileSync("/proc/self/cmdline", MAX_COMMAND_LINE).toString().split("\0");
  return [readlinkSync("/proc/self/exe"), ...words.slice(1, words.indexOf(CONTROL_PLANE.words[0]))];
}
