import { defineSubcommand } from "../internal/cli/command.ts";

export default defineSubcommand({
  summary: "Show, check and convert Onload's profiles, without running them",
  description:
    "A profile is a shell script that sets EF_ variables. The part of the language that profiles need is understood: onload_set, onload_import, variables, arithmetic, and tests of variables. A profile that looks at the machine or at a program's configuration is refused, with file, line and reason.",
  examples: [
    {
      run: "onloadctl profile list --profile-dir onload-9.2.0.tgz",
      does: "Which profiles there are, and which convert",
    },
    { run: "onloadctl profile convert latency | kubectl apply -n trading -f -", does: "Use one in pods, by envFrom" },
  ],
  subcommands: {
    list: {
      summary: "List profiles, and say which can be converted",
      load: async () => (await import("./profile-list.ts")).default,
    },
    show: {
      summary: "Show what profiles set, and where",
      load: async () => (await import("./profile-show.ts")).default,
    },
    convert: {
      summary: "Print profiles as a ConfigMap for envFrom",
      load: async () => (await import("./profile-convert.ts")).default,
    },
    check: {
      summary: "Find unknown and contradictory EF_ variables",
      load: async () => (await import("./profile-check.ts")).default,
    },
  },
});
