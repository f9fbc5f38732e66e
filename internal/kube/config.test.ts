import { afterAll, expect, test } from "bun:test";
import { chmod, mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "./config.ts";
import { loadInCluster } from "./in-cluster.ts";
import { loadKubeconfig } from "./kubeconfig.ts";

const root = await mkdtemp(join(tmpdir(), "onloadctl-config-"));
afterAll(() => rm(root, { recursive: true }));
let files = 0;

async function file(content: unknown, name = `f${files++}`): Promise<string> {
  const path = join(root, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** A kubeconfig with one context, whose user is `user`. */
function kubeconfig(user: object, cluster: object = {}, name = "one"): object {
  return {
    "current-context": name,
    contexts: [{ name, context: { cluster: name, user: name, namespace: `ns-${name}` } }],
    clusters: [{ name, cluster: { server: `https://${name}.example:6443/`, ...cluster } }],
    users: [{ name, user }],
  };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

test("a context gives server, namespace, CA, client certificate and impersonation", async () => {
  await file("CA", "pki/ca.crt");
  await file("CERT", "pki/client.crt");
  const path = await file(
    kubeconfig(
      { "client-certificate": "pki/client.crt", "client-key-data": base64("KEY"), as: "somebody" },
      { "certificate-authority": "pki/ca.crt", "tls-server-name": "api" },
    ),
  );
  const config = await loadKubeconfig([path]);
  expect(config.server).toBe("https://one.example:6443");
  expect(config.namespace).toBe("ns-one");
  const { headers, tls } = await config.credentials.identity();
  expect(headers).toEqual({ "impersonate-user": "somebody" });
  expect([tls.ca, tls.cert, tls.key].map(String)).toEqual(["CA", "CERT", "KEY"]);
  expect(tls.servername).toBe("api");
});

test.each([
  ["token", { token: "t0" }, "Bearer t0"],
  ["user and password", { username: "u", password: "p" }, `Basic ${base64("u:p")}`],
])("a user with a %s", async (_name, user, authorization) => {
  const { headers } = await (await loadKubeconfig([await file(kubeconfig(user))])).credentials.identity();
  expect(headers).toEqual({ authorization });
});

test("an empty name of a context is none, as with kubectl", async () => {
  const path = await file(kubeconfig({}));
  expect((await loadKubeconfig([path], { context: "" })).server).toBe("https://one.example:6443");
});

test("insecure-skip-tls-verify is honoured", async () => {
  const config = await loadKubeconfig([await file(kubeconfig({}, { "insecure-skip-tls-verify": true }))]);
  expect((await config.credentials.identity()).tls.rejectUnauthorized).toBe(false);
});

test("a token file is read again after a minute and after a refusal, and unchanged TLS parts stay the same object", async () => {
  const tokenFile = await file("first\n");
  let now = 0;
  const path = await file(kubeconfig({ tokenFile }, { "certificate-authority-data": base64("CA") }));
  const { credentials } = await loadKubeconfig([path], { now: () => now });
  const first = await credentials.identity();
  expect(first.headers).toEqual({ authorization: "Bearer first" });
  await writeFile(tokenFile, "second");
  now = 59_000;
  expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer first" });
  now = 60_000;
  const second = await credentials.identity();
  expect(second.headers).toEqual({ authorization: "Bearer second" });
  expect(second.tls).toBe(first.tls);
  await writeFile(tokenFile, "third");
  credentials.invalidate();
  expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer third" });
});

test("impersonation sends user, uid, groups and extra fields as kubectl does", async () => {
  const user = {
    token: "t",
    as: "somebody",
    "as-uid": "u-1",
    "as-groups": ["system:masters", "dev"],
    "as-user-extra": { scopes: ["view", "edit"], "example.com/Team Ä": ["a"] },
  };
  const config = await loadKubeconfig([await file(kubeconfig(user))]);
  expect((await config.credentials.identity()).headers).toEqual({
    authorization: "Bearer t",
    "impersonate-user": "somebody",
    "impersonate-uid": "u-1",
    "impersonate-group": ["system:masters", "dev"],
    "impersonate-extra-scopes": ["view", "edit"],
    "impersonate-extra-example.com%2fteam%20%c3%84": ["a"],
  });
});

test("a file of credentials that cannot be read is named", async () => {
  const tokenFile = join(root, "no-token");
  const token = await loadKubeconfig([await file(kubeconfig({ tokenFile }))]);
  await expect(token.credentials.identity()).rejects.toThrow(
    new RegExp(`^cannot read ${tokenFile}: ENOENT: no such file or directory$`),
  );
  const ca = join(root, "no-ca");
  const certificate = await loadKubeconfig([await file(kubeconfig({}, { "certificate-authority": ca }))]);
  await expect(certificate.credentials.identity()).rejects.toThrow(`cannot read ${ca}: ENOENT`);
  const serviceAccountDir = join(root, "sa-without-token");
  for (const name of ["ca.crt", "namespace"]) await file("x", `sa-without-token/${name}`);
  const env = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
  await expect(loadInCluster({ env, serviceAccountDir })).rejects.toThrow(
    `Cannot load the pod's service account: cannot read ${join(serviceAccountDir, "token")}: ENOENT`,
  );
});

test("an exec plugin is asked once, with KUBERNETES_EXEC_INFO, and again when its token was refused", async () => {
  const log = join(root, "exec.log");
  await file(
    `#!/bin/sh\necho "$KUBERNETES_EXEC_INFO $EXTRA" >> ${log}\nprintf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t%s"}}' "$(wc -l < ${log} | tr -d ' ')"\n`,
    "plugins/login",
  );
  await chmod(join(root, "plugins", "login"), 0o755);
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "plugins/login",
    env: [{ name: "EXTRA", value: "x" }],
    provideClusterInfo: true,
  };
  let now = 0;
  const { credentials } = await loadKubeconfig([await file(kubeconfig({ exec }))], { now: () => now });
  expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer t1" });
  now = 120_000;
  expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer t1" });
  credentials.invalidate();
  expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer t2" });
  const [info = "", extra] = (await Bun.file(log).text()).split("\n")[0]!.split(" ");
  expect(extra).toBe("x");
  expect(JSON.parse(info)).toMatchObject({
    kind: "ExecCredential",
    spec: { interactive: false, cluster: { server: "https://one.example:6443" } },
  });
});

test("an exec plugin that fails says so on one line, naming the command", async () => {
  const plugin = await file("#!/bin/sh\necho 'log in\nfirst' >&2\nexit 1\n");
  await chmod(plugin, 0o755);
  const { credentials } = await loadKubeconfig([await file(kubeconfig({ exec: { command: plugin } }))]);
  await expect(credentials.identity()).rejects.toThrow(
    `exec plugin "${plugin}" failed: it ends with 1; kubectl with the same kubeconfig shows what it says`,
  );
});

test("several files are merged as kubectl does: missing ones skipped, the first to say something wins", async () => {
  const first = await file({ ...kubeconfig({ token: "a" }), "current-context": "" });
  const second = await file(kubeconfig({ token: "b" }, {}, "two"));
  const third = await file(kubeconfig({ token: "never" }));
  const env = { KUBECONFIG: `${first}:${join(root, "missing")}:${second}:${third}` };
  const two = await loadConfig({ env });
  expect(two.namespace).toBe("ns-two");
  const one = await loadConfig({ env, context: "one" });
  expect((await one.credentials.identity()).headers).toEqual({ authorization: "Bearer a" });
});

test("--kubeconfig goes before $KUBECONFIG, that before ~/.kube/config, and that before the pod's account", async () => {
  const flag = await file(kubeconfig({}, {}, "flag"));
  const variable = await file(kubeconfig({}, {}, "variable"));
  const home = join(root, "home");
  await file(kubeconfig({}, {}, "home"), "home/.kube/config");
  const serviceAccountDir = join(root, "sa");
  for (const [name, text] of Object.entries({ token: "t", "ca.crt": "CA", namespace: "pods" }))
    await file(text, `sa/${name}`);
  const pod = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
  const namespaceOf = async (options: object): Promise<string> => (await loadConfig(options)).namespace;
  const all = { env: { ...pod, KUBECONFIG: variable }, home, serviceAccountDir };
  expect(await namespaceOf({ ...all, kubeconfig: flag })).toBe("ns-flag");
  expect(await namespaceOf(all)).toBe("ns-variable");
  expect(await namespaceOf({ ...all, env: pod })).toBe("ns-home");
  expect(await namespaceOf({ ...all, env: pod, home: join(root, "nobody") })).toBe("pods");
});

test("in a pod, the token is read again after a minute, and an IPv6 address is put in brackets", async () => {
  const serviceAccountDir = join(root, "rotating");
  for (const [name, text] of Object.entries({ token: "t1", "ca.crt": "CA", namespace: "ns" }))
    await file(text, `rotating/${name}`);
  let now = 0;
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
  const { server, credentials } = await loadInCluster({ env, serviceAccountDir, now: () => now });
  expect(server).toBe("https://[fd00::1]:6443");
  expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer t1" });
  await file("t2", "rotating/token");
  now = 60_000;
  expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer t2" });
});

const good = kubeconfig({});
test.each<[string, unknown, string]>([
  ["lists that are none", "clusters: {a: 1}\nusers: x\ncontexts: 5\n", "its clusters are not a list"],
  ["a cluster that is none", "clusters: [null]", "clusters[0] is not a mapping"],
  [
    "a cluster without a server",
    "clusters: [{name: c, cluster: {server: 5}}]",
    "clusters[0].cluster.server is not a string: put it in quotes",
  ],
  ["a context that is none", "contexts: [{name: c, context: null}]", "contexts[0].context is missing"],
  ["a user that is a number", "users: [5]", "users[0] is not a mapping"],
  [
    "a token that is a number",
    "users: [{name: u, user: {token: 5}}]",
    "users[0].user.token is not a string: put it in quotes",
  ],
  [
    "a plugin with one argument",
    "users: [{name: u, user: {exec: {args: 5}}}]",
    "users[0].user.exec.args is not a list of strings",
  ],
  ["a key that occurs twice", "a: 1\nb: 2\na: 3\n", "it is not valid YAML: line 3, column 1: duplicate key"],
  ["no kubeconfig", "just text", "it is not a kubeconfig"],
  ["broken YAML", "a: [", ""],
  ["an empty file", "", "it is not a kubeconfig"],
  ["no current context", { ...good, "current-context": "" }, "it has no current-context: give --context"],
  ["an unknown context", { ...good, "current-context": "x" }, 'it has no context "x": use one of one'],
  ["no such cluster", { ...good, clusters: [] }, 'context "one" names cluster "one", which it does not have'],
  ["no such user", { ...good, users: [] }, 'context "one" names user "one", which it does not have'],
  [
    "a bad server",
    kubeconfig({}, { server: "no where" }),
    'cluster "one" has server "http://no where", which is not a URL',
  ],
  ["no server", kubeconfig({}, { server: "" }), "clusters[0].cluster.server is missing"],
  [
    "groups of nobody",
    kubeconfig({ "as-groups": ["system:masters"] }),
    'user "one" has as-uid, as-groups or as-user-extra, but no as: name the user to impersonate',
  ],
  [
    "groups that are no list",
    kubeconfig({ as: "x", "as-groups": "dev" }),
    'user "one" has as-groups that is not a list of strings',
  ],
  [
    "extra fields that are no lists",
    kubeconfig({ as: "x", "as-user-extra": { scopes: "view" } }),
    'user "one" has as-user-extra that is not a map of lists of strings',
  ],
  [
    "a legacy auth provider",
    kubeconfig({ "auth-provider": { name: "gcp" } }),
    'user "one" needs auth provider "gcp", which is not supported: use an exec plugin',
  ],
])("a kubeconfig with %s is refused on one line", async (_name, content, reason) => {
  const path = await file(content);
  const error = await loadKubeconfig([path]).then(
    () => new Error("nothing was thrown"),
    (thrown: Error) => thrown,
  );
  expect(error.message).toStartWith(`Cannot load kubeconfig ${path}: ${reason}`);
  expect(error.message).not.toContain("\n");
});

test("whatever is where something else is expected, the message is about the kubeconfig, and not about this program", async () => {
  const odd = [
    null,
    5,
    "x",
    true,
    [],
    {},
    [null],
    ["x"],
    [{}],
    [{ name: 5 }],
    [{ name: "one", user: 5, cluster: "x" }],
  ];
  const paths = ["clusters", "users", "contexts", "current-context"]
    .map((key) => [key])
    .concat(
      ["server", "certificate-authority", "certificate-authority-data", "proxy-url", "tls-server-name"].map((key) => [
        "clusters",
        key,
      ]),
      ["token", "tokenFile", "exec", "auth-provider", "client-key-data", "as", "username", "password"].map((key) => [
        "users",
        key,
      ]),
      ["cluster", "user", "namespace"].map((key) => ["contexts", key]),
    );
  const messages = new Set<string>();
  for (const [key = "", field] of paths) {
    for (const value of odd) {
      const config = structuredClone(kubeconfig({})) as any;
      if (field === undefined) config[key] = value;
      else config[key][0][key.slice(0, -1)][field] = value;
      const path = await file(config);
      const error = await loadConfig({ kubeconfig: path, env: {} })
        .then(({ credentials }) => credentials.identity())
        .then(
          () => undefined,
          (thrown: Error) => thrown,
        );
      if (error) messages.add(error.message.replace(path, "FILE"));
    }
  }
  const bare = [...messages].filter((message) =>
    /is not a function|undefined is not|not an object|null is|Cannot read prop|Invalid URL|must be of type|paths?\[|Received|^\w+Error/.test(
      message,
    ),
  );
  expect(bare).toEqual([]);
  expect(messages.size).toBeGreaterThan(10);
});

test("of several files, the message names the one that is wrong", async () => {
  const [right, wrong] = [await file(kubeconfig({})), await file("a: [")];
  const env = { KUBECONFIG: `${right}:${wrong}` };
  await expect(loadConfig({ env })).rejects.toThrow(
    `Cannot load kubeconfig ${right}:${wrong}: ${wrong}: it is not valid YAML: line 1`,
  );
});

test("a missing file is not the same as no configuration at all", async () => {
  const missing = join(root, "missing");
  await expect(loadConfig({ kubeconfig: missing })).rejects.toThrow(/^Cannot load kubeconfig .*missing: ENOENT/);
  await expect(loadConfig({ env: {}, home: root })).rejects.toThrow(/^Cannot find a cluster: .*; give --kubeconfig$/);
});
