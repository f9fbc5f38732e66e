import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { dirname, join } from "node:path";
import { output, run } from "./lib/command.ts";
import { requirePackages } from "./lib/debian.ts";
import { checkout } from "./lib/paths.ts";
import { debianBuilder } from "./debian-base.ts";
import type { RunState } from "./lib/run-state.ts";
import { tool } from "./tools/index.ts";

const sources = join(import.meta.dir, "images");

/**
 * Builds images with buildah for the test node and pushes them to its registry. Storage lies in the state folder: the
 * images of the host's own podman and buildah are neither seen nor touched.
 */
export class ImageBuilder {
  readonly #state: RunState;
  readonly #registry: string;
  #base: Promise<string> | undefined;

  constructor(state: RunState, registry: string) {
    this.#state = state;
    this.#registry = registry;
  }

  /**
   * Builds a folder with a Dockerfile and pushes the result.
   *
   * @returns the reference to pull it by, REGISTRY/NAME
   */
  async build(name: string, context: string, args: Readonly<Record<string, string>> = {}): Promise<string> {
    const reference = `${this.#registry}/${name}`;
    const given = Object.entries(args).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]);
    await this.#buildah(["build", "--isolation=chroot", "--quiet", ...given, "--tag", reference, context]);
    await this.#buildah(["push", "--quiet", "--disable-compression", "--tls-verify=false", reference]);
    return reference;
  }

  /** The smallest base on which a program that needs the GNU C library runs: the host's own libc, two users, and /tmp. */
  base(): Promise<string> {
    this.#base ??= this.#buildBase();
    return this.#base;
  }

  /** The sandbox of the node's pods. */
  async pause(): Promise<string> {
    const context = this.#context("pause");
    copyFileSync(await tool("pause"), join(context, "pause"));
    writeFileSync(join(context, "Dockerfile"), 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n');
    return await this.build("pause:1", context);
  }

  /** The stand-in for an image with Onload's kernel modules, tagged VERSION-KERNEL for the kernel of this machine. */
  async onloadModule(version: string): Promise<string> {
    return await this.#moduleTools(`onload-module:${version}-${release()}`, version);
  }

  /**
   * Onload's images and our own, made by `onloadctl build-images all --push` from the stand-in for an Onload tree as
   * they would be from the real one: compiled on Debian, for the kernel of this machine. Only modprobe is a stand-in, and
   * comes in with the base of the module image.
   *
   * @returns the part of an Onload resource that names the images, as YAML
   */
  async onload(executable: string, version: string): Promise<string> {
    const builder = await debianBuilder();
    const storage = this.#state.path("storage.conf");
    writeFileSync(
      storage,
      `[storage]\ndriver = "overlay"\ngraphroot = "${this.#state.path("containers/storage")}"\n` +
        `runroot = "${this.#state.path("containers/run")}"\n` +
        // The store that has the builder image; it is only read.
        '[storage.options]\nadditionalimagestores = ["/var/lib/containers/storage"]\n',
    );
    const base = await this.base();
    const moduleBase = await this.#moduleTools(`onload-module-base:${version}`, version);
    const source = ["--onload", join(checkout, "internal/images/testdata/onload-tree"), "--onload-version", version];
    const bases = [
      "--user-base",
      base,
      "--module-base",
      moduleBase,
      "--onloadctl-base",
      base,
      "--builder-image",
      builder,
    ];
    const target = [
      "--registry",
      this.#registry,
      "--insecure-registry",
      this.#registry,
      "--push",
      "--force",
      "--engine",
      "buildah",
    ];
    return await output(
      [executable, "build-images", "all", ...source, "--kernel", release(), ...bases, ...target, "--output", "yaml"],
      { env: { CONTAINERS_STORAGE_CONF: storage, BUILDAH_ISOLATION: "chroot" } },
    );
  }

  /** The programs that KMM runs in a module image, with the stand-in for modprobe. */
  async #moduleTools(name: string, version: string): Promise<string> {
    await requirePackages(["busybox-static"]);
    const context = this.#context("onload-module");
    copyFileSync("/bin/busybox", join(context, "busybox"));
    // Debian's shell, which needs only the C library.
    copyFileSync("/bin/dash", join(context, "sh"));
    return await this.build(name, context, { BASE_IMAGE: await this.base(), VERSION: version });
  }

  /** The stand-in for an image with Onload's userland; every version's library differs. */
  async onloadUser(version: string): Promise<string> {
    await requirePackages(["gcc", "libc6-dev"]);
    const context = this.#context("onload-user");
    const root = join(context, "root");
    const folder = (...parts: string[]): string => {
      const path = join(root, ...parts);
      mkdirSync(dirname(path), { recursive: true });
      return path;
    };
    const library = folder("usr/lib64/libonload.so");
    const define = `-DONLOAD_VERSION="${version}"`;
    const shared = ["gcc", "-shared", "-fPIC", "-O2", define, join(context, "libonload.c")];
    await run([...shared, "-Wl,-soname,libonload.so", "-o", library]);
    await run([...shared, "-Wl,-soname,libonload_ext.so.1", "-o", folder("usr/lib64/libonload_ext.so.1.2.0")]);
    symlinkSync("libonload_ext.so.1.2.0", folder("usr/lib64/libonload_ext.so.1"));
    symlinkSync("libonload_ext.so.1", folder("usr/lib64/libonload_ext.so"));
    copyFileSync(join(context, "onload"), folder("usr/bin/onload"));
    copyFileSync(join(context, "latency.opf"), folder("usr/libexec/onload/profiles/latency.opf"));
    await run(["gcc", "-static", "-O2", join(context, "onload_cp_server.c"), "-o", folder("sbin/onload_cp_server")]);
    for (const tool of ["onload_stackdump", "onload_tcpdump.bin", "orm_json"]) {
      await run(["gcc", "-static", "-O2", join(context, "onload_tools.c"), "-o", folder("usr/bin", tool)]);
    }
    return await this.build(`onload-user:${version}`, context, { BASE_IMAGE: await this.base(), FILES: "root" });
  }

  /** Our own image: the operator, the device plugin and the tools, on the C library of this host. */
  async onloadctl(executable: string, tag = "latest"): Promise<string> {
    const context = this.#context("onloadctl");
    copyFileSync(executable, join(context, "onloadctl"));
    chmodSync(join(context, "onloadctl"), 0o755);
    copyFileSync(join(checkout, "internal/images/dockerfiles/onloadctl.Dockerfile"), join(context, "Dockerfile"));
    copyFileSync(join(checkout, "internal/licenses/third-party.gen.txt"), join(context, "THIRD-PARTY"));
    return await this.build(`onloadctl:${tag}`, context, { ONLOADCTL_BASE: await this.base() });
  }

  /** The application of the demo and of tests; see images/app/test.c. */
  async app(): Promise<string> {
    await requirePackages(["gcc", "libc6-dev"]);
    const context = this.#context("app");
    await run(["gcc", "-O2", join(context, "test.c"), "-o", join(context, "test")]);
    return await this.build("test:latest", context, { BASE_IMAGE: await this.base() });
  }

  /**
   * The same application in the ways in which a program can be without Onload: as /test it can preload the library,
   * /test-musl has another C library, /test-static has no loader, and /test-setuid has a loader that trusts nobody. The
   * image has an LD_PRELOAD of its own, as those with another allocator do.
   */
  async appVariants(): Promise<string> {
    await requirePackages(["gcc", "libc6-dev", "musl-tools"]);
    const context = this.#context("app");
    const source = join(context, "test.c");
    await run(["gcc", "-O2", source, "-o", join(context, "test")]);
    await run(["gcc", "-O2", "-static", source, "-o", join(context, "test-static")]);
    await run(["musl-gcc", "-O2", source, "-o", join(context, "test-musl")]);
    const machine = (await output(["uname", "-m"])).trim();
    const loader = `ld-musl-${machine}.so.1`;
    copyFileSync(`/usr/lib/${machine}-linux-musl/libc.so`, join(context, loader));
    chmodSync(join(context, loader), 0o755);
    copyFileSync(join(context, "test"), join(context, "test-setuid"));
    // buildah takes the setuid bit off what it copies, except if it is told the mode.
    writeFileSync(
      join(context, "Dockerfile"),
      `ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY test test-static test-musl /\nCOPY --chmod=4755 test-setuid /\nCOPY ${loader} /lib/\nENV LD_PRELOAD=libm.so.6\nUSER 1001\n`,
    );
    return await this.build("test-variants:latest", context, { BASE_IMAGE: await this.base() });
  }

  /** The stand-in for the image of sfnettest, with the shell and the sleep of the sample's client. */
  async sfnettest(): Promise<string> {
    await requirePackages(["gcc", "libc6-dev"]);
    const context = this.#context("sfnettest");
    await run(["gcc", "-O2", join(context, "sfnt-pingpong.c"), "-o", join(context, "sfnt-pingpong")]);
    // Debian's, which need only the C library.
    copyFileSync("/bin/dash", join(context, "sh"));
    copyFileSync("/bin/sleep", join(context, "sleep"));
    return await this.build("sfnettest:1.6.0", context, { BASE_IMAGE: await this.base() });
  }

  async #buildBase(): Promise<string> {
    const context = this.#context("base");
    // The libraries that a program compiled by Bun needs. The path of the loader is the same on all systems of one
    // architecture.
    const linked = await output(["ldd", process.execPath]);
    for (const [, path = ""] of linked.matchAll(/(\/\S+\.so\S*) \(0x/g)) {
      const target = join(context, "root", path);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(path, target);
      chmodSync(target, 0o755);
    }
    mkdirSync(join(context, "root/etc"), { recursive: true });
    writeFileSync(join(context, "root/etc/passwd"), "root:x:0:0:root:/:/none\nonload:x:1001:1001:onload:/:/none\n");
    writeFileSync(join(context, "root/etc/group"), "root:x:0:\nonload:x:1001:\n");
    mkdirSync(join(context, "root/tmp"));
    chmodSync(join(context, "root/tmp"), 0o1777);
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY root /\n");
    return await this.build("glibc-base:1", context);
  }

  /** A new folder with a copy of the sources of the same name, if there are any. */
  #context(name: string): string {
    const context = this.#state.path("images", `${name}-${crypto.randomUUID().slice(0, 8)}`);
    mkdirSync(context, { recursive: true });
    const source = join(sources, name);
    if (existsSync(source)) cpSync(source, context, { recursive: true });
    return context;
  }

  async #buildah(args: readonly string[]): Promise<void> {
    await requirePackages(["buildah"]);
    await run([
      "buildah",
      "--root",
      this.#state.path("containers/storage"),
      "--runroot",
      this.#state.path("containers/run"),
      ...args,
    ]);
  }
}
