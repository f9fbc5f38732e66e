/** Shows onloadctl on a real cluster, from an empty machine to a pod that has Onload; see the usage below. */
import { once } from "node:events";
import { dirname } from "node:path";
import { builtExecutable } from "../internal/testcluster/lib/built.ts";
import { output } from "../internal/testcluster/lib/command.ts";
import { interruption } from "./lib/interruption.ts";
import { progress, tellOn } from "../internal/testcluster/lib/progress.ts";
import { whyNoNode } from "../internal/testcluster/index.ts";
import { showOnFakeNodes } from "./demo-fake.ts";
import { showOnRealNode } from "./demo-real.ts";
import type { Shown } from "./demo-real.ts";
import { tool } from "../internal/testcluster/tools/index.ts";

const usage = `Show onloadctl on a real cluster: control plane, node, KMM, operator, a pod that has Onload, and an upgrade

USAGE ./scripts/demo [--once]

  --once   End when everything has been shown; the exit code is 0 only if all of it worked.

Without --once the cluster stays until Ctrl-C. As root on Linux it has a real node, else fake ones (kwok).
`;

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) {
  process.stdout.write(usage);
  process.exit(0);
}
const unknown = args.find((arg) => arg !== "--once");
if (unknown !== undefined) {
  console.error(`Unknown argument ${unknown}; see ./scripts/demo --help`);
  process.exit(2);
}
const isOnce = args.includes("--once");

// All of it is one story.
tellOn(process.stdout);
const stop = interruption();
let shown: Shown | undefined;
let code = 0;
try {
  progress("Building dist/onloadctl if it is older than its sources");
  const executable = await builtExecutable();
  progress(`${executable}: version ${await output([executable, "--version"])}`);
  const reason = whyNoNode();
  if (reason === undefined) {
    shown = await showOnRealNode(executable, stop.signal);
  } else {
    progress(`No real node here: ${reason}. Fake nodes take its place; they run no container.`);
    shown = await showOnFakeNodes(executable, stop.signal);
  }
  await summarise(shown, executable);
  if (shown.leftOut !== undefined) code = 1;
  if (!isOnce) {
    progress("The cluster stays until Ctrl-C");
    const idle = setInterval(() => {}, 1 << 30);
    if (!stop.signal.aborted) await once(stop.signal, "abort");
    clearInterval(idle);
    code = 0;
  }
} catch (error) {
  code = stop.signal.aborted ? 130 : 1;
  console.error(stop.signal.aborted ? "Interrupted" : `Not everything worked: ${(error as Error).message}`);
} finally {
  if (shown !== undefined) {
    progress("Stopping everything");
    await shown.stop();
  }
}
process.exit(code);

async function summarise({ kubeconfigPath, commands, leftOut }: Shown, executable: string): Promise<void> {
  const kubectl = await tool("kubectl");
  const result =
    leftOut === undefined
      ? "Everything works"
      : `Everything works, except for what could not be shown here: ${leftOut}`;
  console.log(`
${result}. Look around with:

  export KUBECONFIG=${kubeconfigPath} PATH=${dirname(kubectl)}:${dirname(executable)}:$PATH
${commands.map((command) => `  ${command}`).join("\n")}
`);
}
