import { join } from "node:path";
import { output, run } from "../lib/command.ts";
import { withLock } from "../lib/lock.ts";
import { cacheFolder } from "../lib/paths.ts";
import type { RunState } from "../lib/run-state.ts";

/** The network namespace of a test node and the veth pair that ties it to the host. */
export interface NodeNetwork {
  readonly namespace: string;
  /** Name of the host's end. */
  readonly hostInterface: string;
  /** Address of the host's end; the API server and the image registry listen on it. */
  readonly hostAddress: string;
  /** Address of eth0 in the namespace: the node's. */
  readonly nodeAddress: string;
}

/**
 * Makes a network namespace with a veth pair in a free network 10.55.N.0/30. The namespace forwards packets. The
 * forwarding and the firewall of the host stay as they are, so pods reach the end of the pair on the host and nothing
 * beyond it.
 */
export async function createNetwork(state: RunState): Promise<NodeNetwork> {
  const id = crypto.randomUUID().slice(0, 6);
  const namespace = `onload-${id}`;
  const hostInterface = `onload${id}`;
  return await withLock(join(cacheFolder, "network.lock"), async () => {
    const taken = await output(["ip", "-o", "-4", "address"]);
    const free = Array.from({ length: 256 }, (_, index) => index).find((index) => !taken.includes(` 10.55.${index}.`));
    if (free === undefined) throw new Error("Cannot make the node's network: every 10.55.N.0/30 is taken");
    const hostAddress = `10.55.${free}.1`;
    const nodeAddress = `10.55.${free}.2`;
    state.recordNetworkNamespace(namespace);
    await run(["ip", "netns", "add", namespace]);
    await run(["ip", "link", "add", hostInterface, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
    await run(["ip", "address", "add", `${hostAddress}/30`, "dev", hostInterface]);
    await run(["ip", "link", "set", hostInterface, "up"]);
    const within = ["ip", "-n", namespace];
    await run([...within, "address", "add", `${nodeAddress}/30`, "dev", "eth0"]);
    await run([...within, "link", "set", "eth0", "up"]);
    await run([...within, "link", "set", "lo", "up"]);
    await run([...within, "route", "add", "default", "via", hostAddress]);
    await run(["nsenter", `--net=/run/netns/${namespace}`, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    return { namespace, hostInterface, hostAddress, nodeAddress };
  });
}
