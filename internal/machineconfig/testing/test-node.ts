import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BOOT_STATUS_FILE, parseBootStatus, type BootStatus } from "../../api/boot-status.ts";
import { BOOT_FILES } from "../boot-service.ts";
import { kernelModule } from "./kernel-module.ts";

export const KERNEL = "5.14.0-427.13.1.el9_4.x86_64";
export const IMAGE = "registry.example.com/onload-module:v9.0-${KERNEL_FULL_VERSION}";

/** The flags that every kernel of the tests has in its vermagic. */
const FLAGS = "SMP preempt mod_unload modversions ";
/** srcversion of the kernel's own sfc driver. */
const IN_TREE = "1A2B3C4D5E6F708192A3B4C";

/** What the scripts, the stand-ins and a boot change. */
const CHANGED_BY_SCRIPTS = "boot-id calls commands faults kernel reboots run sleeps store sys tmp var/lib/onload".split(
  " ",
);

/** An image with an sfc driver for a kernel, and the faults that it has. */
export interface TestImage {
  kernel?: string;
  /** The kernel that the modules were built for, if it is another one. */
  vermagicKernel?: string;
  flags?: string;
  srcversion?: string;
  digest?: string;
  /** Leaves out sfc, or the module that it depends on. */
  without?: "sfc" | "sfc_driverlink";
}

export interface ScriptResult {
  /** Exit code; 137 if the script was killed. */
  code: number;
  log: string;
}

/** How a boot went, up to its end or to the reboot that it asked for. */
export interface Boot {
  replace: ScriptResult;
  pull: ScriptResult;
  rebootAsked: boolean;
}

/**
 * A node on which the boot scripts run as they are, in a mount namespace and chroot: real bash, coreutils, modinfo,
 * depmod and `modprobe --show-depends` on module files that kmod can read. What would need a kernel module, a registry or a
 * reboot are stand-ins (folder stand-ins) on a fake /sys, /run and /var of the node's own.
 */
export class TestNode {
  readonly root: string;
  kernel = KERNEL;
  #boots = 0;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(): Promise<TestNode> {
    // In memory if possible, because the scripts sync what they write.
    const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
    const node = new TestNode(await mkdtemp(join(base, "onloadctl-node-")));
    node.#lay();
    return node;
  }

  #lay(): void {
    for (const folder of "dev etc faults lib proc registry run scripts store sys tmp usr var/lib/containers".split(
      " ",
    )) {
      mkdirSync(this.path(folder), { recursive: true });
    }
    for (const link of ["bin", "sbin", "lib64"]) symlinkSync(`usr/${link}`, this.path(link));
    for (const name of readdirSync("/usr/lib")) {
      if (name.endsWith("-linux-gnu")) symlinkSync(`/usr/lib/${name}`, this.path("lib", name));
    }
    this.#layMounts();
    cpSync(join(import.meta.dir, "stand-ins"), this.path("stand-ins"), { recursive: true });
    for (const { path, mode, contents } of BOOT_FILES) {
      writeFileSync(this.path("scripts", path.slice("/usr/local/bin/".length)), contents, { mode });
    }
    this.installKernel(KERNEL);
  }

  /** Writes the script that mounts the file systems for each run, in its own mount namespace. */
  #layMounts(): void {
    const devices = ["null", "zero", "random", "urandom"].map((name) => `/dev/${name}`);
    for (const device of devices) writeFileSync(this.path(device), "");
    mkdirSync(this.path("dev/shm"));
    const mounts = [
      // As a mount of its own: podman, which unpacks layers in a chroot, changes how / is mounted.
      [this.root, "/", "bind"],
      ["/usr", "/usr", "bind,ro"],
      [this.path("scripts"), "/usr/local/bin", "bind"],
      ...devices.map((device) => [device, device, "bind"]),
      ["/proc", "/proc", "rbind"],
      [this.path("boot-id"), "/proc/sys/kernel/random/boot_id", "bind"],
      ["/sys/fs/cgroup", "/sys/fs/cgroup", "rbind"],
    ];
    const lines = mounts.map(([what, where = "", how]) => `${what} ${this.path(where)} none ${how} 0 0\n`);
    writeFileSync(this.path("etc/fstab"), lines.join(""));
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  /** Installs a kernel and its modules. The next boot uses it. */
  installKernel(kernel: string): void {
    this.kernel = kernel;
    const folder = this.path("lib/modules", kernel);
    if (existsSync(folder)) return;
    writeModule(join(folder, "kernel/drivers/net/ethernet/sfc"), {
      name: "sfc",
      vermagic: `${kernel} ${FLAGS}`,
      srcversion: IN_TREE,
      depends: ["mtd"],
    });
    writeModule(join(folder, "kernel/drivers/mtd"), { name: "mtd", vermagic: `${kernel} ${FLAGS}` });
    depmod(this.root, kernel);
  }

  /** Puts an image into the registry, made as the Dockerfiles of module images make it. Returns its digest. */
  publish(image: string, options: TestImage = {}): string {
    const { kernel = this.kernel, flags = FLAGS, srcversion = "F0E1D2C3B4A5968778695A4", without } = options;
    const { vermagicKernel = kernel, digest = `sha256:${Bun.SHA256.hash(`${image} ${srcversion}`, "hex")}` } = options;
    const vermagic = `${vermagicKernel} ${flags}`;
    const build = this.path("tmp/build");
    const modules = join(build, "lib/modules", kernel);
    mkdirSync(join(modules, "extra"), { recursive: true });
    if (existsSync(this.path("lib/modules", kernel, "kernel"))) {
      cpSync(this.path("lib/modules", kernel, "kernel"), join(modules, "kernel"), { recursive: true });
    }
    const extra = [
      { name: "sfc_driverlink", vermagic, srcversion: "0" },
      { name: "sfc", vermagic, srcversion, depends: ["sfc_driverlink", "mtd"] },
    ];
    for (const module of extra) if (module.name !== without) writeModule(join(modules, "extra"), module);
    depmod(build, kernel);
    if (without === "sfc_driverlink") dependOnMissing(modules);
    rmSync(join(modules, "kernel"), { recursive: true, force: true });
    symlinkSync(`/lib/modules/${kernel}/kernel`, join(modules, "kernel"));

    const folder = this.path("registry", encode(image));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, "rootfs/opt/lib"), { recursive: true });
    cpSync(join(build, "lib/modules"), join(folder, "rootfs/opt/lib/modules"), {
      recursive: true,
      verbatimSymlinks: true,
    });
    writeFileSync(join(folder, "digest"), digest);
    rmSync(build, { recursive: true });
    return digest;
  }

  /** Puts a published image on the node. */
  preload(image: string): void {
    cpSync(this.path("registry", encode(image)), this.path("store", encode(image)), {
      recursive: true,
      verbatimSymlinks: true,
    });
  }

  forget(image: string): void {
    rmSync(this.path("store", encode(image)), { recursive: true });
  }

  /** Empties the sfc module of an image on the node, as a power cut does to data that was not on the disk yet. */
  damage(image: string): void {
    truncateSync(this.path("store", encode(image), "rootfs/opt/lib/modules", this.kernel, "extra/sfc.ko"));
  }

  /** Keeps the node as it is between two scripts; {@link restore} brings it back as often as asked. */
  save(): void {
    for (const name of CHANGED_BY_SCRIPTS) {
      rmSync(this.path("saved", name), { recursive: true, force: true });
      if (existsSync(this.path(name))) copy(this.path(name), this.path("saved", name));
    }
  }

  restore(): void {
    for (const name of CHANGED_BY_SCRIPTS) {
      rmSync(this.path(name), { recursive: true, force: true });
      if (existsSync(this.path("saved", name))) copy(this.path("saved", name), this.path(name));
    }
  }

  hasImage(image: string): boolean {
    return existsSync(this.path("store", encode(image)));
  }

  /** Uses the real podman, with a storage of the node's own and a registry on loopback without TLS. */
  useRealPodman(registry: string): void {
    rmSync(this.path("stand-ins/podman"));
    mkdirSync(this.path("etc/containers"));
    mkdirSync(this.path("var/tmp"));
    const configure = (name: string, text: string): void => writeFileSync(this.path("etc/containers", name), text);
    configure("policy.json", JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
    configure("registries.conf", `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`);
    configure(
      "storage.conf",
      '[storage]\ndriver = "vfs"\ngraphroot = "/var/lib/containers/storage"\nrunroot = "/run/containers/storage"\n',
    );
  }

  /** Runs a shell command line on the node. */
  shell(line: string): Promise<ScriptResult> {
    writeFileSync(this.path("scripts/shell.sh"), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    return this.run("shell.sh");
  }

  /** Makes a stand-in fail from now on. The stand-in says what `value` means. */
  fault(
    name: "pull" | "mount" | "remove" | "load" | "load-in-tree" | "nics" | "reboot",
    value: number | false = 1,
  ): void {
    const file = this.path("faults", name);
    if (value === false) rmSync(file, { force: true });
    else writeFileSync(file, `${value}\n`);
  }

  /** What the firmware, the kernel and udev do before our services start: /run is empty, the in-tree driver serves. */
  startKernel(): void {
    this.#boots += 1;
    for (const folder of ["run", "sys", "tmp"]) {
      rmSync(this.path(folder), { recursive: true, force: true });
      mkdirSync(this.path(folder));
    }
    writeFileSync(this.path("boot-id"), `00000000-0000-4000-8000-${String(this.#boots).padStart(12, "0")}\n`);
    writeFileSync(this.path("kernel"), this.kernel);
    mkdirSync(this.path("sys/module/sfc"), { recursive: true });
    writeFileSync(this.path("sys/module/sfc/srcversion"), `${IN_TREE}\n`);
    mkdirSync(this.path("sys/bus/pci/drivers/sfc"), { recursive: true });
    for (const nic of [0, 1]) writeFileSync(this.path(`sys/bus/pci/drivers/sfc/0000:0${nic}:00.0`), "");
  }

  /** Boots, and runs both services as systemd does. */
  async boot(image = IMAGE): Promise<Boot> {
    this.startKernel();
    const replace = await this.replaceService(image);
    return { replace, ...(await this.pullService(image)) };
  }

  /** sfc-replace-kernel-module.service: its ExecStopPost runs whenever the start did not succeed. */
  async replaceService(image = IMAGE, killAt?: number): Promise<ScriptResult> {
    const replace = await this.run("sfc-replace-kernel-module.sh", image, killAt);
    if (replace.code !== 0) {
      const restore = await this.run("sfc-restore-kernel-module.sh", image);
      replace.log += restore.log;
    }
    return replace;
  }

  /** sfc-pull-image.service: restarted as its unit says. */
  async pullService(image = IMAGE): Promise<Omit<Boot, "replace">> {
    const before = this.reboots().length;
    const pull = await this.run("sfc-pull-kernel-module-image.sh", image);
    return { pull, rebootAsked: this.reboots().length > before };
  }

  /** Boots until no further reboot is asked for. Throws after ten: a loop. */
  async settle(image = IMAGE): Promise<Boot> {
    for (let i = 0; i < 10; i++) {
      const boot = await this.boot(image);
      if (!boot.rebootAsked) return boot;
    }
    throw new Error("The node reboots in a loop");
  }

  /**
   * Runs one script.
   *
   * @param killAt kills it, and all that it has started, before its command of this number
   */
  async run(script: string, image = IMAGE, killAt?: number): Promise<ScriptResult> {
    const { root } = this;
    writeFileSync(this.path("commands"), "");
    const env = [
      "PATH=/stand-ins:/usr/sbin:/usr/bin",
      `ONLOAD_MODULE_IMAGE=${image}`,
      ...(killAt === undefined ? [] : ["BASH_ENV=/stand-ins/kill-at.bash", `KILL_AT=${killAt}`]),
    ];
    mkdirSync(this.path("sys/fs/cgroup"), { recursive: true });
    const isolate = `mount --all --fstab ${root}/etc/fstab && exec chroot ${root} /usr/bin/env -i "$@"`;
    const user = process.getuid?.() === 0 ? [] : ["--map-root-user"];
    // A session of its own, so that a kill reaches the script and its children only.
    const child = Bun.spawn(
      [
        "setsid",
        "--wait",
        "unshare",
        "--mount",
        ...user,
        "sh",
        "-c",
        isolate,
        "sh",
        ...env,
        `/usr/local/bin/${script}`,
      ],
      { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    );
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    await child.exited;
    return { code: child.exitCode ?? 137, log: out + err };
  }

  /** The commands that the last run with a kill point has begun, as FILE:LINE. */
  commands(): string[] {
    return this.#lines("commands");
  }

  /** The driver that serves the NICs now, and how many. */
  driver(): { driver: "in-tree" | "out-of-tree" | "none"; nics: number } {
    const file = this.path("sys/module/sfc/srcversion");
    const nics = this.path("sys/bus/pci/drivers/sfc");
    if (!existsSync(file)) return { driver: "none", nics: 0 };
    return {
      driver: readFileSync(file, "utf8").trim() === IN_TREE ? "in-tree" : "out-of-tree",
      nics: existsSync(nics) ? readdirSync(nics).length : 0,
    };
  }

  /** The status file; undefined if there is none. Throws if it is broken. */
  status(): BootStatus | undefined {
    const file = this.path(BOOT_STATUS_FILE);
    if (!existsSync(file)) return undefined;
    const text = readFileSync(file, "utf8");
    const status = parseBootStatus(text);
    if (!status) throw new Error(`The status file is broken: ${text}`);
    return status;
  }

  bootId(): string {
    return readFileSync(this.path("boot-id"), "utf8").trim();
  }

  /** The boots at which a reboot was asked for. */
  reboots(): string[] {
    return this.#lines("reboots");
  }

  /** The waits between pulls, in seconds. */
  sleeps(): number[] {
    return this.#lines("sleeps").map(Number);
  }

  /** What podman and modprobe were asked to change or find, in order. */
  calls(): string[] {
    return this.#lines("calls");
  }

  #lines(name: string): string[] {
    const file = this.path(name);
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

/** The image's name with the kernel filled in. */
export function filled(image: string, kernel = KERNEL): string {
  return image.replaceAll("${KERNEL_FULL_VERSION}", kernel);
}

/** The name that the stand-in for podman gives to the folder of an image. */
function encode(image: string): string {
  return image.replaceAll(/[/:@]/g, "_");
}

function writeModule(folder: string, info: Parameters<typeof kernelModule>[0]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${info.name}.ko`), kernelModule(info));
}

/** Runs depmod with the search order of Red Hat: a module in extra takes precedence over the kernel's own. */
function depmod(base: string, kernel: string): void {
  const order = join(import.meta.dir, "depmod.conf");
  const { success, stderr } = Bun.spawnSync(["depmod", "--config", order, "--basedir", base, kernel]);
  if (!success) throw new Error(`Cannot run depmod: ${stderr.toString()}`);
}

/** Makes modules.dep name a file that the image lacks. */
function dependOnMissing(modules: string): void {
  writeFileSync(join(modules, "modules.dep"), "extra/sfc.ko: extra/sfc_driverlink.ko\nextra/sfc_driverlink.ko:\n");
  rmSync(join(modules, "modules.dep.bin"));
}
