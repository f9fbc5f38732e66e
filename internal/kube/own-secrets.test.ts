/** No secret of a kubeconfig comes out in a message, and none goes over a network in the clear. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../cli/errors.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { Client } from "./client.ts";
import { execPlugin } from "./exec-plugin.ts";
import type { ExecConfig } from "./kubeconfig-parts.ts";
import { loadKubeconfig } from "./kubeconfig.ts";
import { NODES } from "./resource.ts";
import { Transport } from "./transport.ts";
import { watchEvents } from "./watch.ts";

const root = await mkdtemp(join(tmpdir(), "onloadctl-secrets-"));
afterAll(() => rm(root, { recursive: true }));
let files = 0;
const SECRET = "hunter2-SECRET";

async function kubeconfig(server: string, user?: object): Promise<string> {
  const path = join(root, `kubeconfig-${files++}`);
  const config = {
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "x", ...(user ? { user: "x" } : {}) } }],
    clusters: [{ name: "x", cluster: { server } }],
    users: user ? [{ name: "x", user }] : [],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

async function script(text: string): Promise<string> {
  const path = join(root, `script-${files++}`);
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

async function messageOf(failing: Promise<unknown>): Promise<string> {
  const error = await failing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error === undefined) throw new Error("nothing was thrown");
  // What is logged, and what is written to status and events.
  return `${errorText(error)}\n${(error as Error).message}`;
}

/** A server that answers each request with `answer`, and keeps the headers that it got. */
async function server(answer: (request: http.IncomingMessage, response: http.ServerResponse) => void): Promise<{
  port: number;
  got: http.IncomingHttpHeaders[];
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const got: http.IncomingHttpHeaders[] = [];
  const listener = http.createServer((request, response) => {
    got.push(request.headers);
    answer(request, response);
  });
  await new Promise<void>((ready) => listener.listen(0, "127.0.0.1", ready));
  return {
    port: (listener.address() as AddressInfo).port,
    got,
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections();
      await new Promise((done) => listener.close(done));
    },
  };
}

async function transportFor(path: string): Promise<Transport> {
  return new Transport({ config: await loadKubeconfig([path]) });
}

describe("a server that echoes what it got does not bring it into a message", () => {
  const answers: Record<string, (request: http.IncomingMessage, response: http.ServerResponse) => void> = {
    "as text": ({ headers }, response) => response.writeHead(400).end(`bad: ${JSON.stringify(headers)}`),
    "the token alone": ({ headers }, response) =>
      response.writeHead(403).end(`who is ${headers.authorization!.split(" ")[1]}?`),
    decoded: ({ headers }, response) =>
      response
        .writeHead(403)
        .end(`who is ${Buffer.from(headers.authorization!.split(" ")[1]!, "base64").toString()} / ${SECRET}?`),
    "in a Status": ({ headers }, response) =>
      response.writeHead(422).end(
        JSON.stringify({
          kind: "Status",
          message: `no: ${headers.authorization}`,
          reason: headers.authorization,
          details: { causes: [{ field: "x", message: headers.authorization }] },
        }),
      ),
    "in a Status with 200": ({ headers }, response) =>
      response.end(JSON.stringify({ kind: "Status", status: "Failure", message: `no: ${headers.authorization}` })),
    "as a kind": ({ headers }, response) => response.end(JSON.stringify({ kind: headers.authorization })),
    "in a redirect": ({ headers }, response) =>
      response.writeHead(302, { location: `https://x/?t=${encodeURIComponent(headers.authorization!)}` }).end(),
  };
  const users: Record<string, object> = { token: { token: SECRET }, password: { username: "u", password: SECRET } };
  const rows = Object.keys(answers).flatMap((how) => Object.keys(users).map((who) => [how, who] as const));
  test.each(rows)("%s, with a %s", async (how, who) => {
    await using echo = await server(answers[how]!);
    const transport = await transportFor(await kubeconfig(`http://127.0.0.1:${echo.port}`, users[who]));
    const message = await messageOf(new Client(transport).get(NODES, { name: "a" }));
    expect(echo.got[0]!.authorization).toContain(who === "token" ? SECRET : "Basic ");
    expect(message).not.toContain(SECRET);
    expect(message).not.toContain(Buffer.from(`u:${SECRET}`).toString("base64"));
    transport.close();
  });

  test("in a watch", async () => {
    await using echo = await server(({ headers }, response) =>
      response.end(`${JSON.stringify({ type: "ERROR", object: { code: 400, message: headers.authorization } })}\n`),
    );
    const transport = await transportFor(await kubeconfig(`http://127.0.0.1:${echo.port}`, { token: SECRET }));
    const events = watchEvents(transport, NODES, { resourceVersion: "1" });
    expect(await messageOf(events.next())).not.toContain(SECRET);
    transport.close();
  });

  test("whatever the secret is, the answer's form stays", async () => {
    await using echo = await server((_, response) =>
      response.writeHead(403).end(JSON.stringify({ kind: "Status", reason: "Forbidden", message: "no", code: 403 })),
    );
    const transport = await transportFor(await kubeconfig(`http://127.0.0.1:${echo.port}`, { token: '":"Fo' }));
    expect(await messageOf(new Client(transport).get(NODES, { name: "a" }))).toContain('Cannot get Node "a": no');
    transport.close();
  });
});

test("over plain HTTP credentials go to this machine only, and what is refused says so", async () => {
  await using plain = await server((_, response) => response.writeHead(401).end("who are you?"));
  const ran = join(root, "plugin-ran");
  const users = [
    { token: SECRET },
    { username: "u", password: SECRET },
    { as: "somebody", token: SECRET },
    { exec: { command: await script(`touch ${ran}`) } },
  ];
  // An address of this machine that is no loopback address by name.
  for (const server of [`http://0.0.0.0:${plain.port}`, `http://u:${SECRET}@0.0.0.0:${plain.port}`]) {
    for (const user of [...users, undefined]) {
      const transport = await transportFor(await kubeconfig(server, user));
      const message = await messageOf(new Client(transport).get(NODES, { name: "a" }));
      expect(message).toContain(`no credentials were sent, because http://0.0.0.0:${plain.port} has no TLS: use https`);
      transport.close();
    }
  }
  expect(plain.got.length).toBeGreaterThan(9);
  for (const headers of plain.got) {
    expect(Object.keys(headers).filter((name) => /^(?:authorization|impersonate)/.test(name))).toEqual([]);
    expect(JSON.stringify(headers)).not.toContain(SECRET);
  }
  expect(await Bun.file(ran).exists()).toBe(false);
});

test("a login in the server's address is sent as Go's client does, and is in no message", async () => {
  await using echo = await server(({ headers }, response) => response.writeHead(400).end(headers.authorization));
  const secret = "p@ss/SECRET";
  const address = (host: string): string => host.replace("://", `://u:${encodeURIComponent(secret)}@`);
  const transport = await transportFor(await kubeconfig(address(`http://127.0.0.1:${echo.port}`)));
  expect(await messageOf(new Client(transport).get(NODES, { name: "a" }))).not.toContain("SECRET");
  expect(echo.got[0]!.authorization).toBe(`Basic ${Buffer.from(`u:${secret}`).toString("base64")}`);
  transport.close();
  const nobody = await transportFor(await kubeconfig(address("https://127.0.0.1:1")));
  const message = await messageOf(new Client(nobody).get(NODES, { name: "a" }));
  expect(message).toContain("API server https://127.0.0.1:1:");
  expect(message).not.toContain("SECRET");
  for (const bad of ["https://u:SECRET@in valid", "u:SEC RET@ho st", "ftp://u:SECRET@host"]) {
    const refused = await messageOf(kubeconfig(bad).then((path) => loadKubeconfig([path])));
    expect(refused).not.toMatch(/SECRET|SEC RET/);
  }
});

test("certificates are verified, whatever the environment says", async () => {
  const { credentials } = await loadKubeconfig([await kubeconfig("https://127.0.0.1:1", { token: SECRET })]);
  expect((await credentials.identity()).tls.rejectUnauthorized).toBe(true);
});

test.each([
  ["a colon", `token: ${SECRET}: oops`],
  ["an alias", `token: *${SECRET}`],
  ["an open quote", `token: "${SECRET}`],
  ["a tab", `token:\n\t\t${SECRET}`],
  ["a tag", `token: !${SECRET} ${SECRET}`],
  ["another key", `token: ${SECRET}\n    token: ${SECRET}`],
])("a kubeconfig that is broken at the token, by %s, is refused without it", async (_, line) => {
  const path = join(root, `broken-${files++}`);
  await writeFile(path, `users:\n- name: x\n  user:\n    ${line}\n`);
  expect(await messageOf(loadKubeconfig([path]))).not.toContain(SECRET);
});

describe("an exec plugin", () => {
  const CREDENTIAL = '{"kind":"ExecCredential","status":{"token":"t"}}';
  test.each([
    ["writes its secret to standard error and fails", `echo ${SECRET} >&2; echo ${SECRET}; exit 1`, "it ends with 1"],
    ["prints a bare token", `echo ${SECRET}`, "it printed no JSON"],
    ["prints another object", `echo '{"token":"${SECRET}"}'`, "it printed no ExecCredential"],
    ["gives nothing", `echo '{"kind":"ExecCredential","${SECRET}":1}'`, "it gave neither a token nor"],
    ["prints without end", "exec cat /dev/zero", "it prints more than 1048576 bytes"],
    ["is killed", "kill -9 $$", "it ends with SIGKILL"],
  ])("that %s is quoted nowhere", async (_, text, reason) => {
    const transport = await transportFor(
      await kubeconfig("https://127.0.0.1:1", { exec: { command: await script(text), args: [SECRET] } }),
    );
    const message = await messageOf(new Client(transport).get(NODES, { name: "a" }));
    expect(message).toContain(reason);
    expect(message).not.toContain(SECRET);
  });

  test.each<ExecConfig>([{ args: [`${SECRET}\0`] }, { env: [{ name: "LOGIN", value: `${SECRET}\0` }] }])(
    "that cannot be given %j is told without it",
    async (more) => {
      const exec = { command: await script("exit 1"), ...more };
      const plugin = execPlugin(exec, { name: "x", server: "https://x", skipTLSVerify: false }, noPem);
      const message = await messageOf(plugin(false));
      expect(message).toContain("failed: its command, an argument or a variable has a NUL character");
      expect(message).not.toContain(SECRET);
    },
  );

  test("that is not there is told with its hint, made safe", async () => {
    const exec = { command: join(root, "none"), installHint: "get it\u001b[2J" };
    const plugin = execPlugin(exec, { name: "x", server: "https://x", skipTLSVerify: false }, noPem);
    expect(await messageOf(plugin(false))).toContain("it cannot be run (ENOENT); get it [2J");
  });

  test("that hangs is ended after its time, with all that it started", async () => {
    const pidFile = join(root, `pid-${files++}`);
    const exec = { command: await script(`trap '' TERM; sleep 600 & echo $! > ${pidFile}; wait; wait`) };
    const plugin = execPlugin(exec, { name: "x", server: "https://x", skipTLSVerify: false }, noPem, 500);
    expect(await messageOf(plugin(false))).toContain("it has not ended within 0.5 s");
    await gone(Number(await Bun.file(pidFile).text()));
  });

  test("gets the CA of a file, and is asked again when its credential has expired", async () => {
    const ca = join(root, "ca.crt");
    await writeFile(ca, "CA");
    const log = join(root, "info");
    const expired = CREDENTIAL.replace('"token"', '"expirationTimestamp":"2001-01-01T00:00:00Z","token"');
    const exec = {
      command: await script(`echo "$KUBERNETES_EXEC_INFO" >> ${log}; echo '${expired}'`),
      provideClusterInfo: true,
    };
    const path = await kubeconfig("https://127.0.0.1:1", { exec });
    const raw = JSON.parse(await Bun.file(path).text()) as { clusters: { cluster: object }[] };
    raw.clusters[0]!.cluster = { ...raw.clusters[0]!.cluster, "certificate-authority": ca };
    await writeFile(path, JSON.stringify(raw));
    let now = 0;
    const { credentials } = await loadKubeconfig([path], { now: () => now });
    await credentials.identity();
    now = 100_000;
    expect((await credentials.identity()).headers).toEqual({ authorization: "Bearer t" });
    const infos = (await Bun.file(log).text()).trim().split("\n");
    expect(infos).toHaveLength(2);
    expect(JSON.parse(infos[0]!)).toMatchObject({
      spec: { cluster: { "certificate-authority-data": Buffer.from("CA").toString("base64") } },
    });
  });

  test("that hangs does not keep the program from ending by Ctrl-C, and ends with it", async () => {
    const pidFile = join(root, `pid-${files++}`);
    const command = await script(`trap '' TERM INT; echo $$ > ${pidFile}; while :; do sleep 600; done`);
    const path = await kubeconfig("https://127.0.0.1:1", { exec: { command } });
    const program = Bun.spawn(
      ["bun", join(import.meta.dir, "../../cmd/onloadctl.ts"), "status", "--kubeconfig", path],
      {
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    await poll(async () => (await Bun.file(pidFile).exists()) && (await Bun.file(pidFile).text()).endsWith("\n"), {
      what: "the plugin",
    });
    const started = performance.now();
    program.kill("SIGINT");
    expect(await program.exited).toBe(130);
    expect(performance.now() - started).toBeLessThan(5000);
    await gone(Number(await Bun.file(pidFile).text()));
  });
});

function noPem(): Promise<undefined> {
  return Promise.resolve(undefined);
}

async function gone(pid: number): Promise<void> {
  const runs = async (): Promise<boolean> => {
    const stat = await Bun.file(`/proc/${pid}/stat`)
      .text()
      .catch(() => "");
    return stat !== "" && !/\) Z /.test(stat);
  };
  await poll(async () => !(await runs()), { what: "the end of the plugin" });
}
