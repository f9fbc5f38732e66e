import { describe, expect, test } from "bun:test";
import { digestOf, mirror, mirrorPlan, mirrorScript } from "./mirror.ts";
import type { Runner } from "./runner.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;
const LONG = `sha512:${"0".repeat(128)}`;
const TO = "mirror.example:5000/onload";

test.each([
  ["r.example/trading/onloadctl:1.0", "r.example/trading/onloadctl:1.0", `${TO}/trading/onloadctl:1.0`],
  ["r.example:443/x", "r.example:443/x", `${TO}/x`],
  [`r.example/x:1@${DIGEST}`, `r.example/x@${DIGEST}`, `${TO}/x@${DIGEST}`],
  [`r.example/x@${LONG}`, `r.example/x@${LONG}`, `${TO}/x@${LONG}`],
  ["busybox:1", "docker.io/library/busybox:1", `${TO}/library/busybox:1`],
  ["docker.io/busybox", "docker.io/library/busybox", `${TO}/library/busybox`],
  ["trading/app:1", "docker.io/trading/app:1", `${TO}/trading/app:1`],
])("%s", (image, from, to) => {
  const [copy] = mirrorPlan([image], TO, {});
  expect(copy).toMatchObject({ from: image, to });
  expect(copy!.command.slice(-2)).toEqual([`docker://${from}`, `docker://${to}`]);
});

test.each([
  "",
  "--all",
  "r.example/",
  "r.example/x y",
  "r.example/X",
  "r.example/x:1\n",
  "r.example/x@sha256:1",
  "-r:1/x",
])("%j is no name of an image", (image) => {
  expect(() => mirrorPlan([image], TO, {})).toThrow("Cannot mirror");
});

test("two images do not get the same name", () => {
  expect(() => mirrorPlan(["a.example/x:1", "b.example/x:1"], TO, {})).toThrow(
    `Cannot mirror a.example/x:1 and b.example/x:1: both would be ${TO}/x:1`,
  );
});

test("registries that may lack TLS, and logins", () => {
  const access = { authfile: "/a b.json", insecure: ["r.example"] };
  expect(mirrorScript(mirrorPlan(["r.example/x:1"], "127.0.0.1:5000", access))).toBe(
    "skopeo copy --all --preserve-digests --retry-times=3 '--authfile=/a b.json' --src-tls-verify=false --dest-tls-verify=false docker://r.example/x:1 docker://127.0.0.1:5000/x:1\n",
  );
  expect(mirrorScript(mirrorPlan(["r.example/x:1"], TO, {}))).not.toContain("tls-verify");
});

describe("a copy that fails is named with its reason", () => {
  const copy = async (run: () => Promise<unknown>): Promise<string> => {
    const step = { line: () => undefined, end: () => undefined };
    const deps = { runner: { run }, progress: { begin: () => step }, signal: new AbortController().signal };
    const copies = mirrorPlan(["r.example/x:1"], TO, {});
    return await mirror(copies, deps as unknown as Parameters<typeof mirror>[1]).then(
      () => "",
      (error: Error) => error.message,
    );
  };
  const failing = (output: string) => copy(() => Promise.resolve({ code: 1, stdout: "", output }));
  const start = `Cannot copy r.example/x:1 to ${TO}/x:1: `;

  test("as skopeo says it, and no image is called a base", async () => {
    const said = 'level=fatal msg="initializing source docker://r.example/x:1: reading manifest 1: denied: no"';
    const text = await failing(said);
    expect(text).toStartWith(`${start}an image cannot be pulled: reading manifest 1: denied: no; see`);
  });

  test("in one line of ours if the cause is known", async () => {
    expect(await failing("dial tcp: lookup r.example: no such host")).toStartWith(
      `${start}the network or the registry cannot be reached; check`,
    );
  });

  test("if it does not end", async () => {
    const text = await copy(() => Promise.reject(new Error("Cannot run skopeo copy: it has not ended within 20 s")));
    expect(text).toBe(`${start}it has not ended within 20 s`);
  });
});

describe("a digest", () => {
  const asked = (code: number, stdout: string, output = stdout): ReturnType<typeof digestOf> => {
    const runner = { run: () => Promise.resolve({ code, stdout, output }) } as unknown as Runner;
    return digestOf("r.example/x:1", {}, { runner, signal: new AbortController().signal });
  };
  test("is what skopeo prints", async () => expect(await asked(0, `${DIGEST}\n`)).toEqual({ digest: DIGEST }));
  test("is nothing else", async () => {
    expect(await asked(0, "\u001b[31msha256:1")).toEqual({ problem: "skopeo prints no digest" });
  });
  test("may be refused", async () => {
    expect(await asked(1, "", "reading manifest: unauthorized")).toHaveProperty("problem");
  });
});
