import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { jsonText, printData, printText } from "../internal/cli/output.ts";
import { formatTable } from "../internal/cli/table.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { profileArgs, readSettings } from "./shared/profiles.ts";
import { outputArg } from "./shared/resources.ts";

export default defineSubcommand({
  summary: "Show what profiles set, and where",
  args: { ...profileArgs, output: { ...outputArg, options: ["table", "json", "yaml"] }, ...commonArgs },
  examples: [{ run: "onloadctl profile show latency", does: "The variables of Onload's latency profile" }],
  async run({ args, signal }) {
    const { settings } = await readSettings(args, signal);
    const list = settings.map(({ name, value, file, line }) => ({
      name,
      value,
      from: file === "" ? "--set" : `${file}:${line}`,
    }));
    if (args.output === "json") return printData(jsonText(list));
    if (args.output === "yaml") return printData(yamlText(list));
    printText(
      formatTable(
        ["name", "value", "from"],
        list.map(({ name, value, from }) => [name, value, from]),
      ),
    );
  },
});
