/** The operator's own engine in this process, for nodes that nobody else would clean. */
import type { KubeObject } from "../api/core.ts";
import { LEASE_NAME, PART_OF_LABEL } from "../api/names.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { ControllerMetrics } from "../controller/metrics.ts";
import type { Client } from "../kube/client.ts";
import { isAlreadyExists } from "../kube/errors.ts";
import type { Lease } from "../kube/kinds.ts";
import { LEASES, NAMESPACES } from "../kube/resource.ts";
import { runOperator } from "../operator/operator.ts";

/** A namespace that always exists, for the Lease while the operator's own is being deleted. */
const FALLBACK_NAMESPACE = "kube-system";

/** Runs the operator in this process while it leads: another operator that comes back stands by, and the reverse. */
export class StandIn {
  readonly #client: Client;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #leaseNamespace: string | undefined;
  /** Why it has ended; undefined while it runs. */
  problem: string | undefined;

  constructor(client: Client, log: Logger) {
    this.#client = client;
    this.#log = quiet(log);
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Starts it, unless it runs. It ends with the signal, with {@link stop}, or when it loses the Lease. */
  start(leaseNamespace: string, signal: AbortSignal): void {
    if (this.#running) return;
    this.problem = undefined;
    this.#leaseNamespace = leaseNamespace;
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    const options = {
      client: this.#client,
      metrics: new ControllerMetrics(),
      log: this.#log,
      namespaces: [],
      metricsAddress: undefined,
      healthProbeAddress: undefined,
      leaderElect: true,
      leaseNamespace,
      pod: { name: undefined, namespace: undefined },
      nodeName: undefined,
      pluginImage: undefined,
      forceEverywhere: false,
    };
    this.#running = runOperator(options, stop)
      .catch((error: unknown) => {
        this.problem = errorText(error);
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Ends it, and releases the Lease; one outside of the operator's namespace is deleted. Never throws. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (this.#leaseNamespace !== FALLBACK_NAMESPACE) return;
    const ref = { namespace: FALLBACK_NAMESPACE, name: LEASE_NAME };
    try {
      const lease = await this.#client.get<Lease>(LEASES, ref);
      const { uid, resourceVersion = "" } = lease?.metadata ?? {};
      // Somebody else may hold it by now.
      if (lease?.spec?.holderIdentity === "") await this.#client.delete(LEASES, ref, { uid, resourceVersion });
    } catch (error) {
      this.#log.warn("Could not delete the Lease", { ...ref, error: errorText(error) });
    }
  }
}

/**
 * Where the Lease of a stand-in is: in the operator's namespace, which is made if it is gone, so that an operator that is
 * installed meanwhile stands by.
 *
 * @throws ApiError, ConnectionError
 */
export async function leaseNamespace(client: Client, namespace: string, signal: AbortSignal): Promise<string> {
  const found = await client.get<KubeObject>(NAMESPACES, { name: namespace }, { signal });
  if (found?.metadata.deletionTimestamp) return FALLBACK_NAMESPACE;
  if (found) return namespace;
  const metadata = { name: namespace, labels: { [PART_OF_LABEL]: "onload" } };
  try {
    await client.create<KubeObject>(NAMESPACES, { metadata }, { signal });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  return namespace;
}

/** What the operator does in the course of things is for those who look for it; progress is shown otherwise. */
function quiet(log: Logger): Logger {
  const info: Logger["info"] = (message, fields) => log.debug(message, fields);
  return { ...log, info, with: (fields) => quiet(log.with(fields)) };
}
