/** Proxies for tests, on loopback. They send everything to one place, whatever name is asked for. */
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import tls from "node:tls";

export interface TestProxyOptions {
  /** Where every connection goes. */
  port: number;
  /** Login that is wanted. */
  login?: { username: string; password: string };
  /** PEM of a proxy that is reached by TLS. */
  tls?: { cert: string; key: string };
  kind?: "connect" | "socks5";
}

export interface TestProxy extends AsyncDisposable {
  port: number;
  /** What was asked for: tunnels as HOST:PORT, requests to be passed on as METHOD URL; and `refused`. */
  asked: string[];
}

/** Starts a proxy. */
export async function startProxy(options: TestProxyOptions): Promise<TestProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    const talk = options.kind === "socks5" ? socks(socket, options, asked) : connect(socket, options, asked);
    talk.catch(() => socket.destroy());
  };
  const server: Server = options.tls ? tls.createServer(options.tls, serve) : net.createServer(serve);
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  return {
    asked,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** The next bytes of a socket. */
function next(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once("data", resolve);
    socket.once("close", () => reject(new Error("closed")));
  });
}

/** Tunnels, and requests without a body that are passed on one by one. The login is wanted with each. */
async function connect(socket: Socket, options: TestProxyOptions, asked: string[]): Promise<void> {
  const { login } = options;
  const wanted = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`;
  let far: Socket | undefined;
  let head = "";
  for (;;) {
    while (!head.includes("\r\n\r\n")) head += (await next(socket)).toString("latin1");
    const [request, ...rest] = head.split("\r\n\r\n");
    head = rest.join("\r\n\r\n");
    const [, authority] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(request!) ?? [];
    const [, method, origin, path] = /^([A-Z]+) (http:\/\/[^/ ]+)(\/\S*) HTTP\/1\.1\r\n/.exec(request!) ?? [];
    const given = /^proxy-authorization: (.*)$/im.exec(request!)?.[1]?.trim();
    const known = authority ?? origin;
    if (known === undefined || (wanted !== undefined && given !== wanted)) {
      asked.push("refused");
      const status = known === undefined ? "400 Bad Request" : "407 Proxy Authentication Required";
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    if (authority !== undefined) {
      asked.push(authority);
      return join(socket, options.port, "HTTP/1.1 200 Connection established\r\n\r\n");
    }
    asked.push(`${method} ${origin}${path}`);
    far ??= passing(socket, options.port);
    const [, ...headers] = request!.split("\r\n");
    const own = headers.filter((line) => !/^proxy-authorization:/i.test(line));
    far.write(`${[`${method} ${path} HTTP/1.1`, ...own].join("\r\n")}\r\n\r\n`, "latin1");
  }
}

/** A connection whose answers go back to `near`. */
function passing(near: Socket, port: number): Socket {
  const far = net.connect({ host: "127.0.0.1", port });
  far.pipe(near);
  far.on("error", () => near.destroy());
  near.on("close", () => far.destroy());
  return far;
}

/** RFC 1928, with RFC 1929 for a login. */
async function socks(socket: Socket, { port, login }: TestProxyOptions, asked: string[]): Promise<void> {
  const methods = [...(await next(socket)).subarray(2)];
  const method = login ? 2 : 0;
  if (!methods.includes(method)) {
    asked.push("refused");
    socket.end(Buffer.from([5, 255]));
    return;
  }
  socket.write(Buffer.from([5, method]));
  if (login) {
    const answer = await next(socket);
    const name = answer.subarray(2, 2 + answer[1]!).toString();
    const isRight = name === login.username && answer.subarray(3 + answer[1]!).toString() === login.password;
    socket.write(Buffer.from([1, isRight ? 0 : 1]));
    if (!isRight) {
      asked.push("refused");
      socket.end();
      return;
    }
  }
  const request = await next(socket);
  const host = request[3] === 3 ? request.subarray(5, 5 + request[4]!).toString() : `address of kind ${request[3]}`;
  asked.push(`${host}:${request.readUInt16BE(request.length - 2)}`);
  join(socket, port, Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
}

function join(near: Socket, port: number, answer: string | Buffer): void {
  const far = net.connect({ host: "127.0.0.1", port }, () => {
    near.write(answer);
    near.pipe(far);
    far.pipe(near);
  });
  far.on("error", () => near.destroy());
  near.on("close", () => far.destroy());
}
