/** A server in front of the API server, which answers some requests itself: as a gateway does, or one that is unwell. */
import { readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import type { ControlPlane } from "../../testcluster/index.ts";
import type { OperatorUser } from "./install.ts";

/** What is read of a kubeconfig of the test cluster, which is JSON. */
interface Kubeconfig {
  clusters: { cluster: { server: string; "certificate-authority": string } }[];
  users: { user: { "client-certificate": string; "client-key": string } }[];
}

export class LyingServer implements AsyncDisposable {
  /** Answers a request, or leaves it to the API server by returning false. */
  lie: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  /** The same user, who finds this server instead of the API server. */
  readonly user: OperatorUser;
  readonly #server: https.Server;
  readonly #agent: https.Agent;
  readonly #sockets = new Set<Socket>();

  private constructor(server: https.Server, agent: https.Agent, user: OperatorUser) {
    this.#server = server;
    this.#agent = agent;
    this.user = user;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** @param user one with a certificate: requests are passed on in its name */
  static async start(plane: ControlPlane, user: OperatorUser): Promise<LyingServer> {
    const pki = (file: string): Buffer => readFileSync(join(plane.folder, "pki", file));
    const config = JSON.parse(readFileSync(user.kubeconfigPath, "utf8")) as Kubeconfig;
    const { cluster } = config.clusters[0]!;
    const names = config.users[0]!.user;
    const [ca, cert, key] = [cluster["certificate-authority"], names["client-certificate"], names["client-key"]].map(
      (path) => readFileSync(path),
    );
    const agent = new https.Agent({ ca: ca!, cert: cert!, key: key!, keepAlive: true });
    const target = cluster.server;
    const server = https.createServer({ cert: pki("apiserver.crt"), key: pki("apiserver.key") });
    await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
    cluster.server = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const kubeconfigPath = join(plane.folder, "users", "of-lying-server.kubeconfig");
    writeFileSync(kubeconfigPath, JSON.stringify(config));
    const lying = new LyingServer(server, agent, { name: user.name, kubeconfigPath });
    server.on("request", (request, response) => {
      if (!lying.lie(request, response)) lying.#passOn(target, request, response);
    });
    return lying;
  }

  /** Ends every connection that is open. */
  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #passOn(target: string, request: IncomingMessage, response: ServerResponse): void {
    const { method, headers, url = "/" } = request;
    const far = https.request(`${target}${url}`, { agent: this.#agent, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      // The watcher waits for the first byte of the head.
      response.flushHeaders();
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    far.on("error", () => response.destroy());
    response.on("close", () => far.destroy());
    request.pipe(far);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.breakConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#agent.destroy();
  }
}
