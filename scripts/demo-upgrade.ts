/** Shows an upgrade of the node while an application uses Onload there, with a budget that first forbids its eviction. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Trader } from "../internal/operator/testing/trader.ts";
import type { NodeCluster } from "../internal/testcluster/index.ts";
import { run } from "../internal/testcluster/lib/command.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { progress } from "../internal/testcluster/lib/progress.ts";
import type { Watcher } from "./demo-watch.ts";

const NAMESPACE = "default";

/**
 * Upgrades the sample from one version to another. Throws if anything is not as it is said to be.
 *
 * @param sample the Onload resource that is applied
 * @param watcher tells what has happened since it told last
 */
export async function showUpgrade(
  cluster: NodeCluster,
  executable: string,
  sample: string,
  [from, to]: readonly [string, string],
  watcher: Watcher,
  signal: AbortSignal,
): Promise<void> {
  const { plane, images } = cluster;
  const onloadctl = async (...args: string[]): Promise<{ code: number; stdout: string }> => {
    console.log(`\n$ onloadctl ${args.join(" ")}`);
    const env = { KUBECONFIG: plane.kubeconfigPath, NO_COLOR: "1" };
    const { code, stdout, stderr } = await run([executable, ...args], { env, allowFailure: true, signal });
    console.log((stdout + stderr).trimEnd());
    return { code, stdout };
  };
  const expected = (what: string, text: string, ...words: string[]): void => {
    const missing = words.filter((each) => !text.includes(each));
    if (missing.length > 0) throw new Error(`${what} does not say: ${missing.join(", ")}`);
  };

  progress("A Deployment that uses Onload, and a PodDisruptionBudget that keeps its pod running:");
  const trader = new Trader(cluster, NAMESPACE, await images.app());
  await trader.deploy();
  await trader.runs();
  await trader.protect(1);
  console.log(await plane.kubectl(["get", "pods,poddisruptionbudgets", "-n", NAMESPACE]));
  const before = (await onloadctl("status")).stdout;
  expected("status", before, "onload-runtime", from, "Ready");

  progress(`Version ${to}, of simulated images too. What would applying it do?`);
  await images.onloadModule(to);
  await images.onloadUser(to);
  const next = sample.replaceAll(from, to);
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-demo-"));
  try {
    const file = join(folder, "onload.yaml");
    await writeFile(file, next);
    const plan = await onloadctl("plan", "-f", file, "--diff");
    expected("plan", plan.stdout, `"${from}" -> "${to}"`, "evict pods", `${NAMESPACE}/trader-`, "budget trading-hours");
    if (plan.code !== 3) throw new Error(`plan exits with ${plan.code}, although a node that serves is taken out`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }

  progress("Applied all the same. The upgrade waits for the budget:");
  await plane.apply(next);
  await poll(async () => (await status(cluster, executable)).includes("Draining"), {
    what: "The node being drained",
    timeoutMs: 120_000,
    signal,
  });
  expected("status", (await onloadctl("status")).stdout, "Draining", "trader-");

  progress("kubectl delete poddisruptionbudget trading-hours");
  await trader.unprotect();
  await watcher.untilReady(signal);
  const name = await trader.runsWith(to);
  expected("status", (await onloadctl("status")).stdout, to, "Ready");
  console.log(await plane.kubectl(["get", "pods", "-n", NAMESPACE, "-o", "wide"]));
  const log = await plane.kubectl([
    "logs",
    "-n",
    "onload-operator-system",
    "deployment/onload-operator-controller-manager",
  ]);
  const told = log.split("\n").filter((line) => line.includes(`"version":"${to}"`));
  progress("What the operator's log has of it:");
  for (const line of told) console.log(`  ${(JSON.parse(line) as { msg: string }).msg}`);
  expected("The operator's log", told.join("\n"), "taken out of service", "evicted pod", "offers amd.com/onload");

  progress(
    "Is the pod accelerated? It has the library; there is no NIC here, so its only interface is none of Onload's:",
  );
  await poll(async () => (await examine(cluster, executable, name)).includes("1 of 1 process has"), {
    what: "The node's look into the pod",
    timeoutMs: 60_000,
    intervalMs: 1000,
    signal,
  });
  const doctor = await onloadctl("doctor", "pod", name);
  if (doctor.code !== 1)
    throw new Error(`doctor exits with ${doctor.code}, although the pod has no interface of a NIC`);
  expected("doctor", doctor.stdout, `Kernel module ${to}, library ${to}`, "none is of a NIC that Onload can use");
}

async function examine({ plane }: NodeCluster, executable: string, pod: string): Promise<string> {
  const env = { KUBECONFIG: plane.kubeconfigPath };
  const { stdout } = await run([executable, "doctor", "pod", pod, "-n", NAMESPACE], { env, allowFailure: true });
  return stdout;
}

async function status({ plane }: NodeCluster, executable: string): Promise<string> {
  const { stdout } = await run([executable, "status"], {
    env: { KUBECONFIG: plane.kubeconfigPath },
    allowFailure: true,
  });
  return stdout;
}
