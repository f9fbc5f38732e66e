import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../testcluster/lib/command.ts";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { unmountBelow } from "../testcluster/lib/mounts.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { freePorts } from "../testcluster/lib/ports.ts";
import { engineCommands, type RegistryOptions } from "./engine.ts";
import { LocalStore } from "./local-store.ts";
import { digestOf, mirror, mirrorPlan } from "./mirror.ts";
import { createProgress } from "./progress.ts";
import { registryImage, type RegistryImage } from "./registry-image.ts";
import { processRunner } from "./runner.ts";

/*
 * What real engines find out from a real registry with TLS and logins, which they know from their own files alone, and
 * from servers that are no registries.
 */

const LIMIT_MS = 60_000;
const NAME = "registry.proxied.test";

let folder: string;
let home: string;
let port: number;
let registry: string;
let serving: Bun.Subprocess;
let hostile: Server;
let proxy: Server;
/** What the proxy was asked for. */
const proxied: string[] = [];

beforeAll(async () => {
  await requirePackages(["buildah", "podman", "docker-registry", "openssl", "skopeo"]);
  folder = await mkdtemp(join(tmpdir(), "registry-image-test-"));
  home = join(folder, "home");
  await mkdir(home);
  [port = 0] = await freePorts(1);
  registry = `127.0.0.1:${port}`;
  await makeCertificate();
  await writeFile(
    join(folder, "htpasswd"),
    `user:${await Bun.password.hash("secret", { algorithm: "bcrypt", cost: 4 })}\n`,
  );
  await writeFile(
    join(folder, "registry.yml"),
    [
      "version: 0.1",
      `storage: {filesystem: {rootdirectory: ${folder}/registry}}`,
      `http: {addr: "127.0.0.1:${port}", tls: {certificate: ${folder}/cert.pem, key: ${folder}/key.pem}}`,
      `auth: {htpasswd: {realm: test, path: ${folder}/htpasswd}}`,
      "",
    ].join("\n"),
  );
  serving = Bun.spawn(["docker-registry", "serve", join(folder, "registry.yml")], {
    stdout: "ignore",
    stderr: "ignore",
  });
  await poll(async () => (await ask("/v2/")).status === 200, { what: "The registry's answer" });
  hostile = await listen(createServer(hostileRegistry));
  proxy = await listen(createServer());
  proxy.on("connect", (request, socket) => {
    proxied.push(request.url ?? "");
    const target = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      target.pipe(socket).pipe(target);
    });
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
  });
  const { podman } = engines();
  await writeFile(join(folder, "Dockerfile"), "FROM scratch\nLABEL made.for=test\n");
  await mkdir(join(folder, "empty"));
  const made = [
    "build",
    "--quiet",
    "--tag",
    `${registry}/t/x:1`,
    "--file",
    join(folder, "Dockerfile"),
    join(folder, "empty"),
  ];
  await run(["podman", ...made], { env: podman });
  await login({ [`${registry}/t`]: "secret" });
  await trust(registry);
  await run(["podman", "push", `${registry}/t/x:1`], { env: podman });
}, 120_000);

afterAll(async () => {
  hostile?.closeAllConnections();
  hostile?.close();
  proxy?.closeAllConnections();
  proxy?.close();
  serving?.kill();
  await serving?.exited;
  await unmountBelow(folder);
  await rm(folder, { recursive: true, force: true });
});

async function listen(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A certificate that is its own CA. */
async function makeCertificate(): Promise<void> {
  const names = ["-subj", "/CN=registry", "-addext", `subjectAltName=IP:127.0.0.1,DNS:${NAME}`];
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
  await run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...names, ...files]);
}

/** Puts the CA where engines look for that of a registry. */
async function trust(host: string): Promise<void> {
  const certs = join(home, ".config/containers/certs.d", host);
  await mkdir(certs, { recursive: true });
  await writeFile(join(certs, "ca.crt"), await readFile(join(folder, "cert.pem")));
}

/** Writes the logins that engines find by themselves: passwords of the user, by registry or namespace. */
async function login(passwords: Record<string, string>): Promise<void> {
  const auths = Object.entries(passwords).map(([key, password]) => [key, { auth: btoa(`user:${password}`) }]);
  await mkdir(join(home, ".config/containers"), { recursive: true });
  await writeFile(join(home, ".config/containers/auth.json"), JSON.stringify({ auths: Object.fromEntries(auths) }));
}

/** Environments of engines, each with a store of its own. */
function engines(): Record<"podman" | "buildah" | "lists" | "empty", Record<string, string>> {
  const of = (store: string): Record<string, string> => {
    const conf = join(folder, `${store}.conf`);
    writeFileSync(
      conf,
      `[storage]\ndriver = "overlay"\ngraphroot = "${folder}/${store}-store"\nrunroot = "${folder}/${store}-run"\n`,
    );
    // Without XDG_RUNTIME_DIR only the logins in the home folder are left.
    return {
      CONTAINERS_STORAGE_CONF: conf,
      BUILDAH_ISOLATION: "chroot",
      HOME: home,
      XDG_RUNTIME_DIR: join(folder, "run"),
    };
  };
  return { podman: of("podman"), buildah: of("buildah"), lists: of("lists"), empty: of("empty") };
}

async function found(
  tag: string,
  env: Record<string, string>,
  {
    engine = "podman",
    limitMs = LIMIT_MS,
    ...options
  }: RegistryOptions & { engine?: "podman" | "buildah"; limitMs?: number } = {},
): Promise<RegistryImage> {
  const store = new LocalStore({ ...engineCommands(engine, true), env }, processRunner);
  return await registryImage(tag, store, options, undefined, { limitMs });
}

/** Asks the registry without an engine. */
function ask(path: string): Promise<Response> {
  const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
  return fetch(`https://${registry}${path}`, {
    headers: { authorization: `Basic ${btoa("user:secret")}`, accept },
    tls: { rejectUnauthorized: false },
  });
}

describe("skopeo", () => {
  /** With the login of the test, and no other. */
  const access = () => ({ authfile: join(home, ".config/containers/auth.json") });
  const deps = () => ({
    runner: processRunner,
    progress: createProgress({ write: (_text, done) => done?.() }),
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  const digest = async (path: string): Promise<string> => {
    const answer = await ask(path);
    expect(answer.status).toBe(200);
    return `sha256:${createHash("sha256")
      .update(await answer.text())
      .digest("hex")}`;
  };

  test("mirrors all platforms of images, under their tags and digests", async () => {
    const env = engines().lists;
    const list = `${registry}/t/list:1`;
    await run(["podman", "manifest", "create", list], { env });
    for (const arch of ["amd64", "arm64"]) {
      await writeFile(join(folder, "Dockerfile"), `FROM scratch\nLABEL made.for=${arch}\n`);
      const build = ["build", "--quiet", `--platform=linux/${arch}`, "--file", join(folder, "Dockerfile")];
      const id = (await run(["podman", ...build, join(folder, "empty")], { env })).stdout.trim();
      await run(["podman", "manifest", "add", list, `containers-storage:${id}`], { env });
    }
    await run(["podman", "manifest", "push", "--all", list, `docker://${list}`], { env });
    await login({ [`${registry}/t`]: "secret", [`${registry}/mirror`]: "secret" });

    const wanted = await digest("/v2/t/x/manifests/1");
    const images = [`${registry}/t/x:1`, list, `${registry}/t/x:1@${wanted}`];
    const copies = mirrorPlan(images, `${registry}/mirror`, access());
    await mirror(copies, deps());
    // What is there already is taken.
    await mirror(copies, deps());
    expect(await digest("/v2/mirror/t/x/manifests/1")).toBe(wanted);
    expect(await digest(`/v2/mirror/t/x/manifests/${wanted}`)).toBe(wanted);
    expect(await digest("/v2/mirror/t/list/manifests/1")).toBe(await digest("/v2/t/list/manifests/1"));
    const { manifests } = (await (await ask("/v2/mirror/t/list/manifests/1")).json()) as {
      manifests: { digest: string }[];
    };
    expect(manifests).toHaveLength(2);
    for (const each of manifests) expect(await digest(`/v2/mirror/t/list/manifests/${each.digest}`)).toBe(each.digest);
    expect(await digestOf(list, access(), deps())).toEqual({ digest: await digest("/v2/t/list/manifests/1") });
  });

  test("says which image it could not copy", async () => {
    const copies = mirrorPlan([`${registry}/t/none:1`], `${registry}/mirror`, access());
    await expect(mirror(copies, deps())).rejects.toThrow(
      `Cannot copy ${registry}/t/none:1 to ${registry}/mirror/t/none:1: `,
    );
    expect(await digestOf(`${registry}/t/none:1`, access(), deps())).toHaveProperty("problem");
  });
});

describe("a registry with a CA of its own in certs.d and a login for a namespace", () => {
  for (const engine of ["podman", "buildah"] as const) {
    test(`${engine} finds the image, its labels and its digest`, async () => {
      const manifest = await (await ask("/v2/t/x/manifests/1")).text();
      const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
      const image = await found(`${registry}/t/x:1`, engines()[engine], { engine });
      expect(image).toMatchObject({ kind: "image", image: { labels: { "made.for": "test" } }, digest });
    });

    test(`${engine} finds that there is none`, async () => {
      expect(await found(`${registry}/t/x:2`, engines()[engine], { engine })).toEqual({ kind: "absent" });
    });
  }

  test("through a proxy that alone knows its name", async () => {
    await trust(`${NAME}:${port}`);
    await login({ [`${registry}/t`]: "secret", [`${NAME}:${port}`]: "secret" });
    const env = { ...engines().empty, HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    expect(await found(`${NAME}:${port}/t/x:1`, env)).toMatchObject({ kind: "image" });
    expect(proxied).toContain(`${NAME}:${port}`);
  });

  test("another image under the name here keeps the name", async () => {
    const env = engines().podman;
    const tag = `${registry}/t/x:1`;
    await writeFile(join(folder, "Dockerfile"), "FROM scratch\nLABEL made.for=other\n");
    const build = ["build", "--quiet", "--tag", tag, "--file", join(folder, "Dockerfile"), join(folder, "empty")];
    const id = (await run(["podman", ...build], { env })).stdout.trim();
    expect(await found(tag, env)).toMatchObject({ kind: "image", image: { labels: { "made.for": "test" } } });
    expect((await run(["podman", "image", "inspect", "--format", "{{.Id}}", tag], { env })).stdout.trim()).toBe(id);
  });

  // Whether it is the password, or a right that only reading needs, registries do not say.
  test("a refused login costs a warning", async () => {
    await login({ [registry]: "wrong" });
    expect(await found(`${registry}/t/x:1`, engines().empty)).toMatchObject({
      kind: "unknown",
      reason: expect.stringContaining("unauthorized"),
    });
  });

  test("a mirror that is down does not answer for the registry, to which pushes go", async () => {
    const [down = 0] = await freePorts(1);
    const file = join(home, ".config/containers/registries.conf");
    const mirror = `[[registry.mirror]]\nlocation = "127.0.0.1:${down}/mirror"\n`;
    await writeFile(file, `[[registry]]\nlocation = "${registry}"\n${mirror}`);
    await login({ [registry]: "wrong" });
    try {
      const answer = await found(`${registry}/t/x:1`, engines().empty);
      expect(answer).toMatchObject({ kind: "unknown", reason: expect.stringMatching(/: unauthorized\b/) });
      await login({ [registry]: "secret" });
      expect(await found(`${registry}/t/x:2`, engines().empty)).toEqual({ kind: "absent" });
      await run(["podman", "push", `${registry}/t/x:1`], { env: engines().podman });
    } finally {
      await rm(file);
    }
  });

  test("an unknown CA is said at once", async () => {
    await rm(join(home, ".config/containers/certs.d", registry), { recursive: true });
    await expect(found(`${registry}/t/x:1`, engines().empty)).rejects.toThrow(
      `Cannot push ${registry}/t/x:1: the registry's certificate is not trusted here`,
    );
  });
});

/** Answers by what the repository is called. */
function hostileRegistry(request: IncomingMessage, response: ServerResponse): void {
  const { url = "" } = request;
  const type = "application/vnd.oci.image.manifest.v1+json";
  const what = url.split("/")[2];
  if (url === "/v2/") response.end("{}");
  else if (what === "loop") response.writeHead(302, { location: url }).end();
  else if (what === "html") response.end("<html>Welcome</html>");
  else if (what === "busy") response.writeHead(503).end();
  else if (what === "silent") response.writeHead(200, { "content-type": type }).write("{");
  else if (what === "endless") {
    response.writeHead(200, { "content-type": type });
    // 64 MB: an end, in case that the reader sets none.
    for (let left = 1024; left > 0; left--) response.write(Buffer.alloc(65_536, " "));
    response.end();
  } else if (what === "wrong" && url.includes("/manifests/")) {
    const config = {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: `sha256:${"1".repeat(64)}`,
      size: 2,
    };
    response.writeHead(200, { "content-type": type });
    response.end(JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [] }));
  } else if (what === "climbing" && url.includes("/manifests/")) {
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: "../../../admin", size: 2 };
    response.writeHead(200, { "content-type": type });
    response.end(JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [] }));
  } else response.end("{}");
}

describe("a server that is no good registry costs a warning, within the time limit", () => {
  for (const engine of ["podman", "buildah"] as const) {
    for (const what of ["loop", "html", "busy", "endless", "wrong", "climbing"]) {
      test(`${engine}, ${what}`, async () => {
        const host = `127.0.0.1:${(hostile.address() as AddressInfo).port}`;
        const image = await found(`${host}/${what}/x:1`, engines().empty, { engine, insecure: true });
        expect(image).toMatchObject({ kind: "unknown", reason: expect.stringMatching(/\S/) });
      });
    }
  }

  test("silent", async () => {
    const host = `127.0.0.1:${(hostile.address() as AddressInfo).port}`;
    const image = await found(`${host}/silent/x:1`, engines().empty, { insecure: true, limitMs: 3000 });
    expect(image).toEqual({ kind: "unknown", reason: "podman has no answer within 1 min" });
  });
});
