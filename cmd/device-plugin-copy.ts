import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { copyExecutable } from "../internal/deviceplugin/copy-executable.ts";
import { fileOps } from "../internal/deviceplugin/file-ops.ts";

export default defineSubcommand({
  summary: "Copy this program and its C library into a folder, to run in another image",
  description:
    "In the folder there are then onloadctl, ld.so and lib. Start it anywhere, even in an image without a C library, " +
    "with FOLDER/ld.so --library-path FOLDER/lib FOLDER/onloadctl.",
  args: {
    ...commonArgs,
    to: { type: "string", valueHint: "FOLDER", required: true, description: "Folder to copy to; made if missing" },
  },
  examples: [{ run: "onloadctl device-plugin copy-executable --to=/onloadctl", does: "Fill a volume of the pod" }],
  async run({ args, log }) {
    log.info("Copied the executable", { to: args.to, files: copyExecutable(fileOps, "/proc", args.to) });
  },
});
