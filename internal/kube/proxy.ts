import { URL } from "node:url";

/** A proxy between us and the API server. */
export interface Proxy {
  protocol: "http:" | "https:" | "socks5:";
  host: string;
  port: number;
  /** Its address for messages, without a login. */
  address: string;
  /** Login of its URL. */
  username: string | undefined;
  password: string;
}

const PORTS = { "http:": 80, "https:": 443, "socks5:": 1080 } as const;

/**
 * A proxy by its URL.
 *
 * @throws Error "SHOWN, which is not a URL", or what kinds of proxies there are; a login in it is never shown
 */
export function parseProxy(text: string): Proxy {
  const shown = text.replace(/^([^@]*:\/\/)?.*@/s, "$1***@");
  if (!URL.canParse(text) || new URL(text).hostname === "")
    throw new Error(`"${shown}", which is not the URL of a proxy`);
  const { protocol, hostname, port, host, username, password } = new URL(text);
  if (!isProtocol(protocol)) {
    throw new Error(`"${shown}", which is neither an http, https nor a socks5 proxy`);
  }
  return {
    protocol,
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? PORTS[protocol] : Number(port),
    address: `${protocol}//${host}`,
    username: username === "" && password === "" ? undefined : decoded(username),
    password: decoded(password),
  };
}

function isProtocol(protocol: string): protocol is Proxy["protocol"] {
  return Object.hasOwn(PORTS, protocol);
}

/** The value of the Proxy-Authorization header. */
export function proxyAuthorization({ username, password }: Proxy): string | undefined {
  if (username === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
