import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData } from "../internal/cli/output.ts";

export default defineSubcommand({
  summary: "Print the licences of all software in this executable",
  description: "Bun, what Bun links, and the packages that are bundled, each with its licence.",
  args: { ...commonArgs },
  examples: [{ run: "onloadctl licenses | less", does: "Read them" }],
  async run() {
    const { NOTICES } = await import("../internal/licenses/notices.ts");
    printData(NOTICES);
  },
});
