import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { ClusterConfig } from "./credentials.ts";
import { isInCluster, loadInCluster, type PodEnvironment } from "./in-cluster.ts";
import { proxyFromEnvironment } from "./proxy-environment.ts";

export interface ConfigOptions extends PodEnvironment {
  /** --kubeconfig. */
  kubeconfig?: string | undefined;
  /** --context; only a kubeconfig has contexts. */
  context?: string | undefined;
  home?: string;
}

/**
 * Finds the cluster to talk to: --kubeconfig, else the files of $KUBECONFIG, else ~/.kube/config, else the pod's own
 * service account. A proxy of the environment is used, as kubectl and client-go do, unless the kubeconfig has its own.
 *
 * @throws Error on one line, saying what was tried
 */
export async function loadConfig(options: ConfigOptions = {}): Promise<ClusterConfig> {
  const config = await findConfig(options);
  try {
    return { ...config, proxy: config.proxy ?? proxyFromEnvironment(config.server, options.env ?? process.env) };
  } catch (error) {
    throw new Error(`Cannot reach ${config.server}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The names of the contexts of the kubeconfig that {@link loadConfig} would read; none where it would read none.
 *
 * @throws Error on one line if it cannot be read
 */
export async function contextNames(options: ConfigOptions = {}): Promise<readonly string[]> {
  const files = await kubeconfigFiles(options);
  if (files.length === 0) return [];
  const { contextsOf } = await import("./kubeconfig.ts");
  return contextsOf(files);
}

async function findConfig(options: ConfigOptions): Promise<ClusterConfig> {
  const files = await kubeconfigFiles(options);
  if (files.length > 0) {
    // A pod has none, and need not keep in memory what reads one.
    const { loadKubeconfig } = await import("./kubeconfig.ts");
    return loadKubeconfig(files, { context: options.context, ...(options.now ? { now: options.now } : {}) });
  }
  if (await isInCluster(options)) return loadInCluster(options);
  throw new Error(
    `Cannot find a cluster: $KUBECONFIG is not set, ${standardFile(options)} does not exist, and this is not a pod; give --kubeconfig`,
  );
}

/** Files of a kubeconfig in order of precedence, none if there is no sign of one. */
async function kubeconfigFiles(options: ConfigOptions): Promise<string[]> {
  if (options.kubeconfig) return [options.kubeconfig];
  const listed = kubeconfigList((options.env ?? process.env)["KUBECONFIG"]);
  if (listed.length > 0) return listed;
  const standard = standardFile(options);
  return (await exists(standard)) ? [standard] : [];
}

/** Files named by $KUBECONFIG, or none. */
function kubeconfigList(value: string | undefined): string[] {
  return (value ?? "").split(delimiter).filter((file) => file !== "");
}

function standardFile({ env = process.env, home }: ConfigOptions): string {
  return join(home ?? env["HOME"] ?? homedir(), ".kube", "config");
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
