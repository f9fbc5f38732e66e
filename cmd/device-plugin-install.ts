import { join } from "node:path";
import { INSTALL_HOST_FILES, ONLOAD_DIR, PLUGIN_DEFAULTS, SYS_DIR } from "../internal/api/plugin-pod.ts";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { absolutePathFlag } from "../internal/cli/values.ts";
import { fileOps } from "../internal/deviceplugin/file-ops.ts";
import { installHostFiles } from "../internal/deviceplugin/install-host-files.ts";
import { hostOnloadPathFlag } from "./shared/host-paths.ts";
import { withContainerLabel } from "../internal/deviceplugin/selinux.ts";

const path = { type: "string", valueHint: "PATH" } as const;
/** The flags that the DaemonSet sets, by setting. */
const FLAG = INSTALL_HOST_FILES.flags;

export default defineSubcommand({
  summary: "Install Onload's files from the user image on the node",
  description:
    "Copies them to a folder of their own, named for version and content, checks the copy and switches the link " +
    '"current" to it. May be interrupted and run again. Files of running containers are never touched.',
  args: {
    ...commonArgs,
    [FLAG.onloadVersion]: {
      type: "string",
      valueHint: "VERSION",
      required: true,
      description: "Version of Onload",
    },
    from: { ...path, default: ONLOAD_DIR, description: "Onload's files in this image" },
    [FLAG.hostOnloadPath]: {
      ...path,
      default: PLUGIN_DEFAULTS.hostOnloadPath,
      description: "Onload's files on the node",
    },
    [FLAG.hostRoot]: { ...path, default: "/", description: "Where the node's paths are found" },
  },
  examples: [
    {
      run: "onloadctl device-plugin install-host-files --onload-version=9.2.0 --host-root=/host",
      does: "In the pod's init container, with the node's /opt/onload at /host/opt/onload",
    },
  ],
  service: true,
  async run({ args, log }) {
    const version = args[FLAG.onloadVersion];
    // It becomes part of a folder's name and stands in a label elsewhere.
    if (!/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(version)) {
      throw new UsageError(`Flag --${FLAG.onloadVersion} cannot be "${version}": give a version such as 9.2.0`);
    }
    const hostRoot = absolutePathFlag(FLAG.hostRoot, args[FLAG.hostRoot]);
    const nodeDir = hostOnloadPathFlag(FLAG.hostOnloadPath, args[FLAG.hostOnloadPath]);
    const hostDir = join(hostRoot, nodeDir);
    if (hostDir === args.from) {
      throw new UsageError(`Flag --from cannot be "${args.from}": that is where the files would be installed`);
    }
    const result = withContainerLabel(join(hostRoot, SYS_DIR), "/proc", () =>
      installHostFiles(fileOps, { from: args.from, hostDir, nodeDir, version }),
    );
    log.info(result.copied ? "Installed Onload's files" : "Onload's files were there already", {
      folder: join(nodeDir, result.folder),
    });
  },
});
