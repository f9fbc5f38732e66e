import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { debianBase, debianBuilder, debianKernel, importDebianBase } from "../testcluster/debian-base.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { run, type CommandResult } from "../testcluster/lib/command.ts";
import { requirePackages } from "../testcluster/lib/debian.ts";
import { unmountBelow } from "../testcluster/lib/mounts.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { freePorts } from "../testcluster/lib/ports.ts";

/*
 * Builds a stand-in for an Onload tree for real: with podman and buildah, on Debian, with the headers of Debian's
 * kernel, and pushed to a registry on loopback. Everything goes to a store of the test's own, which sees the base
 * images of the machine's store and is removed at the end.
 */

const BUILD_MS = 300_000;
const tree = join(import.meta.dirname, "testdata/onload-tree");

let folder: string;
let registry: string;
let kernel: string;
let base: string;
let builder: string;
let executable: string;
const servers: Bun.Subprocess[] = [];

beforeAll(async () => {
  await requirePackages(["buildah", "podman", "docker-registry", "debootstrap", "kmod", "openssl"]);
  folder = await mkdtemp(join(tmpdir(), "images-test-"));
  await debianBase();
  base = await importDebianBase();
  builder = await debianBuilder();
  kernel = await debianKernel();
  registry = await startRegistry("registry");
  // What the onloadctl image is checked for is that it holds a Linux program; a small one saves copying a large one.
  executable = "/bin/true";
}, BUILD_MS);

afterAll(async () => {
  for (const server of servers) {
    server.kill();
    await server.exited;
  }
  await unmountBelow(folder);
  await rm(folder, { recursive: true, force: true });
});

/** Starts docker-registry; `auth` is a line of an htpasswd file. Returns its address. */
async function startRegistry(name: string, auth?: string, tls?: { key: string; certificate: string }): Promise<string> {
  const [port] = await freePorts(1);
  const lines = [
    "version: 0.1",
    `storage: {filesystem: {rootdirectory: ${join(folder, name)}}}`,
    `http: {addr: "127.0.0.1:${port}"${tls ? `, tls: {key: ${tls.key}, certificate: ${tls.certificate}}` : ""}}`,
  ];
  if (auth !== undefined) {
    await writeFile(join(folder, `${name}.htpasswd`), auth);
    lines.push(`auth: {htpasswd: {realm: test, path: ${join(folder, `${name}.htpasswd`)}}}`);
  }
  await writeFile(join(folder, `${name}.yml`), `${lines.join("\n")}\n`);
  servers.push(
    Bun.spawn(["docker-registry", "serve", join(folder, `${name}.yml`)], { stdout: "ignore", stderr: "ignore" }),
  );
  const answers = async (): Promise<boolean> => {
    const url = `${tls ? "https" : "http"}://127.0.0.1:${port}/v2/`;
    return (await fetch(url, { tls: { rejectUnauthorized: false } })).status < 500;
  };
  await poll(answers, { what: "The registry's answer" });
  return `127.0.0.1:${port}`;
}

/** Environment that gives an engine a store of its own, and no privileges that this machine may not have. */
function storage(name: string): Record<string, string> {
  return {
    CONTAINERS_STORAGE_CONF: join(folder, `${name}-storage.conf`),
    BUILDAH_ISOLATION: "chroot",
    XDG_CACHE_HOME: join(folder, `${name}-cache`),
  };
}

async function makeStorage(name: string): Promise<Record<string, string>> {
  const env = storage(name);
  await writeFile(
    env["CONTAINERS_STORAGE_CONF"]!,
    `[storage]\ndriver = "overlay"\ngraphroot = "${folder}/${name}-store"\nrunroot = "${folder}/${name}-run"\n` +
      '[storage.options]\nadditionalimagestores = ["/var/lib/containers/storage"]\n',
  );
  return env;
}

/** Runs `onloadctl build-images`. */
async function buildImages(env: Record<string, string>, ...args: string[]): Promise<CommandResult> {
  return await run([await builtExecutable(), "build-images", ...args], {
    env,
    allowFailure: true,
  });
}

function common(path: string): string[] {
  const bases = ["--user-base", base, "--module-base", base, "--onloadctl-base", base];
  const source = ["--onload", tree, "--registry", path, "--executable", executable];
  return [...source, "--kernel", kernel, "--builder-image", builder, ...bases];
}

/** Names in an engine's own store, without those of the store that it shares. */
async function names(env: Record<string, string>): Promise<string[]> {
  const { stdout } = await run(
    ["podman", "images", "--filter", "readonly=false", "--format", "{{.Repository}}:{{.Tag}}"],
    { env },
  );
  return stdout
    .split("\n")
    .filter((name) => name !== "" && !name.startsWith("<none>"))
    .sort();
}

/** The image that a registry without TLS has under a name, asked without an engine; undefined if there is none. */
async function remoteImage(tag: string): Promise<{ digest: string; labels: Record<string, string> } | undefined> {
  const [, host, repository, reference] = /^([^/]+)\/(.+):([^:]+)$/.exec(tag)!;
  const url = `http://${host}/v2/${repository}`;
  const answer = await fetch(`${url}/manifests/${reference}`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  if (answer.status === 404) return undefined;
  const manifest = (await answer.json()) as { config: { digest: string } };
  const config = (await (await fetch(`${url}/blobs/${manifest.config.digest}`)).json()) as {
    config: { Labels: Record<string, string> };
  };
  return { digest: answer.headers.get("docker-content-digest")!, labels: config.config.Labels };
}

/** Unpacks an image's file system into a folder. */
async function unpack(env: Record<string, string>, image: string): Promise<string> {
  const root = await mkdtemp(join(folder, "root-"));
  const container = (await run(["podman", "create", "--pull=never", image, "/none"], { env })).stdout.trim();
  await run(["podman", "export", "--output", join(root, "image.tar"), container], { env });
  await run(["podman", "rm", container], { env });
  await run(["tar", "-xf", join(root, "image.tar"), "-C", root, "--exclude=dev/*", "opt", "licenses"]);
  return root;
}

for (const engine of ["podman", "buildah"] as const) {
  test(
    `${engine} checks the certificate of a base's registry while the images' own registry has no TLS`,
    async () => {
      const env = await makeStorage(`${engine}-tls`);
      const at = (name: string): string => join(folder, `${engine}-tls.${name}`);
      const tls = { key: at("key"), certificate: at("crt") };
      const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
      const certificate = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
      ];
      await run(["openssl", ...certificate, "-keyout", tls.key, "-out", tls.certificate, ...subject]);
      const address = await startRegistry(`${engine}-tls`, undefined, tls);
      // Resolved as localhost is, but not taken for it, so that it is like a registry elsewhere.
      const foreign = `LOCALHOST:${address.split(":")[1]}`;
      const image = `${foreign}/base:1`;
      await run(["podman", "push", "--tls-verify=false", base, image], { env });
      const bases = ["--user-base", image, "--builder-image", builder, "--onload", tree, "--engine", engine];
      const args = ["user", ...bases, "--registry", `${registry}/${engine}-tls`];
      const dry = await buildImages(env, ...args, "--push", "--dry-run");
      const unchecked = dry.stdout.split("\n").filter((line) => line.includes("--tls-verify=false"));
      expect(unchecked.map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual(Array(1).fill(`${engine} push`));
      const refused = await buildImages(env, ...args);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(`Cannot pull ${image}: the registry's certificate is not trusted here`);
      expect(await buildImages(env, ...args, "--insecure-registry", `other.example,${foreign}`)).toMatchObject({
        code: 2,
      });
      expect(await buildImages(env, ...args, "--insecure-registry", foreign, "--push")).toMatchObject({ code: 0 });
    },
    BUILD_MS,
  );

  describe(engine, () => {
    let env: Record<string, string>;
    let path: string;
    let tags: string[];

    beforeAll(async () => {
      env = await makeStorage(engine);
      path = `${registry}/${engine}`;
      tags = [
        `${path}/onload-source:9.1.0`,
        `${path}/onload-user:9.1.0`,
        `${path}/onload-module:9.1.0-${kernel}`,
        `${path}/onloadctl:0.1.0`,
      ];
    });

    test(
      "builds, checks and pushes all, and prints what the Onload resource needs",
      async () => {
        const result = await buildImages(
          env,
          "all",
          ...common(path),
          "--engine",
          engine,
          "--push",
          "-o",
          "yaml",
          "--sbom",
          join(folder, `${engine}-sbom`),
        );
        expect(result).toMatchObject({ code: 0 });
        const named = await Promise.all(tags.map(async (tag) => `${tag}@${(await remoteImage(tag))?.digest}`));
        expect(parse(result.stdout)).toEqual({
          spec: {
            onload: {
              kernelMappings: [{ regexp: `^${kernel.replaceAll(".", "\\.")}$`, kernelModuleImage: named[2], sfc: {} }],
              userImage: named[1],
              version: "9.1.0",
            },
            devicePlugin: { devicePluginImage: named[3] },
          },
        });
        for (const tag of tags)
          expect((await remoteImage(tag))?.labels["org.opencontainers.image.version"]).toBeString();
        const bills = (await readdir(join(folder, `${engine}-sbom`))).sort();
        expect(bills).toEqual([
          `onload-module_9.1.0-${kernel}.cdx.json`,
          "onload-source_9.1.0.cdx.json",
          "onload-user_9.1.0.cdx.json",
          "onloadctl_0.1.0.cdx.json",
        ]);
        expect(await readFile(join(folder, `${engine}-sbom`, bills[2]!), "utf8")).toContain(
          '"/opt/onload/usr/lib64/libonload.so"',
        );
      },
      BUILD_MS,
    );

    test(
      "builds nothing the second time",
      async () => {
        const result = await buildImages(env, "all", ...common(path), "--engine", engine, "--push");
        expect(result.code).toBe(0);
        expect(result.stderr.match(/nothing has changed$/gm)).toHaveLength(4);
        expect(result.stderr.match(/the registry has it$/gm)).toHaveLength(4);
      },
      BUILD_MS,
    );

    test(
      "builds from the source image as from the tree",
      async () => {
        const [, , ...rest] = common(path);
        const source = ["--source-image", tags[0]!, "--engine", engine, "-o", "json"];
        const result = await buildImages(env, "user", ...source, ...rest);
        expect(result).toMatchObject({ code: 0 });
        expect(result.stderr).not.toContain("[source]");
        // The label of the source image says that it holds what the user image was made of.
        expect(result.stderr).toContain("[user] nothing has changed");
        expect(JSON.parse(result.stdout)).toMatchObject({ version: "9.1.0", images: [{ tag: tags[1] }] });
      },
      BUILD_MS,
    );

    test("made modules that kmod finds, in order, stripped, for the kernel", async () => {
      const root = await unpack(env, tags[2]!);
      const modules = join(root, "opt/lib/modules", kernel, "extra");
      expect((await readdir(modules)).sort()).toEqual(["onload.ko", "sfc.ko", "sfc_char.ko", "sfc_resource.ko"]);
      const info = await run(["modinfo", "-F", "vermagic", join(modules, "sfc.ko")]);
      expect(info.stdout).toStartWith(`${kernel} SMP `);
      const loading = await run(["modprobe", "-d", join(root, "opt"), "-S", kernel, "--show-depends", "onload"]);
      expect([...loading.stdout.matchAll(/(\w+)\.ko/g)].map((match) => match[1]).sort()).toEqual([
        "onload",
        "sfc_char",
        "sfc_resource",
      ]);
      expect(loading.stdout.trim()).toEndWith("/extra/onload.ko");
      const sections = await run(["readelf", "-S", join(modules, "onload.ko")]);
      expect(sections.stdout).not.toContain(".debug_info");
      expect(await readFile(join(root, "licenses/LICENSE"), "utf8")).toContain("stand-in");
    });

    test("verifies what it built, and refuses what is for another kernel", async () => {
      const good = await buildImages(env, "verify", ...tags.slice(1), "--engine", engine);
      expect(good).toMatchObject({ code: 0, stderr: "" });
      expect(good.stdout).toContain("same source");
      const bad = await buildImages(env, "verify", tags[2]!, "--engine", engine, "--kernel", "6.1.0-0-other");
      expect(bad.code).toBe(1);
      expect(bad.stdout).toContain(`FAILED  kernel        ${kernel}, asked for 6.1.0-0-other`);
    });
  });
}

test(
  "a dry run's script makes the same images",
  async () => {
    const env = await makeStorage("dry");
    const path = `${registry}/dry`;
    const dry = await buildImages(env, "user", ...common(path), "--push", "--dry-run");
    expect(dry.code).toBe(0);
    expect(await remoteImage(`${path}/onload-user:9.1.0`)).toBeUndefined();
    await run(["sh"], { env, input: dry.stdout });
    expect(await remoteImage(`${path}/onload-user:9.1.0`)).toBeDefined();
    const after = await buildImages(env, "user", ...common(path), "--push");
    expect(after.stderr.match(/nothing has changed$/gm)).toHaveLength(2);
  },
  BUILD_MS,
);

test(
  "the Dockerfile that the ConfigMap holds builds inside a cluster, where there is no context",
  async () => {
    const env = await makeStorage("cluster");
    const made = await buildImages(env, "source", ...common("localhost"));
    expect(made.code).toBe(0);
    const map = await buildImages(env, "module", "--configmap");
    const { data } = parse(map.stdout) as { data: { dockerfile: string } };
    const source = "localhost/onload-source:9.1.0";
    // The first three are what Kernel Module Management gives by itself.
    const given = { DTK_AUTO: builder, KERNEL_FULL_VERSION: kernel, MOD_NAME: "onload-module", ONLOAD_SOURCE: source };
    const args = Object.entries({ ...given, MODULE_BASE: base }).flatMap(([name, value]) => [
      "--build-arg",
      `${name}=${value}`,
    ]);
    const context = join(folder, "cluster-context");
    await mkdir(context);
    await writeFile(join(folder, "cluster.Dockerfile"), data.dockerfile);
    const files = ["--file", join(folder, "cluster.Dockerfile"), "--tag", "localhost/in-cluster:1", context];
    await run(["buildah", "build", "--pull=false", ...args, ...files], { env });
    const checked = await buildImages(env, "verify", "localhost/in-cluster:1", "--kernel", kernel);
    expect(checked.code).toBe(0);
  },
  BUILD_MS,
);

describe("bad input ends in one line, exit code 1, and no name", () => {
  let env: Record<string, string>;
  beforeAll(async () => {
    env = await makeStorage("bad");
  });

  /** A copy of the tree with one file changed or, without text, removed. */
  async function changed(file: string, text?: string): Promise<string> {
    const copy = join(await mkdtemp(join(folder, "tree-")), "onload");
    await cp(tree, copy, { recursive: true });
    if (text === undefined) await rm(join(copy, file));
    else await writeFile(join(copy, file), text);
    return copy;
  }

  function replace(args: string[], flag: string, value: string): string[] {
    return args.map((arg, index) => (args[index - 1] === flag ? value : arg));
  }

  test(
    "a tag that the registry has with other content, which only --force replaces",
    async () => {
      const args = common(`${registry}/taken`);
      expect((await buildImages(env, "source", ...args, "--push")).code).toBe(0);
      const tag = `${registry}/taken/onload-source:9.1.0`;
      const before = await remoteImage(tag);
      const other = replace(args, "--onload", await changed("src/onload/distfiles/LICENSE", "other"));
      const refused = await buildImages(env, "source", ...other, "--push");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toEndWith(
        `Cannot push ${tag}: the registry has other content under this tag (${before!.digest}); give another --onload-version, or replace it with --force\n`,
      );
      // Known before anything was built.
      expect(refused.stderr).not.toContain("[source]");
      expect(await remoteImage(tag)).toEqual(before);
      expect((await buildImages(env, "source", ...other, "--push", "--force")).code).toBe(0);
      expect((await remoteImage(tag))?.digest).not.toBe(before!.digest);
    },
    BUILD_MS,
  );

  test(
    "what another machine has built of the same is taken from the registry",
    async () => {
      const args = common(`${registry}/shared`);
      expect((await buildImages(env, "source", ...args, "--push")).code).toBe(0);
      const second = await buildImages(await makeStorage("second"), "source", ...args, "--push");
      expect(second.code).toBe(0);
      expect(second.stderr).toContain("The registry has source already\n[source] nothing has changed\n");
    },
    BUILD_MS,
  );

  test(
    "a kernel without headers",
    async () => {
      // Without its placeholder the stand-in tree fails as the real one does.
      const strict = await changed("src/driver/placeholder.c");
      const args = replace(replace(common(`${registry}/headers`), "--onload", strict), "--kernel", "6.1.0-0-none");
      const result = await buildImages(env, "module", ...args, "--push");
      expect(result.code).toBe(1);
      const [last] = result.stderr.trimEnd().split("\n").slice(-1);
      expect(last).toStartWith(
        "Cannot build module-6.1.0-0-none: the builder image has no headers for kernel 6.1.0-0-none",
      );
      const log = /\(log: (.+)\)$/.exec(last!)![1]!;
      expect(await readFile(log, "utf8")).toContain("onloadctl: no headers for kernel 6.1.0-0-none");
      expect(await names(env)).not.toContain(`${registry}/headers/onload-module:9.1.0-6.1.0-0-none`);
      expect(await names(env)).not.toContain(`${registry}/headers/onload-source:9.1.0`);
    },
    BUILD_MS,
  );

  test(
    "a Driver Toolkit tells its kernel; for another kernel it is refused",
    async () => {
      const context = join(folder, "dtk");
      await mkdir(context);
      await writeFile(
        join(context, "driver-toolkit-release.json"),
        JSON.stringify({ KERNEL_VERSION: kernel, RT_KERNEL_VERSION: "", RHEL_VERSION: "9.2" }),
      );
      await writeFile(join(context, "Dockerfile"), `FROM ${builder}\nCOPY driver-toolkit-release.json /etc/\n`);
      await run(["podman", "build", "--pull=false", "--tag", "localhost/dtk:1", context], { env });
      const args = common(`${registry}/dtk`);
      const wrong = await buildImages(
        env,
        "module",
        ...replace(args, "--kernel", "5.14.0-1"),
        "--dtk-image",
        "localhost/dtk:1",
      );
      expect(wrong.code).toBe(1);
      expect(wrong.stderr).toEndWith(
        `Cannot build for kernel 5.14.0-1: the Driver Toolkit localhost/dtk:1 is for ${kernel}\n`,
      );
      const none = await buildImages(env, "module", ...args, "--dtk-image", base);
      expect(none.stderr).toEndWith(
        `Cannot use ${base} as a Driver Toolkit: it has no /etc/driver-toolkit-release.json\n`,
      );
      const at = args.indexOf("--kernel");
      const right = await buildImages(
        env,
        "module",
        ...args.toSpliced(at, 2),
        "--dtk-image",
        "localhost/dtk:1",
        "-o",
        "json",
      );
      expect(right.code).toBe(0);
      expect(JSON.parse(right.stdout)).toMatchObject({ images: [{ part: "module", kernel }] });
    },
    BUILD_MS,
  );

  test("a full disk", async () => {
    const small = join(folder, "small");
    await mkdir(small);
    await run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small]);
    try {
      const result = await buildImages({ ...env, TMPDIR: small }, "source", ...common(`${registry}/full`));
      expect(result.code).toBe(1);
      expect(result.stderr.trimEnd().split("\n").at(-1)).toStartWith(
        "Cannot build source: the disk is full; free space",
      );
    } finally {
      await run(["umount", small]);
    }
  });

  test("a registry that cannot be reached: the push is what fails", async () => {
    const name = "nowhere.invalid/x/onload-source:9.1.0";
    const result = await buildImages(env, "source", ...common("nowhere.invalid/x"), "--push");
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(
      `Warning: cannot tell what the registry has under ${name} (it could not be asked: `,
    );
    expect(result.stderr).toContain(`Cannot push ${name}: the network or the registry cannot be reached`);
  }, 90_000);

  test(
    "a registry that refuses, until it is given its credentials",
    async () => {
      // "secret" as htpasswd -B writes it.
      const closed = await startRegistry(
        "closed",
        `user:${await Bun.password.hash("secret", { algorithm: "bcrypt", cost: 4 })}\n`,
      );
      const file = (password: string): string =>
        JSON.stringify({ auths: { [closed]: { auth: btoa(`user:${password}`) } } });
      const authfile = join(folder, "auth.json");
      await writeFile(authfile, file("wrong"));
      const args = [...common(`${closed}/x`), "--push", "--authfile", authfile];
      const refused = await buildImages(env, "source", ...args);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(`Cannot push ${closed}/x/onload-source:9.1.0: the registry refuses the login`);
      await writeFile(authfile, file("secret"));
      expect(await buildImages(env, "source", ...args)).toMatchObject({ code: 0 });
    },
    BUILD_MS,
  );

  test(
    "two runs at once, and a run that is stopped",
    async () => {
      const path = `${registry}/twice`;
      const command = [await builtExecutable(), "build-images", "module", ...common(path), "--no-cache"];
      const first = Bun.spawn(command, { env: { ...process.env, ...env }, stdout: "ignore", stderr: "pipe" });
      const reader = first.stderr.getReader();
      let text = "";
      const until = async (wanted: string): Promise<void> => {
        while (!text.includes(wanted)) {
          const { value, done } = await reader.read();
          if (done) throw new Error(`The first run ended without "${wanted}": ${text.slice(-500)}`);
          text += new TextDecoder().decode(value);
        }
      };
      await until(`[module-${kernel}] started`);
      const second = await buildImages(env, "module", ...common(path));
      expect(second.code).toBe(1);
      expect(second.stderr).toContain(
        `Cannot build: another run (process ${first.pid}) is building and holds ${join(env.XDG_CACHE_HOME ?? "", "onloadctl")}/build-`,
      );
      await until("scripts/onload_build --kernel");
      first.kill("SIGINT");
      expect(await first.exited).toBe(130);
      expect((await run(["buildah", "containers", "--quiet"], { env })).stdout).toBe("");
      expect((await names(env)).filter((name) => name.startsWith(path))).toEqual([]);
      const left = await readdir(tmpdir());
      const { stdout } = await run(["ps", "-eo", "args"]);
      expect(stdout).not.toContain(`${path}/`);
      expect(left.filter((name) => name.startsWith("onloadctl-build-") && text.includes(name))).toEqual([]);
    },
    BUILD_MS,
  );
});
