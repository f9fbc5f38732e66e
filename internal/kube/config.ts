import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { ClusterConfig } from "./credentials.ts";
import { isInCluster, loadInCluster, type PodEnvironment } from "./in-cluster.ts";
import { proxyFromEnvironment } from "./proxy-environment.ts";
import { kubeconfigList, loadKubeconfig } from "./kubeconfig.ts";

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

async function findConfig(options: ConfigOptions): Promise<ClusterConfig> {
  const env = options.env ?? process.env;
  const kube = { context: options.context, ...(options.now ? { now: options.now } : {}) };
  if (options.kubeconfig) return loadKubeconfig([options.kubeconfig], kube);
  const listed = kubeconfigList(env["KUBECONFIG"]);
  if (listed.length > 0) return loadKubeconfig(listed, kube);
  const standard = join(options.home ?? env["HOME"] ?? homedir(), ".kube", "config");
  if (await exists(standard)) return loadKubeconfig([standard], kube);
  if (await isInCluster(options)) return loadInCluster(options);
  throw new Error(
    `Cannot find a cluster: $KUBECONFIG is not set, ${standard} does not exist, and this is not a pod; give --kubeconfig`,
  );
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
