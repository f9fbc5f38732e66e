import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseReference, remoteImage } from "./registry.ts";

const config = JSON.stringify({ config: { Labels: { a: "b" } } });
const configDigest = `sha256:${createHash("sha256").update(config).digest("hex")}`;
const manifest = JSON.stringify({ schemaVersion: 2, config: { digest: configDigest } });
const manifestDigest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
const login = Buffer.from("user:secret").toString("base64");

/**
 * The part of a registry that is asked here. A real one is in images.node.test.ts; this one answers what that cannot be
 * made to: tokens, redirects to a storage that must not see the token, and errors.
 */
function registry(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url!, "http://r");
  const { authorization, host } = request.headers;
  const answer = (status: number, body = "", headers: Record<string, string> = {}): void => {
    response.writeHead(status, headers).end(body);
  };
  if (pathname === "/token") {
    const good = authorization === `Basic ${login}` && searchParams.get("scope") === "repository:private/user:pull";
    return answer(200, good ? JSON.stringify({ token: "t0ken" }) : "{}");
  }
  if (pathname.startsWith("/storage")) return authorization === undefined ? answer(200, config) : answer(400);
  if (pathname.startsWith("/v2/private/") && authorization !== "Bearer t0ken") {
    return answer(401, "", {
      "www-authenticate": `Bearer realm="http://${host}/token",service="r",scope="repository:private/user:pull"`,
    });
  }
  if (pathname.startsWith("/v2/basic/") && authorization !== `Basic ${login}`) {
    return answer(401, "", { "www-authenticate": 'Basic realm="r"' });
  }
  if (pathname.startsWith("/v2/broken/")) return answer(500);
  if (pathname.startsWith("/v2/endless/")) return answer(302, "", { location: pathname });
  if (pathname.startsWith("/v2/astray/")) return answer(302, "", { location: "http://[" });
  if (pathname.startsWith("/v2/portal/")) return answer(200, "<html>Welcome</html>");
  if (pathname === "/html-token") return answer(200, "<html>Welcome</html>");
  if (pathname.startsWith("/v2/html-token/")) {
    return answer(401, "", { "www-authenticate": `Bearer realm="http://${host}/html-token"` });
  }
  if (pathname.startsWith("/v2/no-realm/")) return answer(401, "", { "www-authenticate": "Bearer" });
  if (pathname.startsWith("/v2/lost-token/")) {
    return answer(401, "", { "www-authenticate": 'Bearer realm="http://127.0.0.1:1/token"' });
  }
  if (pathname.endsWith("/manifests/1")) return answer(200, manifest);
  if (pathname.endsWith("/manifests/list")) return answer(200, JSON.stringify({ schemaVersion: 2, manifests: [] }));
  if (pathname.endsWith(`/blobs/${configDigest}`)) return answer(307, "", { location: "/storage/blob" });
  return answer(404);
}

let server: Server;
let host: string;
let folder: string;
let authfile: string;
beforeAll(async () => {
  server = createServer(registry);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as { port: number }).port}`;
  folder = await mkdtemp(join(tmpdir(), "registry-test-"));
  authfile = join(folder, "auth.json");
  await writeFile(authfile, JSON.stringify({ auths: { [host]: { auth: login } } }));
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const expected = { digest: manifestDigest, imageId: configDigest.slice(7), labels: { a: "b" } };

test("an image is known by digest, ID and labels", async () => {
  expect(await remoteImage(`${host}/t/user:1`, { insecure: true })).toEqual(expected);
});

test("a tag that is not there", async () => {
  expect(await remoteImage(`${host}/t/user:2`, { insecure: true })).toBeUndefined();
});

test("a list of platforms has a digest only", async () => {
  expect(await remoteImage(`${host}/t/user:list`, { insecure: true })).toMatchObject({ labels: {} });
});

test("credentials buy a token", async () => {
  expect(await remoteImage(`${host}/private/user:1`, { insecure: true, authfile })).toEqual(expected);
});

test("credentials are enough where no token is asked for", async () => {
  expect(await remoteImage(`${host}/basic/user:1`, { insecure: true, authfile })).toEqual(expected);
});

describe("what goes wrong", () => {
  test("no credentials", async () => {
    const none = join(folder, "none.json");
    await writeFile(none, "{}");
    for (const repository of ["private/user", "basic/user"]) {
      await expect(remoteImage(`${host}/${repository}:1`, { insecure: true, authfile: none })).rejects.toThrow(
        `Cannot ask ${host} for ${repository}: it refuses the login; log in with the engine or give --authfile`,
      );
    }
  });

  test("a registry that fails", async () => {
    await expect(remoteImage(`${host}/broken/x:1`, { insecure: true })).rejects.toThrow("it answers with status 500");
  });

  test.each([
    ["redirects to itself", "endless", "it redirects more than 10 times"],
    ["redirects to no address", "astray", 'it redirects to "http://[", which is no address'],
    ["is a portal that answers everything", "portal", "it answers no JSON; check the name and the proxy"],
    [
      "names a token server that answers no JSON",
      "html-token",
      "http://HOST/html-token, which gives the tokens, answers no JSON; check the proxy",
    ],
    ["names no token server", "no-realm", 'it asks for a token from "", which is no address'],
    [
      "names a token server that is not there",
      "lost-token",
      "Cannot reach http://127.0.0.1:1/token, which gives the tokens",
    ],
  ])("a registry that %s", async (_, repository, reason) => {
    await expect(remoteImage(`${host}/${repository}/x:1`, { insecure: true })).rejects.toThrow(
      reason.replace("HOST", host),
    );
  });

  test("a registry without TLS", async () => {
    await expect(remoteImage(`${host}/t/user:1`, {})).rejects.toThrow("it has no TLS; add --insecure-registry");
  });

  test("a registry that is not there", async () => {
    const closed = createTcpServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    for (const insecure of [true, false]) {
      await expect(remoteImage(`127.0.0.1:${port}/t/user:1`, { insecure })).rejects.toThrow(
        `Cannot reach the registry 127.0.0.1:${port}`,
      );
    }
  });
});

test("parseReference", () => {
  expect(parseReference("r:5000/a/b:1-x")).toEqual({ host: "r:5000", repository: "a/b", tag: "1-x" });
  expect(() => parseReference("r:5000/a/b")).toThrow("it needs a registry and a tag");
});
