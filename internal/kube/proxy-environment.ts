/**
 * The proxy that the environment names, by the rules of Go's golang.org/x/net/http/httpproxy, which kubectl and client-go
 * follow. kubectl's own proxy-url of a kubeconfig goes before it.
 */
import { domainToASCII, URL } from "node:url";
import { isInRange, isLoopback, isSameIp, parseIp, parseRange } from "./ip-address.ts";
import { parseProxy, type Proxy } from "./proxy.ts";

type Environment = Record<string, string | undefined>;

/**
 * The proxy for a server; undefined if there is none, or the server is excepted. Servers of this machine always are.
 *
 * @param server URL of http or https
 * @throws Error if the proxy's URL is none, naming the variable
 */
export function proxyFromEnvironment(server: string, env: Environment): Proxy | undefined {
  const { protocol, hostname, port } = new URL(server);
  const names = protocol === "https:" ? ["HTTPS_PROXY", "https_proxy"] : ["HTTP_PROXY", "http_proxy"];
  const variable = names.find((name) => (env[name] ?? "") !== "");
  if (variable === undefined) return undefined;
  const host = hostname.replace(/^\[|\]$/g, "");
  const exceptions = env["NO_PROXY"] || env["no_proxy"] || "";
  if (isExcepted(host, port || (protocol === "https:" ? "443" : "80"), exceptions)) return undefined;
  const value = env[variable]!;
  try {
    // Such as proxy.example.com:3128, which most programs take.
    return parseProxy(/^[a-z][-+.a-z0-9]*:\/\/[^/]/i.test(value) ? value : `http://${value}`);
  } catch (error) {
    throw new Error(`${variable} is ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Whether a host needs no proxy.
 *
 * @param exceptions NO_PROXY: hosts, domains (.example.com and *.example.com for those below it alone), IP addresses and
 *   ranges (10.0.0.0/8), each but a range with a port if wanted; `*` for everything
 */
function isExcepted(host: string, port: string, exceptions: string): boolean {
  const ip = parseIp(host);
  if (host === "localhost" || (ip && isLoopback(ip))) return true;
  const entries = exceptions.split(",").map((entry) => entry.trim().toLowerCase());
  return entries.includes("*") || entries.some((entry) => matches(entry, host.toLowerCase(), ip, port));
}

function matches(entry: string, host: string, ip: Uint8Array | undefined, port: string): boolean {
  const range = parseRange(entry);
  if (range) return ip !== undefined && isInRange(ip, range);
  const [name, wantedPort] = splitPort(entry);
  if (name === "" || (wantedPort !== "" && wantedPort !== port)) return false;
  const address = parseIp(name);
  if (address) return ip !== undefined && isSameIp(address, ip);
  if (ip) return false;
  const domain = name.startsWith("*.") ? name.slice(1) : name;
  const below = ascii(domain.startsWith(".") ? domain : `.${domain}`);
  return host.endsWith(below) || (!domain.startsWith(".") && host === below.slice(1));
}

/** Host and port, as Go's net.SplitHostPort takes them apart; without a port, the host is the whole. */
function splitPort(entry: string): [string, string] {
  const [, bracketed, plain, port = ""] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(entry) ?? [];
  const host = bracketed ?? plain;
  return host === undefined ? [entry, ""] : [host, port];
}

function ascii(domain: string): string {
  return domainToASCII(domain) || domain;
}
