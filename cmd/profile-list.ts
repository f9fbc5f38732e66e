import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { jsonText, printData, printText, screenColumns } from "../internal/cli/output.ts";
import { formatTableWithNotes } from "../internal/cli/table-with-notes.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { DEFAULT_PROFILE_DIR, readLibrary } from "../internal/profiles/library.ts";
import { listProfiles } from "../internal/profiles/list.ts";
import { profileDirArg } from "./shared/profiles.ts";
import { outputArg } from "./shared/resources.ts";

export default defineSubcommand({
  summary: "List profiles, and say which can be converted",
  args: { ...profileDirArg, output: { ...outputArg, options: ["table", "json", "yaml"] }, ...commonArgs },
  examples: [
    { run: "onloadctl profile list", does: "Those of the installed Onload" },
    { run: "onloadctl profile list --profile-dir onload-9.2.0.tgz", does: "Those of a release" },
  ],
  async run({ args, signal }) {
    const list = listProfiles(await readLibrary(args["profile-dir"] ?? DEFAULT_PROFILE_DIR, signal));
    if (args.output === "json") return printData(jsonText(list));
    if (args.output === "yaml") return printData(yamlText(list));
    const rows = list.map(({ name, settings, problem }) => [
      name,
      settings === undefined ? "-" : String(settings),
      problem ?? "-",
    ]);
    printText(formatTableWithNotes(["name", "settings", "problem"], rows, 1, screenColumns()));
  },
});
