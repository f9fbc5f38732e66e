import { createServer } from "node:net";

/**
 * Returns free TCP ports of an address. All are open at the same time while they are chosen, so that they differ.
 * Another program may take a port before it is used, so a caller that starts a server has to try again with a new port.
 */
export async function freePorts(count: number, address = "127.0.0.1"): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  try {
    return await Promise.all(
      servers.map(
        (server) =>
          new Promise<number>((resolve, reject) => {
            server.once("error", reject);
            server.listen(0, address, () => {
              const bound = server.address();
              if (bound !== null && typeof bound === "object") resolve(bound.port);
            });
          }),
      ),
    );
  } finally {
    for (const server of servers) server.close();
  }
}
