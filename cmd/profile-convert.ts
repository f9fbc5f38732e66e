import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { printData } from "../internal/cli/output.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { checkSettings } from "../internal/profiles/check.ts";
import { onloadSettings, profileConfigMap } from "../internal/profiles/config-map.ts";
import { profileArgs, readSettings } from "./shared/profiles.ts";

export default defineSubcommand({
  summary: "Print profiles as a ConfigMap for envFrom",
  description:
    "The ConfigMap has the EF_ variables that the profiles set in an empty environment. Nothing of a profile is run: one that looks at the machine or at a program's configuration is refused. Give with --set what it would find out.",
  args: {
    ...profileArgs,
    name: { type: "string", valueHint: "NAME", description: "Name of the ConfigMap (default: onload-PROFILE-profile)" },
    namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace of the ConfigMap" },
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl profile convert latency | kubectl apply -n trading -f -", does: "Onload's latency profile" },
    {
      run: "onloadctl profile convert my.opf --profile-dir onload-9.2.0.tgz",
      does: "Your own, which imports Onload's",
    },
    {
      run: "onloadctl profile convert latency-best --set EF_CTPIO_MODE=ct",
      does: "One that looks at the NICs, with the answer",
    },
  ],
  async run({ args, signal, log }) {
    const namespace = namespaceFlag("namespace", args.namespace);
    const { names, settings } = await readSettings(args, signal);
    const name = args.name ?? `onload-${names.join("-").toLowerCase().replaceAll("_", "-")}-profile`;
    if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) {
      throw new UsageError(`A ConfigMap cannot have the name "${name}": give one with --name`);
    }
    const own = onloadSettings(settings);
    const left = settings.filter((setting) => !own.includes(setting)).map((setting) => setting.name);
    if (left.length > 0) log.warn("Left out variables that are not Onload's", { variables: left.join(", ") });
    for (const problem of checkSettings(Object.fromEntries(own.map((each) => [each.name, each.value])))) {
      log.warn("Found a doubtful setting", { name: problem.name, problem: problem.message });
    }
    printData(profileConfigMap({ name, namespace, profiles: names, settings }));
  },
});
