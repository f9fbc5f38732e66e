import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printText, screenColumns } from "../internal/cli/output.ts";
import { formatTableWithNotes } from "../internal/cli/table-with-notes.ts";
import { checkSettings } from "../internal/profiles/check.ts";
import { profileArgs, readSettings } from "./shared/profiles.ts";

export default defineSubcommand({
  summary: "Find unknown and contradictory EF_ variables",
  description:
    "If Onload does not know a variable, cannot read its value, or gets settings that contradict each other, it goes on silently, or with a line in the kernel's log. The exit code is 1 if there are such settings.",
  args: { ...profileArgs, ...commonArgs },
  examples: [{ run: "onloadctl profile check ./my.opf", does: "Check a profile of your own" }],
  async run({ args, signal }) {
    const { settings } = await readSettings(args, signal);
    const problems = checkSettings(Object.fromEntries(settings.map(({ name, value }) => [name, value])));
    if (problems.length === 0) return 0;
    printText(
      formatTableWithNotes(
        ["name", "problem"],
        problems.map(({ name, message }) => [name, message]),
        1,
        screenColumns(),
      ),
    );
    return 1;
  },
});
