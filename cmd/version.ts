import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { errorText } from "../internal/cli/errors.ts";
import { printable } from "../internal/cli/printable.ts";
import { printData, printJson, printText, screenColumns } from "../internal/cli/output.ts";
import { VERSION } from "../internal/cli/version.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { clusterVersions, type KmmVersion, type OperatorVersion } from "../internal/check/cluster-versions.ts";
import { skewText } from "../internal/check/versions.ts";
import { isRightMissing, missingRights } from "../internal/kube/rights-advice.ts";
import type { Serving } from "../internal/operator/view/serving.ts";
import { servingText } from "../internal/operator/view/status-view.ts";
import { connectWithoutAdvice } from "./shared/connect.ts";

export default defineSubcommand({
  summary: "Show the versions of this program, the operator and KMM, and whether an operator acts",
  description:
    "The operator's version is what the holder of its Lease says, else the tag of its image. If its major or minor version differs from this program's, there is a warning.",
  args: {
    client: { type: "boolean", default: false, description: "This program alone: no API server is asked" },
    output: {
      type: "enum",
      alias: "o",
      options: ["text", "json", "yaml"],
      default: "text",
      description: "Output format",
    },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl version", does: "This program, and the operator and KMM in the cluster" },
    { run: "onloadctl version --client", does: "This program alone" },
  ],
  async run({ args, signal, log }) {
    const cluster = args.client ? undefined : await lookAtCluster(args, signal);
    const warning = cluster && skewText(VERSION, cluster.operator.version);
    if (args.output === "text") {
      printText(`onloadctl ${VERSION}\n${cluster?.text ?? ""}`);
    } else {
      const { operator, kmm } = cluster ?? {};
      const all = { client: VERSION, ...(operator && { operator }), ...(kmm && { kmm }), ...(warning && { warning }) };
      if (args.output === "json") printJson(all);
      else printData(yamlText(all));
    }
    if (warning !== undefined) log.warn(warning);
    return cluster?.operator.state === "unreachable" ? 1 : 0;
  },
});

interface Cluster {
  operator: {
    /** A state of Serving, or "unreachable". */
    state: string;
    message: string;
    version?: string | undefined;
    images: string[];
  };
  kmm?: KmmVersion;
  text: string;
}

async function lookAtCluster(
  args: { kubeconfig?: string | undefined; context?: string | undefined },
  signal: AbortSignal,
): Promise<Cluster> {
  try {
    const client = await connectWithoutAdvice(args);
    try {
      const { operator, kmm } = await clusterVersions(client, Date.now(), signal);
      const { state, message } = operator.serving;
      const { version, images } = operator;
      return {
        operator: { state, message, version, images },
        kmm,
        text: operatorText(operator) + kmmText(kmm) + rightsText(operator, kmm),
      };
    } finally {
      client.transport.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    const message = errorText(error);
    const text = `${printable(message, Infinity)}; give --client for this program alone\n`;
    return { operator: { state: "unreachable", message, images: [] }, text };
  }
}

/** What the caller may not read, said once. */
function rightsText({ serving }: OperatorVersion, { problem = "" }: KmmVersion): string {
  const refused = [...(isUnreadable(serving) ? [serving.message] : []), problem].filter(isRightMissing);
  return missingRights(refused)
    .map((text) => `${printable(text, Infinity)}\n`)
    .join("");
}

/** Whether the caller lacks a right; an operator's pods may lack one, too. */
function isUnreadable({ state, message }: Serving): boolean {
  return state === "unknown" && isRightMissing(message);
}

function operatorText({ version, images, serving }: OperatorVersion): string {
  const said = isUnreadable(serving) ? "Whether an operator acts is unknown\n" : servingText(serving, screenColumns());
  const acts = said === "" ? `${serving.message}\n` : said;
  return (version === undefined && images.length === 0 ? "" : line("Operator", version, images)) + acts;
}

/** What is known of KMM, as a line. */
export function kmmText({ version, series, images, problem }: KmmVersion): string {
  if (series === undefined && images.length === 0) {
    const why = problem === undefined ? "not installed" : isRightMissing(problem) ? "unknown" : problem;
    return `KMM: ${printable(why, Infinity)}\n`;
  }
  return line("KMM", version ?? (series && `${series}, by its CRDs`), images);
}

function line(what: string, version: string | undefined, images: readonly string[]): string {
  return `${printable(`${what}: ${[version ?? "of an unknown version", ...images].join(", ")}`, Infinity)}\n`;
}
