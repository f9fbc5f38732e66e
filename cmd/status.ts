import { devicePluginName, ONLOAD_GROUP, ONLOAD_KIND } from "../internal/api/names.ts";
import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import {
  jsonText,
  printData,
  screenColumns,
  standardError,
  standardOutput,
  type Line,
} from "../internal/cli/output.ts";
import { durationFlag } from "../internal/cli/values.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { EXIT_CODES, EXIT_STALLED, worstOf, type Health } from "../internal/operator/view/health.ts";
import { drawLive } from "../internal/operator/view/live.ts";
import { Session } from "../internal/operator/view/session.ts";
import type { Serving } from "../internal/operator/view/serving.ts";
import { AccelerationCounts } from "../internal/doctor/accelerated.ts";
import {
  describeStatus,
  statusLines,
  withNodes,
  type Accelerated,
  type ResourceStatus,
  type StatusLayout,
} from "../internal/operator/view/status-view.ts";
import { untilReady } from "../internal/operator/view/until-ready.ts";
import { namespaceOf, outputArg, resourceArgs } from "./shared/resources.ts";
import { connectAsPerson } from "./shared/connect.ts";

export default defineSubcommand({
  summary: "Show what each Onload resource and node is doing, and why",
  description:
    "For each resource: version, nodes, pods that are accelerated of those that hold amd.com/onload, and the most important condition. For each node: version, state, step, since when, and why. This is computed as in the operator, from the present state of the cluster. If no operator acts, the first line says so: its Lease is not renewed, or there is none. `onloadctl help states` explains every state.\n\nWith --exit-code or --wait the exit code is 0 if everything that is shown is Ready, 3 if something is on its way or waits, 4 if something is wrong, and 5 if no operator acts; it is 1 if the cluster could not be read. --wait ends with 6 before its time is over if nothing goes on until a person does something: a node has failed, no kernel mapping matches, the nodes were rolled back, a change is held back, or the rollout is paused.",
  args: {
    ...resourceArgs,
    node: { type: "string", repeatable: true, valueHint: "NODE", description: "Only these nodes" },
    failed: { type: "boolean", default: false, description: "Only nodes that have failed" },
    output: { ...outputArg, options: ["table", "wide", "json", "yaml", "name"] },
    watch: { type: "boolean", alias: "w", default: false, description: "Show every change, until Ctrl-C" },
    wait: {
      type: "string",
      implied: "15m",
      valueHint: "TIMEOUT",
      description:
        "Wait until all that is shown is Ready or only a person can help, then show it; at most for this time",
    },
    "exit-code": { type: "boolean", default: false, description: "Exit with a code that says how it is; see above" },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl status", does: "All resources and nodes" },
    { run: "onloadctl status onload -n onload-runtime --watch", does: "Follow one rollout" },
    { run: "onloadctl status onload -n onload-runtime --wait=30m", does: "Wait for the end of a rollout, in a script" },
    { run: "onloadctl status --failed", does: "Only the nodes that need a person" },
    { run: "onloadctl status -o json", does: "For scripts" },
  ],
  async run({ args, signal, log }) {
    const waitMs = args.wait === undefined ? undefined : durationFlag("wait", args.wait);
    if (args.watch && (waitMs !== undefined || args["exit-code"])) {
      throw new UsageError(
        "Flags --watch and --wait or --exit-code are mutually exclusive: --watch does not end by itself",
      );
    }
    const namespace = namespaceOf(args);
    const filter = { nodes: args.node, failed: args.failed };
    const client = await connectAsPerson(args);
    let changed: () => void = () => undefined;
    const session = await Session.open(client, namespace, log, signal, () => changed());
    try {
      const counts = new AccelerationCounts(client);
      const look = async (): Promise<Report> => {
        const now = Date.now();
        const describe = async (): Promise<{ described: ResourceStatus[]; serving: Serving }> => {
          const serving = await session.serving(now, signal);
          return { described: describeStatus(await session.observe(args.name, now, signal), now), serving };
        };
        // Both at once, and both are waited for: Ctrl-C ends either.
        const [{ described, serving }, accelerated] = await Promise.all([describe(), counts.read(signal)]);
        const all = withCounts(described, accelerated);
        const health = worstOf(all.map((each) => each.health));
        return { resources: withNodes(all, filter), health, serving, now };
      };
      const layoutOf = (none: string): Omit<StatusLayout, "wide"> => ({
        columns: screenColumns(),
        none,
        onlyFailed: args.failed,
      });
      const isData = args.output === "json" || args.output === "yaml";
      if (args.watch) {
        const draw = async (): Promise<Line[]> => linesOf(await look(), args.output, layoutOf(session.none));
        const subscribe = (wake: () => void): void => void (changed = wake);
        const onOutage = (text: string): void => log.warn(text);
        await drawLive(standardOutput, { draw, subscribe, isData, onOutage }, signal);
        return 0;
      }
      if (args.name !== undefined) await session.require(args.name, signal);
      const tell = (text: string): void => standardError.write(text);
      const { seen: report, end } =
        waitMs === undefined
          ? { seen: await look(), end: "ready" as const }
          : await untilReady(look, (wake) => (changed = wake), { timeoutMs: waitMs }, tell, signal);
      if (end === "needs a person") tell("Not waiting any longer: nothing will change until a person does something\n");
      if (end === "time is over") {
        tell(
          report.health === "unserved"
            ? `No operator acted within ${args.wait}\n`
            : `Not everything was Ready within ${args.wait}\n`,
        );
      }
      if (isData) printData(dataOf(report, args.output));
      else standardOutput.writeLines(linesOf(report, args.output, layoutOf(session.none)));
      if (end === "needs a person") return EXIT_STALLED;
      return waitMs !== undefined || args["exit-code"] ? EXIT_CODES[report.health] : 0;
    } finally {
      await session.close();
      client.transport.close();
    }
  },
});

/** One look at the cluster. */
interface Report {
  resources: ResourceStatus[];
  /** Of all resources, whichever nodes are shown. */
  health: Health;
  serving: Serving;
  now: number;
}

function withCounts(all: readonly ResourceStatus[], counts: ReadonlyMap<string, Accelerated>): ResourceStatus[] {
  return all.map((each) => ({
    ...each,
    accelerated: counts.get(`${each.namespace}/${devicePluginName(each.name)}`) ?? null,
  }));
}

function dataOf({ resources }: Report, output: string): string {
  return output === "json" ? jsonText(resources) : yamlText(resources);
}

function linesOf(report: Report, output: string, layout: Omit<StatusLayout, "wide">): Line[] {
  const { resources, serving, now } = report;
  if (output === "name") {
    return resources.map(({ name }) => ({ text: `${ONLOAD_KIND.toLowerCase()}.${ONLOAD_GROUP}/${name}` }));
  }
  if (output === "json" || output === "yaml") {
    return dataOf(report, output)
      .trimEnd()
      .split("\n")
      .map((text) => ({ text }));
  }
  return statusLines(resources, serving, { ...layout, wide: output === "wide" }, now);
}
