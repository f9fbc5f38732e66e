/**
 * A release, verified and used as somebody does who downloads it: with minisign, sha256sum, tar, openssl, mandoc, skopeo, podman,
 * kubectl and Helm; installed in each way on a real API server with KMM 1.1.0, where only the kubelets are played.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { OperatorCluster, PATIENCE_MS } from "../internal/operator/testing/operator-cluster.ts";
import { output, run } from "../internal/testcluster/lib/command.ts";
import { requirePackages } from "../internal/testcluster/lib/debian.ts";
import { unmountBelow } from "../internal/testcluster/lib/mounts.ts";
import { cacheFolder, checkout } from "../internal/testcluster/lib/paths.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { freePorts } from "../internal/testcluster/lib/ports.ts";
import { serviceAccountUser } from "../internal/testcluster/index.ts";
import { CLUSTER_PROGRAMS, tool, tools } from "../internal/testcluster/tools/index.ts";
import { OPS, WAYS, type Setting } from "./lib/release/testing/ways.ts";

// Above every version that the clone may have a tag of.
const VERSION = "999.0.0-test";
const REPOSITORY = "registry.example.com/trading/onloadctl";
const IMAGES = `onloadctl-image-${VERSION}.oci.tar`;
const CHART = `onload-operator-${VERSION}.tgz`;
const MINUTES = 60_000;

// The files have 320 MB, which are read often.
setDefaultTimeout(3 * MINUTES);

// The Go compiler is not among what a test is timed for.
const program = await tool("helm");
await tools(CLUSTER_PROGRAMS);

let folder: string;
let files: string;
let unpacked: string;
/** What install.yaml, the chart and the bundle name. */
let image: string;
let registry: { address: string; serving: Bun.Subprocess };
const release = (to: string, ...args: string[]) =>
  run([join(checkout, "scripts/release"), VERSION, `--key=${join(folder, "key.pem")}`, `--output=${to}`, ...args], {
    env: { TMPDIR: folder },
    allowFailure: true,
  });

beforeAll(async () => {
  await requirePackages(["minisign", "mandoc", "openssl", "docker-registry", "skopeo", "podman", "runc", "qemu-user"]);
  folder = await mkdtemp(join(tmpdir(), "onloadctl-release-test-"));
  [files, unpacked] = [join(folder, "files"), join(folder, "unpacked")];
  await run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", join(folder, "key.pem")]);
  registry = await startRegistry();
  const made = await release(files, "--url=https://downloads.example.com/v0", `--image=${REPOSITORY}`);
  expect(made).toMatchObject({ code: 0 });
  await mkdir(unpacked);
  await run(["tar", "-C", unpacked, "-xzf", join(files, `onloadctl-${VERSION}-linux-x64.tar.gz`)]);
  const index = await output(["skopeo", "inspect", "--raw", `oci-archive:${join(files, IMAGES)}`]);
  image = `${REPOSITORY}:${VERSION}@sha256:${createHash("sha256").update(index).digest("hex")}`;
}, 10 * MINUTES);
afterAll(async () => {
  registry.serving.kill();
  await registry.serving.exited;
  await unmountBelow(folder);
  await rm(folder, { recursive: true, force: true });
});

async function startRegistry(): Promise<typeof registry> {
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const config = join(folder, "registry.json");
  const storage = { filesystem: { rootdirectory: join(folder, "registry") } };
  await writeFile(config, JSON.stringify({ version: 0.1, storage, http: { addr: address } }));
  const serving = Bun.spawn(["docker-registry", "serve", config], { stdout: "ignore", stderr: "ignore" });
  await poll(async () => (await fetch(`http://${address}/v2/`)).ok, { what: "Start of the registry" });
  return { address, serving };
}

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

test("a release has these files, and no others", async () => {
  const platforms = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];
  const architectures = ["linux-amd64", "linux-arm64"];
  expect((await readdir(files)).toSorted()).toEqual(
    [
      "CHANGELOG.md",
      "RELEASE-NOTES.md",
      "SHA256SUMS",
      "SHA256SUMS.minisig",
      "crd.yaml",
      "install-before-1.30.yaml",
      "install.yaml",
      "onload-operator-bundle-VERSION.oci.tar",
      "onload-operator-VERSION.tgz",
      "onload.yaml",
      "onload_v1alpha1.schema.json",
      "onloadctl-image-VERSION.oci.tar",
      ...architectures.map((each) => `onloadctl-image-VERSION-${each}.cdx.json`),
      ...platforms.flatMap((each) => [`onloadctl-VERSION-${each}.tar.gz`, `onloadctl-VERSION-${each}.cdx.json`]),
      "onloadctl.pub",
      "provenance.intoto.json",
    ]
      .map((name) => name.replace("VERSION", VERSION))
      .toSorted(),
  );
});

test("the workflow of a release pushes files that a release has", async () => {
  const workflow = await readFile(join(checkout, ".github/workflows/release.yaml"), "utf8");
  const pushed = [...workflow.matchAll(/\bfiles\/([\w$.-]+)/g)].map(([, name]) => name!.replace("$VERSION", VERSION));
  expect(pushed).toHaveLength(4);
  expect((await readdir(files)).filter((name) => pushed.includes(name))).toHaveLength(4);
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
    const listed = (await output(["tar", "--numeric-owner", "-tvzf", archive])).split("\n");
    const lines = new Map(listed.map((line) => [line.slice(line.lastIndexOf(" ") + 1), line]));
    expect(lines.get("onloadctl")).toMatch(/^-rwxr-xr-x 0\/0 /);
    const names = [...lines.keys()];
    expect(names.filter((name) => !name.startsWith("man/man1/")).toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "THIRD-PARTY",
      "completions/onloadctl.bash",
      "completions/onloadctl.fish",
      "completions/onloadctl.ps1",
      "completions/onloadctl.zsh",
      "onloadctl",
    ]);
    // Another test looks into the pages, of one archive.
    const pages = names.filter((name) => name.startsWith("man/man1/")).map((name) => name.slice("man/man1/".length));
    expect(pages.toSorted()).toEqual((await readdir(join(unpacked, "man/man1"))).toSorted());
  }
  for (const name of ["LICENSE", "README.md"]) await run(["cmp", join(unpacked, name), join(checkout, name)]);
  expect(await readFile(join(unpacked, "THIRD-PARTY"), "utf8")).toContain("@grpc/grpc-js");
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
  interface Subject {
    name: string;
    digest: { sha256: string };
  }
  const digests = new Map((subject as Subject[]).map(({ name, digest }) => [name, digest.sha256]));
  // Another test holds these against the files.
  const sums = (await readFile(join(files, "SHA256SUMS"), "utf8")).trimEnd().split("\n");
  const others = sums.filter((line) => !line.endsWith("  provenance.intoto.json"));
  for (const line of others) expect(`${digests.get(line.slice(66))}  ${line.slice(66)}`).toBe(line);
  expect(digests.get("onloadctl-image")).toBe(image.split("@sha256:")[1]!);
  expect(digests.has("onload-operator-bundle")).toBe(true);
  expect(digests.size).toBe(others.length + 2);
  const { externalParameters, resolvedDependencies } = predicate.buildDefinition;
  expect(externalParameters).toEqual({
    version: VERSION,
    platforms: ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"],
    image: REPOSITORY,
    url: "https://downloads.example.com/v0",
  });

  const git = async (...args: string[]): Promise<string> => (await run(["git", "-C", checkout, ...args])).stdout;
  const ofFile = async (file: string): Promise<{ sha256: string }> => ({
    sha256: (await output(["sha256sum", file])).slice(0, 64),
  });
  const bun = process.versions.bun;
  const base = async (name: string): Promise<object> => ({
    uri: `pkg:generic/${name}@${bun}`,
    digest: await ofFile(join(await output([process.execPath, "pm", "cache"]), `${name}-v${bun}`)),
  });
  const debian = async (architecture: string): Promise<object> => {
    const [version = ""] = /(?<=version: ")[^"]+/.exec(await git("show", "HEAD:scripts/lib/release/c-library.ts"))!;
    return {
      uri: `pkg:deb/debian/libc6@${encodeURIComponent(version)}?arch=${architecture}`,
      digest: await ofFile(join(cacheFolder, "debian", `libc6_${version}_${architecture}.deb`)),
    };
  };
  const lock = createHash("sha256").update(await git("show", "HEAD:bun.lock"));
  expect(resolvedDependencies).toEqual([
    { name: "source", digest: { gitCommit: (await git("rev-parse", "HEAD")).trim() } },
    { name: "bun.lock", digest: { sha256: lock.digest("hex") } },
    { name: "bun", uri: `pkg:npm/bun@${bun}`, digest: await ofFile(process.execPath) },
    await base("bun-linux-x64-baseline"),
    await base("bun-linux-aarch64"),
    await base("bun-darwin-x64-baseline"),
    await base("bun-darwin-aarch64"),
    await debian("amd64"),
    await debian("arm64"),
  ]);
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
    expect(deployment.spec.template.spec.containers[0].image).toBe(image);
  }
});

test("Helm takes the chart from a registry (OCI) as it was put there, and it installs the image of the release", async () => {
  const env = { HOME: folder, KUBECONFIG: "" };
  const helm = (...args: string[]): Promise<string> => output([program, ...args], { cwd: folder, env });
  const charts = `oci://${registry.address}/charts`;
  await helm("push", "--plain-http", join(files, CHART), charts);
  await helm("pull", "--plain-http", `${charts}/onload-operator`, `--version=${VERSION}`);
  await run(["cmp", join(folder, CHART), join(files, CHART)]);
  const rendered = await helm("template", "--plain-http", "r", `${charts}/onload-operator`, `--version=${VERSION}`);
  expect(rendered).toContain(`image: "${image}"\n`);
  expect(rendered).toContain(`helm.sh/resource-policy: keep\n`);
  expect(await helm("lint", "--strict", join(files, CHART))).toContain("1 chart(s) linted, 0 chart(s) failed");
  // oxlint-disable-next-line typescript/no-explicit-any -- YAML
  const { name, version, appVersion }: any = parse(await helm("show", "chart", join(files, CHART)));
  expect({ name, version, appVersion }).toEqual({ name: "onload-operator", version: VERSION, appVersion: VERSION });
});

test("the bundle's image is one that every node unpacks, not an index that names amd64 only", async () => {
  const archive = `oci-archive:${join(files, `onload-operator-bundle-${VERSION}.oci.tar`)}`;
  const manifest = JSON.parse(await output(["skopeo", "inspect", "--raw", archive]));
  expect(manifest.mediaType).toBe("application/vnd.oci.image.manifest.v1+json");
  const { config } = JSON.parse(await output(["skopeo", "inspect", "--config", archive]));
  expect(config.Labels["operators.operatorframework.io.bundle.package.v1"]).toBe("onload-operator");
});

describe("downloaded, verified and pushed by the commands of README", () => {
  const downloads = (): string => join(folder, "downloads");
  beforeAll(async () => {
    const readme = await readFile(join(checkout, "README.md"), "utf8");
    const blocks = [...readme.matchAll(/^```sh\n(from=[^]*?)^```$/gm)].map(([, text]) => text!);
    expect(blocks).toHaveLength(1);
    await using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => new Response(Bun.file(join(files, new URL(url).pathname))),
    });
    await mkdir(downloads());
    await writeFile(join(downloads(), "onloadctl.pub"), await readFile(join(files, "onloadctl.pub")));
    const commands = blocks[0]!
      .replace("https://downloads.example.com/onloadctl/0.2.0", `http://${server.hostname}:${server.port}`)
      .replaceAll("0.2.0", VERSION)
      .replace("skopeo copy", "skopeo copy --dest-tls-verify=false")
      .replaceAll("registry.example.com", registry.address);
    await run(["bash", "-euc", commands], { cwd: downloads(), env: { KUBECONFIG: "" } });
  }, 3 * MINUTES);

  const podman = async (...args: string[]): Promise<string> => {
    const conf = join(folder, "storage.conf");
    const [graphroot, runroot] = [join(folder, "containers"), join(folder, "run")];
    await writeFile(conf, `[storage]\ndriver = "overlay"\ngraphroot = "${graphroot}"\nrunroot = "${runroot}"\n`);
    const command = ["podman", "--runtime=runc", "--cgroup-manager=cgroupfs", ...args];
    return output(command, { env: { CONTAINERS_STORAGE_CONF: conf } });
  };
  /** As anybody names it who has pushed it to the registry of this test. */
  const pushed = (): string => `${registry.address}/trading/onloadctl@${image.split("@")[1]}`;

  test("the operator is installed with the image that was pushed", async () => {
    const theirs = await readFile(join(downloads(), "install.yaml"), "utf8");
    expect(theirs).toContain(`image: ${registry.address}/trading/onloadctl:${VERSION}\n`);
  });

  test("the image has the digest in the registry that install.yaml names, and podman runs it from there", async () => {
    const target = `docker://${registry.address}/trading/onloadctl:${VERSION}`;
    const index = await run(["skopeo", "inspect", "--raw", "--tls-verify=false", target]);
    expect(createHash("sha256").update(index.stdout).digest("hex")).toBe(image.split("@sha256:")[1]!);
    await podman("pull", "--quiet", "--tls-verify=false", pushed());
    // Others than the engine's own, which this machine may not have to give.
    const limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
    const run_ = ["run", "--rm", "--pull=never", "--network=none", "--read-only", ...limits, pushed()];
    expect(await podman(...run_, "--version")).toBe(`onloadctl ${VERSION}`);
    // What answers is compiled code of the release, as nobody in particular.
    expect(parse(await podman(...run_, "manifests", "sample")).kind).toBe("Onload");
    const [about] = JSON.parse(await podman("image", "inspect", pushed()));
    expect({ user: about.Config.User, labels: about.Labels, layers: about.RootFS.Layers.length }).toMatchObject({
      user: "65532:65532",
      labels: { "org.opencontainers.image.version": VERSION },
      layers: 2,
    });
  });

  test("the executable for arm64 runs with nothing but what is in its image", async () => {
    await podman("pull", "--quiet", "--tls-verify=false", "--arch=arm64", pushed());
    const root = await podman("image", "mount", pushed());
    const command = ["qemu-aarch64", "-L", root, join(root, "usr/bin/onloadctl")];
    expect(await output([...command, "--version"])).toBe(`onloadctl ${VERSION}`);
    expect(parse(await output([...command, "manifests", "sample"])).kind).toBe("Onload");
    expect((await readdir(join(root, "licenses"))).toSorted()).toEqual(["LICENSE", "THIRD-PARTY", "libc6"]);

    // The C library says of itself what it is.
    const bill = JSON.parse(await readFile(join(files, `onloadctl-image-${VERSION}-linux-arm64.cdx.json`), "utf8"));
    const library = await readFile(join(root, "lib/aarch64-linux-gnu/libc.so.6"), "latin1");
    const [, version = ""] = /\(Debian GLIBC ([^)\s]+)\)/.exec(library)!;
    const named = bill.components.find(({ name }: { name: string }) => name === "libc6");
    const purl = `pkg:deb/debian/libc6@${encodeURIComponent(version)}?arch=arm64&distro=bookworm`;
    expect(named).toMatchObject({ version, purl });
  });
});

test("the executable for x64 runs on a processor without AVX", async () => {
  // Of 2008: SSE 4.2, and nothing that came later.
  const old = ["qemu-x86_64", "-cpu", "Nehalem", join(unpacked, "onloadctl")];
  expect(await output([...old, "--version"])).toBe(`onloadctl ${VERSION}`);
  expect(parse(await output([...old, "manifests", "sample"])).kind).toBe("Onload");
});

describe("installed and used", () => {
  let cluster: OperatorCluster;
  let setting: Setting;
  beforeAll(async () => {
    cluster = await OperatorCluster.start({ installed: "nothing" });
    setting = { files, version: VERSION, work: folder, helm: program, plane: cluster.plane };
  }, 5 * MINUTES);
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test.each(Object.entries(WAYS))(
    "%s",
    async (name, way) => {
      const { plane, kubelet } = cluster;
      const executable = join(unpacked, "onloadctl");
      const onloadctl = (...args: string[]): Promise<string> =>
        output([executable, ...args], { env: { KUBECONFIG: plane.kubeconfigPath, NO_COLOR: "1" } });
      await way.install(setting);
      const { items } = JSON.parse(await plane.kubectl(["get", "deployments", "-n", OPS, "-o", "json"]));
      const [{ args, image: named }] = items[0].spec.template.spec.containers;
      // A bundle's image has no tag beside its digest.
      expect(named).toBe(name.startsWith("OLM") ? image.replace(`:${VERSION}@`, "@") : image);
      const account = items[0].spec.template.spec.serviceAccountName;
      const kubeconfigPath = await plane.serviceAccountKubeconfig(OPS, account);
      const flags = [...args.slice(1), `--leader-election-namespace=${OPS}`];
      const user = { name: serviceAccountUser(OPS, account), kubeconfigPath };
      await cluster.startOperator(flags, user, { executable, image });

      await plane.apply(await onloadctl("manifests", "sample", "namespace"));
      await plane.apply(await onloadctl("manifests", "sample"));
      const role = { "node-role.kubernetes.io/worker": "" };
      const [node = ""] = await kubelet.createNodes(1, "worker", role, "5.14.0-test.x86_64");
      await onloadctl("status", "onload", "-n", "onload-runtime", "--wait=4m");
      await plane.kubectl(["apply", "-n", "onload-runtime", "-f", "-"], {
        input: await onloadctl("manifests", "sample", "pod"),
      });
      const pod = ["pod/onload-app", "-n", "onload-runtime"];
      await plane.kubectl(["wait", "--for=jsonpath={.status.phase}=Running", "--timeout=60s", ...pod]);

      await plane.kubectl(["delete", "--now", ...pod]);
      await onloadctl("uninstall", "--yes", "--crd");
      await way.remove(setting);
      await cluster.stopOperators();
      expect(await cluster.traces(node)).toEqual([]);
      await kubelet.deleteNode(node);
      const left = ["get", "crd,clusterroles,deployments", "-A", "-o", "name"];
      expect(await plane.kubectl(left)).not.toContain("onload");
    },
    2 * PATIENCE_MS,
  );
});

test(
  "the same commit in another folder gives the same bytes",
  async () => {
    const again = join(folder, "again");
    const made = await release(again, "--url=https://elsewhere.example.com", `--image=${image}`);
    expect(made).toMatchObject({ code: 0 });
    const [both, first] = [await readdir(again), await readdir(files)];
    expect(both.toSorted()).toEqual(first.toSorted());
    const different: string[] = [];
    for (const name of both.toSorted()) {
      const { code } = await run(["cmp", "-s", join(files, name), join(again, name)], { allowFailure: true });
      if (code !== 0) different.push(name);
    }
    expect(different).toEqual([
      // They name the files that follow.
      "SHA256SUMS",
      "SHA256SUMS.minisig",
      // They have the URL.
      "onload.yaml",
      "provenance.intoto.json",
    ]);
  },
  5 * MINUTES,
);

test.each<[string, string[], string]>([
  ["no version", ["1.2"], 'Cannot release version "1.2"'],
  ["v in front", ["v1.2.3"], 'Cannot release version "v1.2.3"'],
  ["no key", ["1.2.3"], "Cannot sign without a key"],
  ["a key of another kind", ["1.2.3", "--key=RSA"], "Cannot sign with a key of type rsa"],
  ["http", ["1.2.3", "--key=KEY", "--url=http://x"], "krew downloads over https:// only"],
  ["a number with a leading zero", ["1.2.3-01"], 'Cannot release version "1.2.3-01"'],
  ["a key without end", ["1.2.3", "--key=/dev/zero"], "Cannot read a key from /dev/zero: it has more than 16384 bytes"],
  ["no key in the file", ["1.2.3", "--key=FILES/install.yaml"], "Cannot read a key from"],
  ["an image that no runtime takes", ["1.2.3", "--key=KEY", "--image=example.com/X"], "give a repository such as"],
  ["an image by its tag", ["1.2.3", "--key=KEY", "--image=example.com/x:1"], "give a repository such as"],
  ["no image", ["1.2.3", "--key=KEY", "--image=example.com/x", "--platform=darwin-x64"], "none is made without"],
  ["platform", ["1.2.3", "--key=KEY", "--platform=windows"], 'Cannot build for "windows"'],
  ["a folder that is in use", ["1.2.3", "--key=KEY", "--output=FILES"], "it is not empty"],
])("refused: %s", async (_, args, message) => {
  await run(["openssl", "genrsa", "-out", join(folder, "rsa.pem"), "2048"]);
  const real: Record<string, string> = { KEY: join(folder, "key.pem"), RSA: join(folder, "rsa.pem"), FILES: files };
  const words = args.map((word) => word.replace(/=(KEY|RSA|FILES)\b/, (_all, name: string) => `=${real[name]!}`));
  const { code, stderr } = await run([join(checkout, "scripts/release"), ...words], { allowFailure: true });
  expect(code).toBe(1);
  expect(stderr).toContain(message);
});
