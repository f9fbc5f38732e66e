import { COPY_EXECUTABLE, EXECUTABLE_DIR, executableCommand } from "../internal/api/plugin-pod.ts";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { copyExecutable } from "../internal/deviceplugin/copy-executable.ts";
import { fileOps } from "../internal/deviceplugin/file-ops.ts";

const FLAG = COPY_EXECUTABLE.flags;

export default defineSubcommand({
  summary: "Copy this program and its C library into a folder, to run in another image",
  description:
    "The folder then holds onloadctl, ld.so and lib. Start it anywhere, even in an image without a C library, " +
    `with ${executableCommand("FOLDER").join(" ")}.`,
  args: {
    ...commonArgs,
    [FLAG.to]: {
      type: "string",
      valueHint: "FOLDER",
      required: true,
      description: "Folder to copy to; created if missing",
    },
  },
  examples: [
    { run: `onloadctl device-plugin copy-executable --to=${EXECUTABLE_DIR}`, does: "Fill a volume of the pod" },
  ],
  service: true,
  async run({ args, log }) {
    const to = args[FLAG.to];
    log.info("Copied the executable", { to, files: copyExecutable(fileOps, "/proc", to) });
  },
});
