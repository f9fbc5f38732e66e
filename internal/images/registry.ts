import { createHash } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { URL } from "node:url";
import { findCredentials } from "./credentials.ts";
import type { RegistryOptions } from "./engine.ts";

/** What a registry has under a tag. */
export interface RemoteImage {
  /** Of the manifest. */
  digest: string;
  /** ID of the image as engines show it; undefined for a list of several platforms. */
  imageId?: string;
  labels: Record<string, string>;
}

/** A name taken apart: registry.example:5000/trading/onload-user:9.1.0 */
export interface ImageReference {
  host: string;
  repository: string;
  tag: string;
}

const ACCEPT = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/** Takes a name with host and tag apart. */
export function parseReference(image: string): ImageReference {
  const slash = image.indexOf("/");
  const colon = image.lastIndexOf(":");
  if (slash < 0 || colon < slash)
    throw new Error(`Cannot read the image name "${image}": it needs a registry and a tag`);
  return { host: image.slice(0, slash), repository: image.slice(slash + 1, colon), tag: image.slice(colon + 1) };
}

/**
 * Asks a registry what it has under a tag, over its HTTP API, because no two engines can say that in the same way.
 * Undefined when there is nothing under it.
 *
 * @throws Error when the registry cannot be reached or refuses
 */
export async function remoteImage(
  image: string,
  options: RegistryOptions,
  signal?: AbortSignal,
): Promise<RemoteImage | undefined> {
  const reference = parseReference(image);
  const client = new RegistryClient(reference, options, signal);
  const answer = await client.get(`manifests/${reference.tag}`, ACCEPT);
  if (answer.status === 404) return undefined;
  const digest = `sha256:${createHash("sha256").update(answer.body).digest("hex")}`;
  const config = (JSON.parse(answer.body.toString()) as { config?: { digest: string } }).config?.digest;
  if (config === undefined) return { digest, labels: {} };
  const blob = await client.get(`blobs/${config}`, "*/*");
  const parsed =
    blob.status === 200 ? (JSON.parse(blob.body.toString()) as { config?: { Labels?: Record<string, string> } }) : {};
  return { digest, imageId: config.replace(/^sha256:/, ""), labels: parsed.config?.Labels ?? {} };
}

interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

class RegistryClient {
  #reference: ImageReference;
  #options: RegistryOptions;
  #signal: AbortSignal | undefined;
  #authorization: string | undefined;

  constructor(reference: ImageReference, options: RegistryOptions, signal: AbortSignal | undefined) {
    this.#reference = reference;
    this.#options = options;
    this.#signal = signal;
  }

  async get(path: string, accept: string): Promise<Answer> {
    const { host, repository } = this.#reference;
    const target = `${host === "docker.io" ? "registry-1.docker.io" : host}/v2/${repository}/${path}`;
    let answer = await this.#fetch(target, accept);
    if (answer.status === 401 && this.#authorization === undefined) {
      this.#authorization = await this.#login(answer.headers["www-authenticate"] ?? "");
      if (this.#authorization !== undefined) answer = await this.#fetch(target, accept);
    }
    if (answer.status === 401 || answer.status === 403) {
      throw new Error(
        `Cannot ask ${host} for ${repository}: it refuses the login; log in with the engine or give --authfile`,
      );
    }
    if (answer.status !== 200 && answer.status !== 404) {
      throw new Error(`Cannot ask ${host} for ${repository}: it answers with status ${answer.status}`);
    }
    return answer;
  }

  /** The value of the Authorization header that a challenge asks for. */
  async #login(challenge: string): Promise<string | undefined> {
    const credentials = await findCredentials(this.#reference.host, this.#options.authfile);
    const basic = credentials === undefined ? undefined : `Basic ${credentials}`;
    if (!/^bearer /i.test(challenge)) return basic;
    const fields = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]),
    );
    const realm = new URL(fields["realm"] ?? "");
    if (fields["service"] !== undefined) realm.searchParams.set("service", fields["service"]);
    realm.searchParams.set("scope", fields["scope"] ?? `repository:${this.#reference.repository}:pull`);
    const answer = await send(realm, basic === undefined ? {} : { authorization: basic }, this.#options, this.#signal);
    const token = JSON.parse(answer.body.toString() || "{}") as { token?: string; access_token?: string };
    const bearer = token.token ?? token.access_token;
    return bearer === undefined ? undefined : `Bearer ${bearer}`;
  }

  async #fetch(target: string, accept: string): Promise<Answer> {
    const headers: Record<string, string> = { accept };
    if (this.#authorization !== undefined) headers["authorization"] = this.#authorization;
    try {
      return await send(new URL(`https://${target}`), headers, this.#options, this.#signal);
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (this.#options.insecure) {
        try {
          return await send(new URL(`http://${target}`), headers, this.#options, this.#signal);
        } catch (plain) {
          throw this.#unreachable(plain);
        }
      }
      throw this.#unreachable(error);
    }
  }

  #unreachable(cause: unknown): Error {
    const { code, message } = cause as NodeJS.ErrnoException;
    const noTls = /wrong version number|EPROTO|packet length too long|ERR_SSL/i.test(`${code} ${message}`);
    const hint = noTls
      ? "it has no TLS; add --insecure-registry"
      : `${message || code}; check the name, the port and the proxy`;
    return new Error(`Cannot reach the registry ${this.#reference.host}: ${hint}`, { cause });
  }
}

function send(
  url: URL,
  headers: Record<string, string>,
  options: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === "http:" ? httpRequest : httpsRequest;
    const sent = request(
      url,
      { headers, rejectUnauthorized: !options.insecure, timeout: 30_000, ...(signal ? { signal } : {}) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const location = response.headers.location;
          if (
            response.statusCode !== undefined &&
            response.statusCode >= 300 &&
            response.statusCode < 400 &&
            location
          ) {
            // Blobs often lie with another host, which must not see our credentials.
            const { accept = "*/*" } = headers;
            send(new URL(location, url), { accept }, options, signal).then(resolve, reject);
            return;
          }
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("No answer within 30 s")));
    sent.on("error", reject);
    sent.end();
  });
}
