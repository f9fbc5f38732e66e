/** What kubectl takes of a kubeconfig and its environment, we take: each row is asked of both, and the API server says who they are. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedControlPlane, type Cluster } from "../testcluster/index.ts";
import { run } from "../testcluster/lib/command.ts";
import { tool } from "../testcluster/tools/index.ts";
import { Client } from "./client.ts";
import { loadConfig } from "./config.ts";
import { SELF_SUBJECT_REVIEWS } from "./resource.ts";
import { startIssuer, webToken, type TestIssuer } from "./testing/issuer.ts";
import { startProxy, type TestProxy } from "./testing/proxies.ts";
import { Transport } from "./transport.ts";

setDefaultTimeout(300_000);

let cluster: Cluster;
let folder: string;
let kubectl: string;
const proxies: Record<string, TestProxy> = {};
let issuer: TestIssuer;
/** The parts of kubeconfigs, once the cluster is there. */
let parts: { ca: string; cert: string; key: string; token: string; port: number };

beforeAll(async () => {
  cluster = await sharedControlPlane();
  kubectl = await tool("kubectl");
  folder = mkdtempSync(join(tmpdir(), "onloadctl-kubeconfig-"));
  const namespace = await cluster.createNamespace("identity");
  const port = Number(new URL(cluster.server).port);
  const base64 = (file: string): string => readFileSync(file).toString("base64");
  const admin = await cluster.addUser("kubeconfig-admin", ["system:masters"]);
  const token = (await cluster.kubectl(["create", "token", "default", "-n", namespace])).trim();
  parts = { ca: base64(cluster.caPath), cert: base64(admin.certPath), key: base64(admin.keyPath), token, port };
  mkdirSync(join(folder, "pki"));
  for (const [name, text] of Object.entries({
    "ca.crt": parts.ca,
    "client.crt": parts.cert,
    "client.key": parts.key,
  })) {
    writeFileSync(join(folder, "pki", name), Buffer.from(text, "base64"));
  }
  writeFileSync(join(folder, "token"), `${token}\n`);
  writeFileSync(join(folder, "empty"), "");
  const pem = (name: string): string => readFileSync(join(cluster.folder, "pki", `apiserver.${name}`), "utf8");
  const status = JSON.stringify({ token });
  const plugin = `#!/bin/sh\necho '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":${status}}'\n`;
  // It gives the token only if it is told of the whole cluster.
  const choosy = `#!/bin/sh\necho "$KUBERNETES_EXEC_INFO" | grep -q '"certificate-authority-data":"${parts.ca}"' || exit 1\n${plugin.slice(10)}`;
  for (const [name, text] of Object.entries({ plugin, choosy })) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  }
  issuer = await startIssuer({ cert: pem("crt"), key: pem("key") });
  issuer.token = token;
  const login = { username: "corp", password: "p@ss" };
  proxies["http"] = await startProxy({ port });
  proxies["https"] = await startProxy({ port, tls: { cert: pem("crt"), key: pem("key") } });
  proxies["login"] = await startProxy({ port, login });
  proxies["socks"] = await startProxy({ port, kind: "socks5" });
  proxies["socksLogin"] = await startProxy({ port, kind: "socks5", login });
});
afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
  for (const proxy of Object.values(proxies)) await proxy[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Row {
  cluster?: () => Record<string, unknown>;
  user?: () => Record<string, unknown> | null;
  context?: Record<string, unknown>;
  env?: () => Record<string, string>;
  /** What both say; a row that means nothing would pass otherwise. */
  works: boolean;
  /** What the proxies were asked for, by both alike. */
  asked?: string[];
}

const byName = () => ({
  server: `https://kubernetes.default.svc:${parts.port}`,
  "certificate-authority-data": parts.ca,
});
const byNameWithout = () => ({ server: `https://kubernetes.default.svc:${parts.port}` });
const cert = () => ({ "client-certificate-data": parts.cert, "client-key-data": parts.key });
const exec = (command: string, more: object = {}) => ({
  exec: { apiVersion: "client.authentication.k8s.io/v1", command, interactiveMode: "IfAvailable", ...more },
});
const oidc = (more: object) => ({
  "auth-provider": {
    name: "oidc",
    config: {
      "idp-issuer-url": issuer.url,
      "client-id": "kubectl/x",
      "client-secret": "s3cr:t",
      "idp-certificate-authority-data": parts.ca,
      ...more,
    },
  },
});
const at = (name: string, prefix: string): string => `${prefix}127.0.0.1:${proxies[name]!.port}`;
const proxied = (name: string, prefix: string) => () => ({ ...byName(), "proxy-url": at(name, prefix) });
const target = ["kubernetes.default.svc:PORT"];

const rows: Record<string, Row> = {
  "a certificate as data": { works: true },
  "a certificate in files beside it": {
    user: () => ({ "client-certificate": "pki/client.crt", "client-key": "pki/client.key" }),
    cluster: () => ({ "certificate-authority": "pki/ca.crt" }),
    works: true,
  },
  "a token": { user: () => ({ token: parts.token }), works: true },
  "a token in a file": { user: () => ({ tokenFile: "token" }), works: true },
  "a file goes before a token": { user: () => ({ tokenFile: "token", token: "wrong" }), works: true },
  "a token goes for a file that is missing": { user: () => ({ tokenFile: "none", token: parts.token }), works: true },
  "a file that is missing": { user: () => ({ tokenFile: "none" }), works: false },
  "a wrong token": { user: () => ({ token: "wrong" }), works: false },
  "a token and a certificate": { user: () => ({ ...cert(), token: parts.token }), works: true },
  "user and password, which the server does not take": { user: () => ({ username: "a", password: "b" }), works: false },
  nobody: { user: () => ({}), works: false },
  "a user that is null": { user: () => null, works: false },
  as: { user: () => ({ ...cert(), as: "jane" }), works: true },
  "as with groups": {
    user: () => ({ ...cert(), as: "jane", "as-groups": ["platform", "system:masters"] }),
    works: true,
  },
  "as with uid": { user: () => ({ ...cert(), as: "jane", "as-uid": "u-1" }), works: true },
  "as with extra fields": {
    user: () => ({ ...cert(), as: "jane", "as-user-extra": { scopes: ["a", "b"], "example.com/Team Ä": ["x y"] } }),
    works: true,
  },
  "as a service account": { user: () => ({ ...cert(), as: "system:serviceaccount:default:default" }), works: true },
  "groups without as": { user: () => ({ ...cert(), "as-groups": ["platform"] }), works: false },
  "as somebody that one may not be": { user: () => ({ token: parts.token, as: "jane" }), works: false },
  "an exec plugin": { user: () => exec("./plugin"), works: true },
  "an exec plugin with nulls": { user: () => exec("./plugin", { args: null, env: null }), works: true },
  "an exec plugin that is told of a CA in data": {
    user: () => exec("./choosy", { provideClusterInfo: true }),
    works: true,
  },
  "an exec plugin that is told of a CA in a file": {
    cluster: () => ({ "certificate-authority": "pki/ca.crt" }),
    user: () => exec("./choosy", { provideClusterInfo: true }),
    works: true,
  },
  "an exec plugin that is not told": { user: () => exec("./choosy"), works: false },
  "an exec plugin that is missing": { user: () => exec("./none"), works: false },
  "OpenID Connect with a valid id-token": { user: () => oidc({ "id-token": parts.token }), works: true },
  "OpenID Connect with an expired id-token and a refresh-token": {
    user: () => oidc({ "id-token": webToken(1), "refresh-token": "r1" }),
    works: true,
  },
  "OpenID Connect with a refresh-token alone": { user: () => oidc({ "refresh-token": "r1" }), works: true },
  "OpenID Connect with an expired id-token alone": { user: () => oidc({ "id-token": webToken(1) }), works: false },
  "OpenID Connect with an id-token that is none": {
    user: () => oidc({ "id-token": "none", "refresh-token": "r1" }),
    works: false,
  },
  "OpenID Connect whose provider nobody knows": {
    user: () => oidc({ "refresh-token": "r1", "idp-certificate-authority-data": "" }),
    works: false,
  },
  "a token goes before OpenID Connect": {
    user: () => ({ ...oidc({ "refresh-token": "r1" }), token: parts.token }),
    works: true,
  },
  "no CA": { cluster: () => ({}), works: false },
  "a CA that is missing": { cluster: () => ({ "certificate-authority": "none" }), works: false },
  "a CA that is none": { cluster: () => ({ "certificate-authority-data": btoa("none") }), works: false },
  "insecure-skip-tls-verify": { cluster: () => ({ "insecure-skip-tls-verify": true }), works: true },
  "a server with a slash": {
    cluster: () => ({ "certificate-authority-data": parts.ca, server: `${cluster.server}/` }),
    works: true,
  },
  "a server without https://, which means http": {
    cluster: () => ({ "certificate-authority-data": parts.ca, server: `127.0.0.1:${parts.port}` }),
    works: false,
  },
  "a server by name": {
    cluster: () => ({ "certificate-authority-data": parts.ca, server: `https://localhost:${parts.port}` }),
    works: true,
  },
  "tls-server-name": {
    cluster: () => ({ "certificate-authority-data": parts.ca, "tls-server-name": "kubernetes.default.svc" }),
    works: true,
  },
  "a wrong tls-server-name": {
    cluster: () => ({ "certificate-authority-data": parts.ca, "tls-server-name": "other.example" }),
    works: false,
  },
  "fields that nobody knows": {
    cluster: () => ({ "certificate-authority-data": parts.ca, "x-y": 1, extensions: [{ name: "e", extension: {} }] }),
    works: true,
  },
  "a user that is not there": { context: { user: "other" }, works: false },
  "a cluster that is not there": { context: { cluster: "other" }, works: false },
  "an http proxy": { cluster: proxied("http", "http://"), works: true, asked: target },
  "an https proxy": {
    cluster: () => ({ ...byName(), "proxy-url": `https://localhost:${proxies["https"]!.port}` }),
    works: true,
    asked: target,
  },
  "an https proxy whose certificate nobody knows": {
    cluster: () => ({ ...byNameWithout(), "proxy-url": `https://localhost:${proxies["https"]!.port}` }),
    works: false,
    asked: [],
  },
  "a socks5 proxy": { cluster: proxied("socks", "socks5://"), works: true, asked: target },
  "a socks5 proxy with a login": {
    cluster: proxied("socksLogin", "socks5://corp:p%40ss@"),
    works: true,
    asked: target,
  },
  "a socks5 proxy with a wrong login": {
    cluster: proxied("socksLogin", "socks5://corp:no@"),
    works: false,
    asked: ["refused"],
  },
  "a proxy with a login": { cluster: proxied("login", "http://corp:p%40ss@"), works: true, asked: target },
  "a proxy with a wrong login": { cluster: proxied("login", "http://corp:no@"), works: false, asked: ["refused"] },
  "a proxy without the login": { cluster: proxied("login", "http://"), works: false, asked: ["refused"] },
  "a proxy that is none": { cluster: () => ({ ...byName(), "proxy-url": "ftp://proxy" }), works: false },
  "a proxy that is not there": { cluster: () => ({ ...byName(), "proxy-url": "http://127.0.0.1:1" }), works: false },
  "proxy-url, whatever NO_PROXY is": {
    cluster: proxied("http", "http://"),
    env: () => ({ NO_PROXY: "*" }),
    works: true,
    asked: target,
  },
  "proxy-url to a server of this machine": {
    cluster: () => ({ "certificate-authority-data": parts.ca, "proxy-url": at("http", "http://") }),
    works: true,
    asked: ["127.0.0.1:PORT"],
  },
  HTTPS_PROXY: { cluster: byName, env: () => ({ HTTPS_PROXY: at("http", "http://") }), works: true, asked: target },
  https_proxy: { cluster: byName, env: () => ({ https_proxy: at("http", "http://") }), works: true, asked: target },
  "HTTPS_PROXY without a scheme": {
    cluster: byName,
    env: () => ({ HTTPS_PROXY: at("http", "") }),
    works: true,
    asked: target,
  },
  "HTTPS_PROXY with a login": {
    cluster: byName,
    env: () => ({ HTTPS_PROXY: at("login", "http://corp:p%40ss@") }),
    works: true,
    asked: target,
  },
  "HTTPS_PROXY of socks5": {
    cluster: byName,
    env: () => ({ HTTPS_PROXY: at("socks", "socks5://") }),
    works: true,
    asked: target,
  },
  "HTTPS_PROXY goes before https_proxy": {
    cluster: byName,
    env: () => ({ HTTPS_PROXY: at("http", "http://"), https_proxy: "http://127.0.0.1:1" }),
    works: true,
    asked: target,
  },
  "HTTP_PROXY is for http alone": {
    cluster: byName,
    env: () => ({ HTTP_PROXY: at("http", "http://") }),
    works: false,
    asked: [],
  },
  "NO_PROXY by domain": {
    cluster: byName,
    env: () => ({ HTTPS_PROXY: at("http", "http://"), NO_PROXY: ".example.com,.svc" }),
    works: false,
    asked: [],
  },
  "NO_PROXY by another port": {
    cluster: byName,
    env: () => ({ HTTPS_PROXY: at("http", "http://"), no_proxy: "kubernetes.default.svc:1" }),
    works: true,
    asked: target,
  },
  "a server of this machine needs no proxy": {
    env: () => ({ HTTPS_PROXY: "http://127.0.0.1:1" }),
    works: true,
    asked: [],
  },
};

const NO_PROXIES = Object.fromEntries(
  ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]).map((name) => [name, ""]),
);

function write(row: Row): string {
  const server = { server: cluster.server, ...(row.cluster?.() ?? { "certificate-authority-data": parts.ca }) };
  const file = join(folder, `${crypto.randomUUID()}.kubeconfig`);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "x", user: "x", ...row.context } }],
    clusters: [{ name: "x", cluster: server }],
    users: [{ name: "x", user: row.user ? row.user() : cert() }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** Who the API server says that kubectl is; undefined if it does not get there. */
async function askKubectl(file: string, env: Record<string, string>): Promise<unknown> {
  const command = [kubectl, "--kubeconfig", file, "--request-timeout=20s", "auth", "whoami", "-o", "json"];
  const { code, stdout } = await run(command, { env: { ...NO_PROXIES, ...env }, allowFailure: true });
  return code === 0 ? (JSON.parse(stdout) as { status: { userInfo: unknown } }).status.userInfo : undefined;
}

/** The same of us, and why not. */
async function askUs(file: string, env: Record<string, string>): Promise<{ is?: unknown; why?: string }> {
  let transport: Transport | undefined;
  try {
    transport = new Transport({ config: await loadConfig({ kubeconfig: file, env }), timeoutMs: 20_000 });
    const question = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview", metadata: {} };
    const answer = await new Client(transport).create(SELF_SUBJECT_REVIEWS, question as never);
    return { is: (answer as unknown as { status: { userInfo: unknown } }).status.userInfo };
  } catch (error) {
    return { why: (error as Error).message };
  } finally {
    transport?.close();
  }
}

/** What the proxies were asked for since the last time. kubectl asks more than once. */
function takeAsked(): string[] {
  const asked = Object.values(proxies).flatMap((proxy) => proxy.asked.splice(0));
  return [...new Set(asked.map((each) => each.replace(String(parts.port), "PORT")))];
}

for (const [name, row] of Object.entries(rows)) {
  test(name, async () => {
    const file = write(row);
    const env = row.env?.() ?? {};
    takeAsked();
    const theirs = await askKubectl(file, env);
    const askedByThem = takeAsked();
    // kubectl writes new tokens into its file.
    const { is, why } = await askUs(write(row), env);
    expect({ is, works: is !== undefined, why, asked: takeAsked() }).toEqual({
      is: theirs,
      works: row.works,
      why: row.works ? undefined : expect.stringMatching(/^Cannot [^\n]+$/),
      asked: askedByThem,
    });
    if (row.asked) expect(askedByThem).toEqual(row.asked);
    // Whatever fails says where, and no message has a secret.
    for (const secret of [parts.token, parts.key, "p@ss", "p%40ss"]) expect(why ?? "").not.toContain(secret);
  });
}
