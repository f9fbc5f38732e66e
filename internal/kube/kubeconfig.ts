import { delimiter, dirname, resolve } from "node:path";
import { isIPv4 } from "node:net";
import { URL } from "node:url";
import { readSmallFile } from "../cli/small-file.ts";
import { checkShape } from "./kubeconfig-shape.ts";
import { refreshingCredentials, type ClusterConfig } from "./credentials.ts";
import { readParts, type Cluster, type Context, type KubeconfigUser } from "./kubeconfig-parts.ts";
import { parseProxy, type Proxy } from "./proxy.ts";
import { identityReader, type Login } from "./kubeconfig-identity.ts";

/** The parts of one or more kubeconfig files, merged as kubectl merges them: the first file that says something wins. */
interface Kubeconfig {
  clusters: Cluster[];
  users: KubeconfigUser[];
  contexts: Context[];
  currentContext: string | undefined;
}

export interface KubeconfigOptions {
  /** Context to use instead of the current one. */
  context?: string | undefined;
  /** Monotonic clock in milliseconds. */
  now?: () => number;
}

/** A cluster, with its certificates, takes about 6 kB. */
const MAX_KUBECONFIG = 4 * 1024 * 1024;

/**
 * Reads kubeconfig files and picks a context.
 *
 * @param files in order of precedence; missing ones are skipped if there are several, as kubectl does
 * @throws Error "Cannot load kubeconfig FILE: reason" on one line
 */
export async function loadKubeconfig(
  files: readonly string[],
  options: KubeconfigOptions = {},
): Promise<ClusterConfig> {
  const source = files.join(delimiter);
  try {
    const config = await readFiles(files);
    // As with kubectl, an empty name is none.
    const name = options.context || config.currentContext;
    if (!name) throw new Error("it has no current-context: give --context");
    const context = config.contexts.find((item) => item.name === name);
    if (!context) throw new Error(`it has no context "${name}"${oneOf(config.contexts)}`);
    const cluster = config.clusters.find((item) => item.name === context.cluster);
    if (!cluster) throw new Error(`context "${name}" names cluster "${context.cluster}", which it does not have`);
    const user = config.users.find((item) => item.name === context.user);
    if (!user && context.user)
      throw new Error(`context "${name}" names user "${context.user}", which it does not have`);
    const { server, login } = withoutLogin(cluster);
    const proxy = cluster.proxyUrl ? proxyOf(cluster.name, cluster.proxyUrl) : undefined;
    const place = { server, namespace: context.namespace ?? "default", source, proxy };
    if (!maySendCredentials(server)) {
      // As kubectl does. What is not sent need not be read either: no exec plugin runs.
      const credentials = refreshingCredentials(() => Promise.resolve({ headers: {}, tls: {} }), options.now);
      return { ...place, credentials, withheld: `no credentials were sent, because ${server} has no TLS: use https` };
    }
    const read = await identityReader({ ...cluster, server }, user, login);
    return { ...place, credentials: refreshingCredentials(read, options.now) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot load kubeconfig ${source}: ${reason.replace(/\s*\n\s*/g, " ")}`, { cause: error });
  }
}

/**
 * The names of the contexts in kubeconfig files.
 *
 * @throws Error if one cannot be read
 */
export async function contextsOf(files: readonly string[]): Promise<string[]> {
  return (await readFiles(files)).contexts.map(({ name }) => name);
}

/** The proxy of a cluster. NO_PROXY says nothing about it. */
function proxyOf(name: string, proxyUrl: string): Proxy {
  try {
    return parseProxy(proxyUrl);
  } catch (error) {
    throw new Error(`cluster "${name}" has proxy-url ${(error as Error).message}`, { cause: error });
  }
}

/** The server's address, and the login in it, which must not appear in any message. */
function withoutLogin({ name, server: written }: Cluster): { server: string; login?: Login } {
  // As kubectl has it, whatever the kubeconfig says about TLS.
  const server = written.includes("://") ? written : `http://${written}`;
  if (!URL.canParse(server)) {
    const shown = server.replace(/^([^@]*:\/\/)?.*@/s, "$1***@");
    throw new Error(`cluster "${name}" has server "${shown}", which is not a URL`);
  }
  const url = new URL(server);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new Error(`cluster "${name}" has a server that is neither https:// nor http://`);
  if (url.username === "" && url.password === "") return { server };
  const login = { username: decoded(url.username), password: decoded(url.password) };
  url.username = "";
  url.password = "";
  return { server: url.href.replace(/\/$/, ""), login };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether a token or password may go to this server: over TLS, or to a process of this machine. */
function maySendCredentials(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  const loopback =
    hostname === "localhost" || hostname === "[::1]" || (isIPv4(hostname) && hostname.startsWith("127."));
  return protocol === "https:" || loopback;
}

async function readFiles(files: readonly string[]): Promise<Kubeconfig> {
  const merged: Kubeconfig = { clusters: [], users: [], contexts: [], currentContext: undefined };
  let found = 0;
  for (const file of files) {
    let text: string;
    try {
      text = (await readSmallFile(file, { maxBytes: MAX_KUBECONFIG })).toString("utf8");
    } catch (error) {
      if (files.length > 1 && (error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    found++;
    const one = await parseNamed(text, file, files.length > 1);
    merged.currentContext ??= one.currentContext;
    addNew(merged.clusters, one.clusters);
    addNew(merged.users, one.users);
    addNew(merged.contexts, one.contexts);
  }
  if (found === 0) throw new Error("no such file");
  return merged;
}

/** @param isOneOfSeveral whether a message has to say which file it is */
async function parseNamed(text: string, file: string, isOneOfSeveral: boolean): Promise<Kubeconfig> {
  try {
    return await parse(text, dirname(resolve(file)));
  } catch (error) {
    if (!isOneOfSeveral) throw error;
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function parse(text: string, dir: string): Promise<Kubeconfig> {
  const { parseYaml } = await import("../cli/yaml.ts");
  const [raw = null] = parseYaml(text) as (Record<string, unknown> | null)[];
  if (raw === null || typeof raw !== "object" || Array.isArray(raw)) throw new Error("it is not a kubeconfig");
  checkShape(raw);
  const current = raw["current-context"];
  return {
    ...readParts(raw, dir),
    currentContext: typeof current === "string" && current !== "" ? current : undefined,
  };
}

function addNew<T extends { name: string }>(into: T[], more: readonly T[]): void {
  for (const item of more) if (!into.some((known) => known.name === item.name)) into.push(item);
}

function oneOf(items: readonly { name: string }[]): string {
  return items.length > 0 ? `: use one of ${items.map((item) => item.name).join(", ")}` : "";
}
