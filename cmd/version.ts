import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { errorText } from "../internal/cli/errors.ts";
import { printable } from "../internal/cli/printable.ts";
import { printJson, printText } from "../internal/cli/output.ts";
import { VERSION } from "../internal/cli/version.ts";
import { connect } from "../internal/kube/connect.ts";
import { readEvidence } from "../internal/operator/view/evidence.ts";
import { operatorImages, servingOf } from "../internal/operator/view/serving.ts";
import { servingText } from "../internal/operator/view/status-view.ts";

export default defineSubcommand({
  summary: "Show the versions of this program and of the operator, and whether one acts",
  args: {
    client: { type: "boolean", default: false, description: "This program alone: no API server is asked" },
    output: {
      type: "enum",
      alias: "o",
      options: ["text", "json"],
      default: "text",
      description: "Output format",
    },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl version", does: "This program, and the operator in the cluster" },
    { run: "onloadctl version --client", does: "This program alone" },
  ],
  async run({ args, signal }) {
    const operator = args.client ? undefined : await lookAtOperator(args, signal);
    if (args.output === "json") {
      printJson({ client: VERSION, ...(operator ? { operator } : {}) });
    } else {
      printText(`onloadctl ${VERSION}\n${operator ? operatorText(operator) : ""}`);
    }
    return operator?.state === "unreachable" ? 1 : 0;
  },
});

interface OperatorVersion {
  /** A state of Serving, or "unreachable". */
  state: string;
  message: string;
  text: string;
  /** Images of its Deployments, with their namespace and name. */
  images: string[];
}

async function lookAtOperator(
  args: { kubeconfig?: string | undefined; context?: string | undefined },
  signal: AbortSignal,
): Promise<OperatorVersion> {
  try {
    const client = await connect(args);
    try {
      const evidence = await readEvidence(client, signal);
      const serving = servingOf(evidence, Date.now());
      const text = servingText(serving);
      return {
        state: serving.state,
        message: serving.message,
        text: text === "" ? `${serving.message}\n` : text,
        images: operatorImages(evidence),
      };
    } finally {
      client.transport.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    const message = errorText(error);
    return { state: "unreachable", message, text: `${message}; give --client for this program alone\n`, images: [] };
  }
}

function operatorText({ images, text }: OperatorVersion): string {
  return `${images.map((image) => `${printable(`Operator: ${image}`, Infinity)}\n`).join("")}${text}`;
}
