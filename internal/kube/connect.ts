import { Client } from "./client.ts";
import { loadConfig, type ConfigOptions } from "./config.ts";
import { Transport, type TransportOptions } from "./transport.ts";

/**
 * A client for the cluster that the options, the environment or the pod name.
 *
 * @throws Error on one line when no usable configuration is found; the server is not asked anything yet
 */
export async function connect(options: ConfigOptions & Omit<TransportOptions, "config"> = {}): Promise<Client> {
  return new Client(new Transport({ ...options, config: await loadConfig(options) }));
}
