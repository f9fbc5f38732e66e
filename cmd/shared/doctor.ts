/** What the subcommands of doctor share. */
import { clusterArgs, commonArgs, type Args, type Context } from "../../internal/cli/command.ts";
import { printData, printJson, printText, screenColumns } from "../../internal/cli/output.ts";
import { durationFlag } from "../../internal/cli/values.ts";
import { yamlText } from "../../internal/cli/yaml.ts";
import { examine, type Examined, type Subject } from "../../internal/doctor/doctor.ts";
import type { Client } from "../../internal/kube/client.ts";
import { outputArg } from "./resources.ts";
import { connectAsPerson } from "./connect.ts";

export const doctorArgs = {
  output: { ...outputArg, options: ["table", "json", "yaml"] },
  timeout: {
    type: "string",
    valueHint: "DURATION",
    default: "30s",
    description: "Give up after this time",
  },
  ...clusterArgs,
  ...commonArgs,
} as const satisfies Args;

/** Values of {@link doctorArgs}. */
interface DoctorValues {
  output: string;
  timeout: string;
  kubeconfig?: string | undefined;
  context?: string | undefined;
}

/**
 * Examines and prints.
 *
 * @param subjectOf what to examine; is told the namespace of the context
 * @returns the exit code: 1 if a link is broken
 */
export async function runDoctor(
  { args, signal, log }: Pick<Context, "signal" | "log"> & { args: DoctorValues },
  subjectOf: (client: Client) => Subject,
  text: (all: Examined[], columns: number | undefined) => string,
): Promise<number> {
  const timeoutMs = durationFlag("timeout", args.timeout);
  const client = await connectAsPerson(args);
  try {
    const subject = subjectOf(client);
    const all = await examine(subject, { client, log, now: Date.now, timeoutMs }, signal);
    const data = subject.kind === "all" ? all : all[0];
    if (args.output === "json") printJson(data);
    else if (args.output === "yaml") printData(yamlText(data));
    else printText(text(all, screenColumns()));
    return all.some(({ verdict }) => verdict === "failed") ? 1 : 0;
  } finally {
    client.transport.close();
  }
}
