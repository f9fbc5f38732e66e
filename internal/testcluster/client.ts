import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import type { KeyPair } from "./pki.ts";

/** An answer of the API server that is an error. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** A request body and its content type, which is JSON by default. */
export interface RequestOptions {
  readonly body?: unknown;
  /** merge: application/merge-patch+json; apply: application/apply-patch+yaml. */
  readonly contentType?: "json" | "merge" | "apply";
}

const contentTypes = {
  json: "application/json",
  merge: "application/merge-patch+json",
  apply: "application/apply-patch+yaml",
} as const;

/**
 * Sends requests of tests to the API server over a few connections that stay open. It uses none of the code under test.
 * Objects are returned as parsed JSON without a type; callers cast them.
 */
export class Client {
  readonly #server: URL;
  readonly #agent: Agent;

  constructor(server: string, caPath: string, pair: KeyPair) {
    this.#server = new URL(server);
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 32,
      ca: readFileSync(caPath),
      cert: readFileSync(pair.certPath),
      key: readFileSync(pair.keyPath),
    });
  }

  /** Sends one request; throws a RequestError with the message of the API server if it is refused. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape depends on the path
  request<T = any>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: this.#server.hostname,
          port: this.#server.port,
          agent: this.#agent,
          method,
          path,
          headers: {
            accept: "application/json",
            ...(body === undefined
              ? {}
              : {
                  "content-type": contentTypes[options.contentType ?? "json"],
                  "content-length": Buffer.byteLength(body),
                }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            const status = response.statusCode ?? 0;
            if (status >= 300) {
              reject(new RequestError(`Cannot ${method} ${path}: ${messageOf(text)}`, status));
              return;
            }
            resolve((text.startsWith("{") ? JSON.parse(text) : text) as T);
          });
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}
