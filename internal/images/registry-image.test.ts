import { describe, expect, test } from "bun:test";
import { engineCommands } from "./engine.ts";
import { LocalStore } from "./local-store.ts";
import { registryImage, type RegistryImage } from "./registry-image.ts";
import type { Runner } from "./runner.ts";

const TAG = "r.example/t/x:1";
const OWN = `sha256:${"a".repeat(64)}`;
const ONE = `sha256:${"1".repeat(64)}`;
const TWO = `sha256:${"2".repeat(64)}`;

/** What podman knows about an image. */
interface Known {
  id: string;
  digests: string[];
}

function inspected({ id, digests }: Known): string {
  const names = digests.map((digest) => `r.example/t/x@${digest}`);
  return JSON.stringify([{ Id: id, Architecture: "amd64", Os: "linux", Size: 1, Digest: OWN, RepoDigests: names }]);
}

interface Asked {
  found: RegistryImage;
  tagged: string[];
  /** How often an image was fetched. */
  pulls: number;
}

/** Asks through a podman that has `here` under the name, and fetches `there` or fails with a text, first with `first`. */
async function ask(there: Known | string, here?: Known, first?: string): Promise<Asked> {
  let now = here;
  let pulls = 0;
  const tagged: string[] = [];
  const runner: Runner = {
    async run([, verb, ...rest], given) {
      if (verb === "pull") {
        // A step, which may take longer than the answer to a question.
        expect(given?.onLine).toBeDefined();
        pulls++;
        if (first !== undefined && pulls === 1) return { code: 125, stdout: "", output: first };
        if (typeof there === "string") return { code: 125, stdout: "", output: there };
        now = there;
      }
      if (verb === "image")
        return now ? { code: 0, stdout: inspected(now), output: "" } : { code: 1, stdout: "", output: "" };
      if (verb === "tag") tagged.push(rest.join(" "));
      return { code: 0, stdout: "", output: "" };
    },
    read: () => Promise.reject(new Error("nothing is read")),
  };
  const store = new LocalStore(engineCommands("podman", true), runner);
  const found = await registryImage(TAG, store, {}, undefined, { retryAfterMs: 0 });
  return { found, tagged, pulls };
}

const source = `Error: initializing source docker://${TAG}: `;

describe("what engines say when there is no such image", () => {
  test.each([
    `${source}reading manifest 1 in r.example/t/x: manifest unknown: manifest unknown`,
    `${source}reading manifest 1 in r.example/t/x: name unknown: repository name not known to registry`,
    `${source}reading manifest 1 in r.example/t/x: unknown: artifact t/x:1 not found`,
    `${source}reading manifest 1 in r.example/t/x: unknown: repository t/x not found`,
    "Error response from daemon: manifest for r.example/t/x:1 not found: manifest unknown: manifest unknown",
    'Error response from daemon: failed to resolve reference "r.example/t/x:1": r.example/t/x:1: not found',
  ])("%s", async (text) => expect((await ask(text)).found).toEqual({ kind: "absent" }));
});

test.each([
  `Error: choosing an image from manifest list docker://${TAG}: no image found in manifest list for architecture amd64, variant "", OS linux`,
  "Error response from daemon: no matching manifest for linux/amd64 in the manifest list entries",
])("an image for other platforms: %s", async (text) => expect((await ask(text)).found).toEqual({ kind: "other" }));

describe("what does not stop a push, because that may be allowed or work", () => {
  test.each([
    `${source}reading manifest 1 in r.example/t/x: unauthorized: access to the requested resource is not authorized`,
    `${source}reading manifest 1 in r.example/t/x: received unexpected HTTP status: 503 Service Unavailable`,
    `${source}Get "/v2/t/x/manifests/1": stopped after 10 redirects`,
    "Error: initializing image from source: invalid character '<' looking for beginning of value",
    `${source}unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password`,
    `${source}pinging container registry other.example: Get "https://other.example/v2/": x509: certificate signed by unknown authority`,
    "Error response from daemon: pull access denied for r.example/t/x, repository does not exist or may require 'docker login'",
  ])("%s", async (text) => expect((await ask(text)).found).toEqual({ kind: "unknown", reason: text }));

  // As podman 4.3 says it of r.example with a mirror. Pushes go past mirrors.
  test.each([
    'pinging container registry m.example: Get "http://m.example/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    'pinging container registry m.example: Get "https://m.example/v2/": x509: certificate signed by unknown authority',
    "unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password",
    "reading manifest 1 in m.example/t/x: manifest unknown",
  ])("what a mirror says: %s", async (text) => {
    const own = `${TAG}: reading manifest 1 in r.example/t/x: unauthorized`;
    const { found, pulls } = await ask(`${source}(Mirrors also failed: [m.example/t/x:1: ${text}]): ${own}`);
    expect(found).toEqual({ kind: "unknown", reason: `${source}${own}` });
    expect(pulls).toBe(1);
  });

  const ping = `${source}pinging container registry r.example: Get "https://r.example/v2/": `;
  const unanswered = [
    `${ping}dial tcp: lookup r.example on 192.0.2.53:53: no such host`,
    `${ping}dial tcp: lookup r.example on 192.0.2.53:53: read udp 192.0.2.1:4->192.0.2.53:53: i/o timeout`,
    `${ping}dial tcp 192.0.2.1:443: connect: connection refused`,
    `${ping}read tcp 192.0.2.1:51236->192.0.2.2:443: read: connection reset by peer`,
    `${ping}net/http: TLS handshake timeout`,
    `${ping}EOF`,
    'Error response from daemon: Get "https://r.example/v2/": dial tcp: lookup r.example: no such host',
    'Error response from daemon: Get "https://r.example/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)',
    'Error: reading blob sha256:0: Get "https://storage.example/b": dial tcp 192.0.2.1:443: i/o timeout',
  ];
  test.each(unanswered)("no answer, twice: %s", async (text) => {
    const { found, pulls } = await ask(text);
    expect(found).toEqual({ kind: "unknown", reason: `it could not be asked: ${text}` });
    expect(pulls).toBe(2);
  });
  test.each(unanswered)("no answer, once: %s", async (text) => {
    expect((await ask({ id: "x", digests: [ONE] }, undefined, text)).found).toMatchObject({ image: { id: "x" } });
  });

  test("an answer that takes too long", async () => {
    const runner: Runner = {
      run: ([, verb], options) =>
        verb === "image"
          ? Promise.resolve({ code: 1, stdout: "", output: "" })
          : new Promise((_, reject) =>
              options!.signal!.addEventListener("abort", () => reject(options!.signal!.reason as Error)),
            ),
      read: () => Promise.reject(new Error("nothing is read")),
    };
    const store = new LocalStore(engineCommands("podman", true), runner);
    expect(await registryImage(TAG, store, {}, undefined, { limitMs: 5 })).toEqual({
      kind: "unknown",
      reason: "podman has no answer within 1 min",
    });
  });
});

describe("what no push can overcome is said before anything is built", () => {
  test.each([
    [
      `${source}pinging container registry r.example: Get "https://r.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
      "the registry's certificate is not trusted here",
    ],
    [
      `${source}pinging container registry r.example: Get "https://r.example/v2/": http: server gave HTTP response to HTTPS client`,
      "the registry has no TLS",
    ],
    [
      `Error: initializing source docker://${TAG}: (Mirrors also failed: [m.example/t/x:1: manifest unknown]): ${TAG}: pinging container registry r.example: Get "https://r.example/v2/": x509: certificate signed by unknown authority`,
      "the registry's certificate is not trusted here",
    ],
    [
      'Error response from daemon: failed to resolve reference "r.example/t/x:1": failed to do request: Head "https://r.example/v2/t/x/manifests/1": tls: failed to verify certificate: x509: certificate signed by unknown authority',
      "the registry's certificate is not trusted here",
    ],
    [
      'Error response from daemon: Get "https://r.example/v2/": unauthorized: incorrect username or password',
      "the registry refuses the login",
    ],
  ])("%s", async (text, cause) => {
    await expect(ask(text)).rejects.toThrow(`Cannot push ${TAG}: ${cause}`);
  });
});

describe("an image that is there", () => {
  const digestOf = (found: RegistryImage): string | undefined => (found.kind === "image" ? found.digest : found.kind);

  test("and was not here", async () => {
    const { found, tagged } = await ask({ id: "x", digests: [ONE] });
    expect(found).toMatchObject({ kind: "image", image: { id: "x" }, digest: ONE });
    expect(tagged).toEqual([]);
  });
  test("and another is here under the name, which keeps it", async () => {
    const { found, tagged } = await ask({ id: "theirs", digests: [ONE] }, { id: "mine", digests: [OWN] });
    expect(found).toMatchObject({ image: { id: "theirs" }, digest: ONE });
    expect(tagged).toEqual([`mine ${TAG}`]);
  });
  test("and was built here: the store's own digest is not the registry's", async () => {
    expect(digestOf((await ask({ id: "x", digests: [OWN, ONE] }, { id: "x", digests: [OWN] })).found)).toBe(ONE);
    expect(digestOf((await ask({ id: "x", digests: [OWN, ONE] }, { id: "x", digests: [OWN, ONE] })).found)).toBe(ONE);
  });
  test("and has got another digest meanwhile", async () => {
    const before = { id: "x", digests: [OWN, ONE] };
    expect(digestOf((await ask({ id: "x", digests: [OWN, ONE, TWO] }, before)).found)).toBe(TWO);
  });
  test("and has had several digests: none is guessed", async () => {
    const known = { id: "x", digests: [OWN, ONE, TWO] };
    expect(digestOf((await ask(known, known)).found)).toBeUndefined();
  });
});
