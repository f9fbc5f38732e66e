import { defineSubcommand } from "../internal/cli/command.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { chainText } from "../internal/doctor/report.ts";
import { doctorArgs, runDoctor } from "./shared/doctor.ts";
import { podArgs } from "./shared/pods.ts";

export default defineSubcommand({
  summary: "Show the chain of one pod, from its request to its sockets",
  description:
    "Each link has a verdict, what was seen, and what to do about it. The exit code is 1 if a link has failed. Each node looks into the processes of its pods every 30 s.",
  args: { ...podArgs, ...doctorArgs },
  examples: [
    { run: "onloadctl doctor pod trader-0 -n trading", does: "Why is this pod not accelerated?" },
    { run: "onloadctl doctor pod trader-0 -n trading -o json", does: "For scripts" },
  ],
  async run(context) {
    const { pod, namespace: flag } = context.args;
    const namespace = namespaceFlag("namespace", flag || undefined);
    return await runDoctor(
      context,
      (client) => ({ kind: "pod", namespace: namespace ?? client.namespace, name: pod }),
      (all, columns) => all.map((each) => chainText(each, columns)).join(""),
    );
  },
});
