import type { Proxy } from "./proxy.ts";
import { readSmallFile } from "../cli/small-file.ts";

/** TLS parts of a connection: PEM text, as node:tls takes them. */
export interface TlsOptions {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  servername?: string;
  rejectUnauthorized?: boolean;
}

/** HTTP headers by lower-case name; a header with several values is sent once for each. */
export type Headers = Record<string, string | string[]>;

/** Who we are, for the requests that are about to be sent. */
export interface Identity {
  /** Authorization and impersonation headers. */
  headers: Headers;
  /** The same object as before for as long as nothing in it changed, so that connections are kept. */
  tls: TlsOptions;
}

/** Source of an {@link Identity}. It is read anew from time to time, because tokens and certificates rotate. */
export interface Credentials {
  /**
   * @throws a plain Error with a one-line reason when a file cannot be read or an exec plugin fails
   */
  identity(): Promise<Identity>;
  /** Called when the server refused the last identity: it is read anew for the next request. */
  invalidate(): void;
}

/** A cluster to talk to, and as whom. */
export interface ClusterConfig {
  /** Base URL without a trailing slash; may have a path. */
  server: string;
  /** Namespace of the context or of the pod. */
  namespace: string;
  /** Where this was read from, for messages. */
  source: string;
  credentials: Credentials;
  /** Through which the server is reached. */
  proxy?: Proxy | undefined;
  /** Why the credentials are not used, if they are not: what to say when the server wants some. */
  withheld?: string | undefined;
}

// client-go reads token files again after a minute; the kubelet rotates them long before they expire.
const REFRESH_MS = 60_000;

/**
 * Credentials that `read` gives, kept for a minute.
 *
 * @param read is told whether the server refused what it gave before
 * @param now monotonic clock in milliseconds
 */
export function refreshingCredentials(
  read: (refused: boolean) => Promise<Identity>,
  now: () => number = () => performance.now(),
): Credentials {
  let current: { identity: Identity; at: number } | undefined;
  let reading: Promise<Identity> | undefined;
  let refused = false;
  async function refresh(): Promise<Identity> {
    const fresh = await read(refused);
    refused = false;
    // The same content keeps the same object, and so the open connections.
    const tls = current && sameTls(current.identity.tls, fresh.tls) ? current.identity.tls : fresh.tls;
    const identity = { headers: fresh.headers, tls };
    current = { identity, at: now() };
    return identity;
  }
  return {
    async identity() {
      if (current && !refused && now() - current.at < REFRESH_MS) return current.identity;
      reading ??= refresh().finally(() => {
        reading = undefined;
      });
      return reading;
    },
    invalidate() {
      refused = true;
    },
  };
}

/** A bundle of all public certificate authorities has 250 kB. */
const MAX_CREDENTIAL = 1024 * 1024;

/**
 * Reads a file that a kubeconfig or a pod has its credentials in.
 *
 * @throws Error "cannot read FILE: reason"
 */
export async function readCredentialFile(file: string): Promise<Buffer> {
  try {
    return await readSmallFile(file, { maxBytes: MAX_CREDENTIAL });
  } catch (error) {
    // Node's text ends with the system call and the path.
    const reason = error instanceof Error ? error.message.replace(/, \w+( '.*')?$/s, "") : String(error);
    throw new Error(`cannot read ${file}: ${reason}`, { cause: error });
  }
}

function sameTls(a: TlsOptions, b: TlsOptions): boolean {
  const text = (value: string | Buffer | undefined): string => (value === undefined ? "" : value.toString());
  return (
    text(a.ca) === text(b.ca) &&
    text(a.cert) === text(b.cert) &&
    text(a.key) === text(b.key) &&
    a.servername === b.servername &&
    a.rejectUnauthorized === b.rejectUnauthorized
  );
}
