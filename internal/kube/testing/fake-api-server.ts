import http from "node:http";
import type { AddressInfo } from "node:net";
import { URL } from "node:url";
import { Client } from "../client.ts";
import type { KubeObject } from "../../api/core.ts";
import { mergePatch } from "./merge-patch.ts";
import { Transport, type TransportOptions } from "../transport.ts";

/** A stored object; whatever else it has is kept. */
export type Stored = KubeObject & Record<string, unknown>;

interface Watcher {
  collection: string;
  response: http.ServerResponse;
  /** Its connection is half-open: it hears nothing more and is not told. */
  deaf: boolean;
}

interface Fault {
  method: string;
  path: RegExp;
  times: number;
  act: (response: http.ServerResponse) => void;
}

/**
 * An API server's protocol without its rules: lists in pages, watches with history, conflicts, compaction, and
 * failures on demand in any order, which a real server cannot be made to show. Real servers are for `*.cluster.test.ts`.
 */
export class FakeApiServer implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #objects = new Map<string, Stored>();
  readonly #absent = new Set<string>();
  #history: { revision: number; collection: string; type: string; object: Stored }[] = [];
  #watchers: Watcher[] = [];
  #faults: Fault[] = [];
  #revision = 100;
  #compacted = 0;
  #uid = 0;
  #transports: Transport[] = [];
  /** Method and path of every request. */
  readonly requests: string[] = [];
  readonly headers: http.IncomingHttpHeaders[] = [];
  #connections = 0;
  #open = 0;

  private constructor(server: http.Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeApiServer> {
    const server = http.createServer();
    const fake = new FakeApiServer(server);
    server.on("request", (request, response) => void fake.#serve(request, response));
    server.on("connection", (socket) => {
      fake.#connections++;
      fake.#open++;
      socket.on("close", () => fake.#open--);
    });
    await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections opened so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#open;
  }

  get watchers(): number {
    return this.#watchers.filter((watcher) => !watcher.deaf).length;
  }

  /** A client of this server; closed with it. */
  client(options: Partial<TransportOptions> = {}): Client {
    const credentials = { identity: async () => ({ headers: {}, tls: noTls }), invalidate: () => undefined };
    const config = { server: this.url, namespace: "default", source: "a test", credentials };
    const transport = new Transport({ config, ...options });
    this.#transports.push(transport);
    return new Client(transport);
  }

  /** Objects of a collection, as `/api/v1/nodes`, by name. */
  objects(collection: string): Map<string, Stored> {
    const found = new Map<string, Stored>();
    for (const [path, object] of this.#objects) {
      if (path.startsWith(`${collection}/`)) found.set(path.slice(collection.length + 1), object);
    }
    return found;
  }

  put(collection: string, object: Stored): Stored {
    const path = `${collection}/${object.metadata.name}`;
    const old = this.#objects.get(path);
    const uid = old?.metadata.uid ?? `uid-${++this.#uid}`;
    const metadata = { ...object.metadata, uid, resourceVersion: String(++this.#revision) };
    const stored = { kind: kindOf(collection), ...object, metadata };
    this.#objects.set(path, stored);
    this.#tell(collection, old ? "MODIFIED" : "ADDED", stored);
    return stored;
  }

  remove(collection: string, name: string): void {
    const path = `${collection}/${name}`;
    const old = this.#objects.get(path);
    if (!old) return;
    this.#objects.delete(path);
    const metadata = { ...old.metadata, resourceVersion: String(++this.#revision) };
    this.#tell(collection, "DELETED", { ...old, metadata });
  }

  /** Forgets the history: watches and page tokens from before get 410. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.#revision;
  }

  /** Breaks off every watch, its last line possibly half-sent. */
  dropWatches(halfLine = false): void {
    for (const { response } of this.#watchers.splice(0)) {
      if (halfLine) response.write('{"type":"ADDED","object":{"meta');
      response.socket?.destroy();
    }
  }

  /** Ends every watch as a server does when its time is over. */
  endWatches(): void {
    for (const { response } of this.#watchers.splice(0)) response.end();
  }

  /** Every open watch hears nothing more, though its connection stays. */
  deafenWatches(): void {
    for (const watcher of this.#watchers) watcher.deaf = true;
  }

  /** Sends every watch an empty line, even one that hears nothing else. */
  drip(): void {
    for (const { response } of this.#watchers) response.write("\n");
  }

  /** Sends every watch a bookmark. */
  bookmark(): void {
    for (const { response, deaf } of this.#watchers) {
      if (!deaf) writeEvent(response, "BOOKMARK", { metadata: { resourceVersion: String(this.#revision) } });
    }
  }

  /** The server does not know this collection, as before its CRD is installed. */
  setAbsent(collection: string, absent: boolean): void {
    if (absent) this.#absent.add(collection);
    else this.#absent.delete(collection);
    if (absent) this.endWatches();
  }

  /** The next `times` matching requests are answered by `act` instead. */
  fail(method: string, path: RegExp, times: number, act: (response: http.ServerResponse) => void): void {
    this.#faults.push({ method, path, times, act });
  }

  heal(): void {
    this.#faults = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const transport of this.#transports) transport.close();
    this.dropWatches();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #tell(collection: string, type: string, object: Stored): void {
    this.#history.push({ revision: Number(object.metadata.resourceVersion), collection, type, object });
    for (const watcher of this.#watchers) {
      if (watcher.collection === collection && !watcher.deaf) writeEvent(watcher.response, type, object);
    }
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    const method = request.method ?? "GET";
    this.requests.push(`${method} ${request.url}`);
    this.headers.push(request.headers);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const fault = this.#faults.find(
      (item) => item.times > 0 && item.method === method && item.path.test(request.url ?? ""),
    );
    if (fault) {
      fault.times--;
      fault.act(response);
      return;
    }
    const text = Buffer.concat(chunks).toString();
    this.#answer(method, url, text === "" ? undefined : (JSON.parse(text) as Stored), response);
  }

  #answer(method: string, url: URL, body: Stored | undefined, response: http.ServerResponse): void {
    const collection = url.pathname.split("/");
    const isObject = collection.length % 2 === (url.pathname.startsWith("/api/") ? 1 : 0);
    const parent = collection.slice(0, -1).join("/");
    if (this.#absent.has(isObject ? parent : url.pathname)) {
      sendStatus(response, 404, "NotFound", "the server could not find the requested resource");
    } else if (collection.at(-1) === "eviction") {
      this.#answerObject("DELETE", collection.slice(0, -2).join("/"), collection.at(-2)!, undefined, response);
    } else if (method === "POST" && collection.at(-1)!.endsWith("accessreviews")) {
      // Nobody is refused anything but by a fault.
      sendJson(response, 201, { ...body, status: { allowed: true } });
    } else if (method === "POST" && body) {
      if (this.#objects.has(`${url.pathname}/${body.metadata.name}`))
        sendStatus(response, 409, "AlreadyExists", "it exists");
      else sendJson(response, 201, this.put(url.pathname, body));
    } else if (isObject) {
      this.#answerObject(method, parent, collection.at(-1)!, body, response);
    } else if (url.searchParams.get("watch") === "true") {
      this.#answerWatch(url, response);
    } else {
      this.#answerList(url, response);
    }
  }

  #answerObject(
    method: string,
    collection: string,
    name: string,
    body: Stored | undefined,
    response: http.ServerResponse,
  ): void {
    const found = this.#objects.get(`${collection}/${name}`);
    if (!found) {
      sendStatus(response, 404, "NotFound", `"${name}" not found`);
    } else if (method === "PATCH" && body) {
      const wanted = body.metadata?.resourceVersion;
      if (wanted && wanted !== found.metadata.resourceVersion)
        sendStatus(response, 409, "Conflict", "the object has been modified");
      else sendJson(response, 200, this.put(collection, mergePatch(found, body) as Stored));
    } else if (method === "DELETE") {
      this.remove(collection, name);
      sendJson(response, 200, { kind: "Status", status: "Success" });
    } else {
      sendJson(response, 200, found);
    }
  }

  #answerList(url: URL, response: http.ServerResponse): void {
    const [revision = this.#revision, offset = 0] = (url.searchParams.get("continue") ?? "")
      .split(":")
      .filter(Boolean)
      .map(Number);
    if (revision < this.#compacted) {
      sendStatus(response, 410, "Expired", "the provided continue parameter is too old");
      return;
    }
    const limit = Number(url.searchParams.get("limit") ?? Infinity);
    const all = [...this.#at(url.pathname, revision).values()].sort((a, b) =>
      a.metadata.name < b.metadata.name ? -1 : 1,
    );
    const end = offset + limit;
    const next = end < all.length ? { continue: `${revision}:${end}` } : {};
    sendJson(response, 200, {
      kind: `${kindOf(url.pathname)}List`,
      metadata: { resourceVersion: String(revision), ...next },
      items: all.slice(offset, end),
    });
  }

  /** The collection as it was at a revision: the present, with later history undone. */
  #at(collection: string, revision: number): Map<string, Stored> {
    const state = this.objects(collection);
    if (revision === this.#revision) return state;
    for (const event of this.#history
      .filter((item) => item.collection === collection && item.revision > revision)
      .reverse()) {
      const { name } = event.object.metadata;
      const before = this.#history
        .filter(
          (item) =>
            item.collection === collection && item.object.metadata.name === name && item.revision < event.revision,
        )
        .at(-1);
      if (before && before.type !== "DELETED") state.set(name, before.object);
      else if (!before && event.type !== "ADDED") state.set(name, event.object);
      else state.delete(name);
    }
    return state;
  }

  #answerWatch(url: URL, response: http.ServerResponse): void {
    const from = Number(url.searchParams.get("resourceVersion"));
    if (from < this.#compacted) {
      // Real servers do either.
      if (this.#revision % 2 === 0) sendStatus(response, 410, "Expired", "too old resource version");
      else {
        response.writeHead(200, { "content-type": "application/json" });
        writeEvent(response, "ERROR", {
          kind: "Status",
          code: 410,
          reason: "Expired",
          message: "too old resource version",
        });
        response.end();
      }
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for (const event of this.#history) {
      if (event.collection === url.pathname && event.revision > from) writeEvent(response, event.type, event.object);
    }
    const watcher = { collection: url.pathname, response, deaf: false };
    this.#watchers.push(watcher);
    response.on("close", () => {
      this.#watchers = this.#watchers.filter((other) => other !== watcher);
    });
  }
}

const KINDS: Record<string, string> = {
  nodes: "Node",
  pods: "Pod",
  leases: "Lease",
  events: "Event",
  deployments: "Deployment",
  customresourcedefinitions: "CustomResourceDefinition",
};

function kindOf(collection: string): string {
  return KINDS[collection.split("/").at(-1)!] ?? "Thing";
}

const noTls = {};

function writeEvent(response: http.ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function sendJson(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Answers with a metav1.Status. */
export function sendStatus(response: http.ServerResponse, code: number, reason: string, message: string): void {
  sendJson(response, code, { kind: "Status", status: "Failure", code, reason, message });
}
