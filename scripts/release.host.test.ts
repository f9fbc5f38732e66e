/** A release, verified and used as somebody does who downloads it: with minisign, sha256sum, tar, openssl, mandoc and Helm. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { output, run } from "../internal/testcluster/lib/command.ts";
import { requirePackages } from "../internal/testcluster/lib/debian.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { freePorts } from "../internal/testcluster/lib/ports.ts";
import { tool } from "../internal/testcluster/tools/index.ts";

const VERSION = "0.0.0-test";
const IMAGE = `registry.example.com/onloadctl@sha256:${"0".repeat(64)}`;
const CHART = `onload-operator-${VERSION}.tgz`;
const MINUTES = 60_000;

// The Go compiler is not among what a test is timed for.
const program = await tool("helm");

let folder: string;
let files: string;
let unpacked: string;
const release = (to: string, ...args: string[]) =>
  run([join(checkout, "scripts/release"), VERSION, `--key=${join(folder, "key.pem")}`, `--output=${to}`, ...args], {
    env: { TMPDIR: folder },
    allowFailure: true,
  });

beforeAll(async () => {
  await requirePackages(["minisign", "mandoc", "openssl", "docker-registry"]);
  folder = await mkdtemp(join(tmpdir(), "onloadctl-release-test-"));
  [files, unpacked] = [join(folder, "files"), join(folder, "unpacked")];
  await run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", join(folder, "key.pem")]);
  const made = await release(files, "--url=https://downloads.example.com/v0", `--image=${IMAGE}`);
  expect(made).toMatchObject({ code: 0 });
  await mkdir(unpacked);
  await run(["tar", "-C", unpacked, "-xzf", join(files, `onloadctl-${VERSION}-linux-x64.tar.gz`)]);
}, 10 * MINUTES);
afterAll(() => rm(folder, { recursive: true, force: true }));

test("minisign knows the sums, sha256sum knows every other file, and a changed byte is noticed", async () => {
  const cwd = files;
  const verified = await output(["minisign", "-Vm", "SHA256SUMS", "-p", "onloadctl.pub"], { cwd });
  const commit = await output(["git", "-C", checkout, "rev-parse", "HEAD"]);
  expect(verified).toContain(`Trusted comment: onloadctl ${VERSION} commit:${commit}`);
  await run(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd });
  const listed = (await readFile(join(files, "SHA256SUMS"), "utf8")).trimEnd().split("\n");
  const names = listed.map((line) => line.slice(66));
  const unlisted = (await readdir(files)).filter((name) => !names.includes(name));
  expect(unlisted.toSorted()).toEqual(["SHA256SUMS", "SHA256SUMS.minisig", "onloadctl.pub"]);

  const changed = join(folder, "changed");
  await mkdir(changed);
  for (const name of unlisted) await writeFile(join(changed, name), await readFile(join(files, name)));
  const sums = join(changed, "SHA256SUMS");
  await writeFile(
    sums,
    (await readFile(sums, "utf8")).replace(/[0-9a-f]/, (digit) => (digit === "0" ? "1" : "0")),
  );
  expect((await run(["minisign", "-Vm", sums, "-p", join(files, "onloadctl.pub")], { allowFailure: true })).code).toBe(
    1,
  );
});

test("the executables are for their platforms, and say their version", async () => {
  expect(await output([join(unpacked, "onloadctl"), "--version"])).toBe(`onloadctl ${VERSION}`);
  // From the headers of ELF (e_machine) and Mach-O (cputype).
  const heads: Record<string, [offset: number, bytes: number[]]> = {
    "linux-x64": [18, [62, 0]],
    "linux-arm64": [18, [183, 0]],
    "darwin-x64": [0, [0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1]],
    "darwin-arm64": [0, [0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1]],
  };
  for (const [platform, [offset, bytes]] of Object.entries(heads)) {
    const archive = join(files, `onloadctl-${VERSION}-${platform}.tar.gz`);
    const head = join(folder, platform);
    await run(["sh", "-c", `tar -xzOf ${archive} onloadctl | head -c 64 > ${head}`]);
    expect([platform, ...(await readFile(head)).subarray(offset, offset + bytes.length)]).toEqual([platform, ...bytes]);
    expect(await output(["tar", "--numeric-owner", "-tvzf", archive, "onloadctl"])).toMatch(/^-rwxr-xr-x 0\/0 /);
  }
});

test("a bill of materials names the executable by its digest, and what is in it", async () => {
  const bill = JSON.parse(await readFile(join(files, `onloadctl-${VERSION}-linux-x64.cdx.json`), "utf8"));
  const digest = (await output(["sha256sum", join(unpacked, "onloadctl")])).slice(0, 64);
  expect(bill.metadata.component).toMatchObject({ version: VERSION, hashes: [{ alg: "SHA-256", content: digest }] });
  const names: string[] = bill.components.map(({ name }: { name: string }) => name);
  // What is certainly in it, and what only makes or tests it.
  for (const name of ["bun", "yaml", "@grpc/grpc-js", "prom-client"]) expect(names).toContain(name);
  for (const name of ["typescript", "fast-check", "oxlint", "deno"]) expect(names).not.toContain(name);
});

test("openssl verifies the provenance, which names every file with its digest", async () => {
  const { payloadType, payload, signatures } = JSON.parse(
    await readFile(join(files, "provenance.intoto.json"), "utf8"),
  );
  const body = Buffer.from(payload, "base64");
  const signed = join(folder, "signed");
  await writeFile(signed, Buffer.concat([Buffer.from(`DSSEv1 28 ${payloadType} ${body.length} `), body]));
  await writeFile(join(folder, "signature"), Buffer.from(signatures[0].sig, "base64"));
  const verify = ["openssl", "pkeyutl", "-verify", "-inkey", join(folder, "key.pem"), "-rawin"];
  await run([...verify, "-in", signed, "-sigfile", join(folder, "signature")]);
  const { subject, predicate } = JSON.parse(body.toString());
  for (const { name, digest } of subject) {
    expect([name, digest.sha256]).toEqual([name, (await output(["sha256sum", join(files, name)])).slice(0, 64)]);
  }
  expect(subject).toHaveLength((await readdir(files)).length - 4);
  expect(predicate.buildDefinition.externalParameters).toEqual({ version: VERSION });
});

test("krew finds an archive with the digest that is said, for each platform", async () => {
  const { metadata, spec } = parse(await readFile(join(files, "onload.yaml"), "utf8"));
  expect([metadata.name, spec.version]).toEqual(["onload", `v${VERSION}`]);
  const archs = spec.platforms.map((each: any) => Object.values(each.selector.matchLabels).join("/")); // oxlint-disable-line typescript/no-explicit-any -- YAML
  expect(archs).toEqual(["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"]);
  for (const { uri, sha256, bin } of spec.platforms) {
    const name = /^https:\/\/downloads\.example\.com\/v0\/([^/]+)$/.exec(uri)![1]!;
    expect((await output(["sha256sum", join(files, name)])).slice(0, 64)).toBe(sha256);
    expect(await output(["tar", "-tzf", join(files, name), bin])).toBe(bin);
  }
});

test("there is a manual page for each command, at which mandoc has nothing to warn of", async () => {
  const pages = (await readdir(join(unpacked, "man/man1"))).map((name) => join(unpacked, "man/man1", name));
  expect(pages.length).toBeGreaterThan(25);
  const { stdout } = await run(["mandoc", "-T", "lint", "-W", "warning", ...pages], { allowFailure: true });
  expect(stdout).toBe("");
  const text = await output(["sh", "-c", `mandoc -T ascii ${join(unpacked, "man/man1/onloadctl-status.1")} | col -b`]);
  for (const part of ["onloadctl-status - Show what", "--exit-code", "Wait for the end of a rollout"])
    expect(text).toContain(part);
});

test("editors find a misspelt field by the schema, and nothing wrong in the sample", async () => {
  const schema = z.fromJSONSchema(JSON.parse(await readFile(join(files, "onload_v1alpha1.schema.json"), "utf8")));
  const sample = parse(await output([join(unpacked, "onloadctl"), "manifests", "sample"]));
  expect(schema.safeParse(sample).success).toBe(true);
  const { serviceAccountName, ...rest } = sample.spec;
  expect(schema.safeParse({ ...sample, spec: { ...rest, serviceAccount: serviceAccountName } }).success).toBe(false);
  expect(schema.safeParse({ ...sample, spec: { ...sample.spec, selektor: {} } }).success).toBe(false);
});

test("install.yaml runs the image that was given", async () => {
  for (const name of ["install.yaml", "install-before-1.30.yaml"]) {
    const objects = parseAllDocuments(await readFile(join(files, name), "utf8")).map((each) => each.toJS());
    const deployment = objects.find(({ kind }) => kind === "Deployment");
    expect(deployment.spec.template.spec.containers[0].image).toBe(IMAGE);
  }
});

test("Helm takes the chart from a registry (OCI) as it was put there, and it installs the image that was given", async () => {
  const [port = 0] = await freePorts(1);
  const config = join(folder, "registry.json");
  const storage = { filesystem: { rootdirectory: join(folder, "registry") } };
  await writeFile(config, JSON.stringify({ version: 0.1, storage, http: { addr: `127.0.0.1:${port}` } }));
  const serving = Bun.spawn(["docker-registry", "serve", config], { stdout: "ignore", stderr: "ignore" });
  try {
    await poll(async () => (await fetch(`http://127.0.0.1:${port}/v2/`)).ok, { what: "Start of the registry" });
    const env = { HOME: folder, KUBECONFIG: "" };
    const helm = (...args: string[]): Promise<string> => output([program, ...args], { cwd: folder, env });
    const charts = `oci://127.0.0.1:${port}/charts`;
    await helm("push", "--plain-http", join(files, CHART), charts);
    await helm("pull", "--plain-http", `${charts}/onload-operator`, `--version=${VERSION}`);
    await run(["cmp", join(folder, CHART), join(files, CHART)]);
    const rendered = await helm("template", "--plain-http", "r", `${charts}/onload-operator`, `--version=${VERSION}`);
    expect(rendered).toContain(`image: "${IMAGE}"\n`);
    expect(rendered).toContain(`helm.sh/resource-policy: keep\n`);
    expect(await helm("lint", "--strict", join(files, CHART))).toContain("1 chart(s) linted, 0 chart(s) failed");
    // oxlint-disable-next-line typescript/no-explicit-any -- YAML
    const { name, version, appVersion }: any = parse(await helm("show", "chart", join(files, CHART)));
    expect({ name, version, appVersion }).toEqual({ name: "onload-operator", version: VERSION, appVersion: VERSION });
  } finally {
    serving.kill();
    await serving.exited;
  }
});

test(
  "the same commit in another folder gives the same bytes",
  async () => {
    const again = join(folder, "again");
    const made = await release(
      again,
      "--platform=linux-x64",
      "--url=https://elsewhere.example.com",
      `--image=${IMAGE}`,
    );
    expect(made).toMatchObject({ code: 0 });
    const same = [
      `onloadctl-${VERSION}-linux-x64.tar.gz`,
      `onloadctl-${VERSION}-linux-x64.cdx.json`,
      "crd.yaml",
      "install.yaml",
      CHART,
    ];
    for (const name of same) await run(["cmp", join(files, name), join(again, name)]);
  },
  5 * MINUTES,
);

test.each<[string, string[], string]>([
  ["no version", ["1.2"], 'Cannot release version "1.2"'],
  ["v in front", ["v1.2.3"], 'Cannot release version "v1.2.3"'],
  ["no key", ["1.2.3"], "Cannot sign without a key"],
  ["a key of another kind", ["1.2.3", "--key=RSA"], "Cannot sign with a key of type rsa"],
  ["http", ["1.2.3", "--key=KEY", "--url=http://x"], "krew downloads over https:// only"],
  ["platform", ["1.2.3", "--key=KEY", "--platform=windows"], 'Cannot build for "windows"'],
  ["a folder that is in use", ["1.2.3", "--key=KEY", "--output=FILES"], "it is not empty"],
])("refused: %s", async (_, args, message) => {
  await run(["openssl", "genrsa", "-out", join(folder, "rsa.pem"), "2048"]);
  const real: Record<string, string> = { KEY: join(folder, "key.pem"), RSA: join(folder, "rsa.pem"), FILES: files };
  const words = args.map((word) => word.replace(/=(KEY|RSA|FILES)$/, (_all, name: string) => `=${real[name]!}`));
  const { code, stderr } = await run([join(checkout, "scripts/release"), ...words], { allowFailure: true });
  expect(code).toBe(1);
  expect(stderr).toContain(message);
});
