import { createHash } from "node:crypto";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { URL } from "node:url";
import { errorText } from "../cli/errors.ts";
import { findCredentials } from "./credentials.ts";
import type { RegistryOptions } from "./engine.ts";

/** The image that a registry has under a tag. */
export interface RemoteImage {
  /** Digest of the manifest. */
  digest: string;
  /** ID of the image as engines show it; undefined for a list of several platforms. */
  imageId?: string;
  labels: Record<string, string>;
}

/** The parts of a name such as registry.example:5000/trading/onload-user:9.1.0 */
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

/** Maximum number of redirects that are followed for one request. */
const MAX_REDIRECTS = 10;

/** Splits a name that has a host and a tag. @throws Error if one is missing */
export function parseReference(image: string): ImageReference {
  const slash = image.indexOf("/");
  const colon = image.lastIndexOf(":");
  if (slash < 0 || colon < slash)
    throw new Error(`Cannot read the image name "${image}": it needs a registry and a tag`);
  return { host: image.slice(0, slash), repository: image.slice(slash + 1, colon), tag: image.slice(colon + 1) };
}

/**
 * Asks a registry for the image under a tag; undefined if there is none. This uses the HTTP API of the registry, because
 * each engine has another command for it.
 *
 * @throws Error if the registry cannot be reached or refuses
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
  const config = (client.parse(answer) as { config?: { digest: string } }).config?.digest;
  if (config === undefined) return { digest, labels: {} };
  const blob = await client.get(`blobs/${config}`, "*/*");
  const parsed =
    blob.status === 200 ? (client.parse(blob) as { config?: { Labels?: Record<string, string> } }) : undefined;
  return { digest, imageId: config.replace(/^sha256:/, ""), labels: parsed?.config?.Labels ?? {} };
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
      throw this.#refused("it refuses the login; log in with the engine or give --authfile");
    }
    if (answer.status !== 200 && answer.status !== 404) throw this.#refused(statusText(answer));
    return answer;
  }

  /**
   * The JSON of an answer; null becomes an empty object.
   *
   * @throws Error with `problem` if it is not JSON
   */
  parse(answer: Answer, problem = "it answers no JSON; check the name and the proxy"): object {
    try {
      return (JSON.parse(answer.body.toString()) as object | null) ?? {};
    } catch (cause) {
      throw this.#refused(problem, cause);
    }
  }

  #refused(reason: string, cause?: unknown): Error {
    const { host, repository } = this.#reference;
    return new Error(`Cannot ask ${host} for ${repository}: ${reason}`, { cause });
  }

  /** The value of the Authorization header that a challenge asks for. */
  async #login(challenge: string): Promise<string | undefined> {
    const { host, repository } = this.#reference;
    const credentials = await findCredentials(host, repository, this.#options.authfile);
    const basic = credentials === undefined ? undefined : `Basic ${credentials}`;
    if (!/^bearer\b/i.test(challenge)) return basic;
    const fields = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]),
    );
    const realm = URL.parse(fields["realm"] ?? "");
    if (!realm) throw this.#refused(`it asks for a token from "${fields["realm"] ?? ""}", which is no address`);
    const server = `${realm.href}, which gives the tokens`;
    if (fields["service"] !== undefined) realm.searchParams.set("service", fields["service"]);
    realm.searchParams.set("scope", fields["scope"] ?? `repository:${repository}:pull`);
    const authorization = basic === undefined ? {} : { authorization: basic };
    const answer = await send(realm, authorization, this.#options, this.#signal).catch((cause: unknown) => {
      this.#signal?.throwIfAborted();
      throw new Error(`Cannot reach ${server}: ${errorText(cause)}; check the proxy`, { cause });
    });
    // The request without a token fails then, and its error says that the login is refused.
    if (answer.status !== 200) return undefined;
    const given: { token?: string; access_token?: string } = this.parse(
      answer,
      `${server}, answers no JSON; check the proxy`,
    );
    const token = given.token ?? given.access_token;
    return token === undefined ? undefined : `Bearer ${token}`;
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

function statusText({ status, headers: { location } }: Answer): string {
  if (!isRedirect(status)) return `it answers with status ${status}`;
  if (location === undefined) return "it redirects to nowhere";
  return URL.canParse(location, "https://any")
    ? `it redirects more than ${MAX_REDIRECTS} times`
    : `it redirects to "${location}", which is no address`;
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** Sends a GET request and follows redirects. A redirect that cannot be followed, or is one too many, is the answer. */
async function send(
  url: URL,
  headers: Record<string, string>,
  options: RegistryOptions,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  let target = url;
  let sent = headers;
  for (let redirects = 0; ; redirects++) {
    const answer = await sendOnce(target, sent, options, signal);
    const { location } = answer.headers;
    const next = isRedirect(answer.status) && location !== undefined ? URL.parse(location, target) : null;
    if (next === null || redirects === MAX_REDIRECTS) return answer;
    target = next;
    // The target is often the storage of another host, which must not see our credentials.
    sent = { accept: headers["accept"] ?? "*/*" };
  }
}

function sendOnce(
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
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("No answer within 30 s")));
    sent.on("error", reject);
    sent.end();
  });
}
