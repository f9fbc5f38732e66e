import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../cli/log.ts";
import { DEVICE_FILES } from "../../api/plugin-pod.ts";
import type { PluginConfig } from "../config.ts";
import { runDevicePlugin, type PluginDeps } from "../plugin.ts";

/** A NIC as sysfs would show it. */
export interface FakeNic {
  address: string;
  vendor?: string;
  device?: string;
  driver?: string | undefined;
  numaNode?: number;
  interfaces?: string[];
}

/**
 * The parts of a node that the device plugin reads, in a temporary folder: the stand-ins for module and NIC, which a
 * test machine does not have.
 */
export class FakeHost {
  /** Stands for the node's root folder. */
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(): Promise<FakeHost> {
    const host = new FakeHost(await mkdtemp(join(tmpdir(), "onload-host-")));
    await Promise.all(
      ["dev", "kubelet", "proc", "sys/bus/pci/devices"].map((path) =>
        mkdir(join(host.root, path), { recursive: true }),
      ),
    );
    return host;
  }

  /** A node on which pods can use Onload. */
  static async ready(): Promise<FakeHost> {
    const host = await FakeHost.create();
    await host.addDevices();
    await host.addNic({ address: "0000:3b:00.0" });
    await host.addOnload("opt/onload");
    return host;
  }

  get kubeletDir(): string {
    return join(this.root, "kubelet");
  }

  /** Device files are links to /dev/null, so that no privilege is needed; sysfs knows it as 1:3 on every Linux. */
  async addDevices(): Promise<void> {
    await mkdir(this.driverOfDevices, { recursive: true });
    for (const path of DEVICE_FILES) await symlink("/dev/null", join(this.root, path));
  }

  /** Writes a file, and the folders that it is in. */
  async write(path: string, text: string): Promise<void> {
    await mkdir(join(this.root, path, ".."), { recursive: true });
    await writeFile(join(this.root, path), text);
  }

  /** What sysfs has while a driver is behind the device files. */
  get driverOfDevices(): string {
    return join(this.root, "sys/dev/char/1:3");
  }

  async removeDevice(path: string): Promise<void> {
    await unlink(join(this.root, path));
  }

  /** Puts a device with a driver in a device file's place of which every opening ends in an i/o error, until disposed of. */
  deviceThatCannotBeOpened(path: string): Disposable {
    const before = new Set(readdirSync("/dev/pts"));
    // The slave of a new terminal stays locked, and gives that error, until somebody unlocks it.
    const master = openSync("/dev/ptmx", "r+");
    const slave = readdirSync("/dev/pts").find((name) => !before.has(name));
    const file = join(this.root, path);
    rmSync(file);
    symlinkSync(`/dev/pts/${slave}`, file);
    // 136 is the number of such terminals on every Linux.
    mkdirSync(join(this.root, "sys/dev/char", `136:${slave}`));
    return { [Symbol.dispose]: () => closeSync(master) };
  }

  /** Has what sysfs says of a NIC end in an i/o error, until disposed of. */
  breakNic(address = "0000:3b:00.0"): Disposable {
    const file = join(this.root, "sys/bus/pci/devices", address, "vendor");
    renameSync(file, `${file}.whole`);
    // A process's memory has no page at its beginning.
    symlinkSync("/proc/self/mem", file);
    return {
      [Symbol.dispose]() {
        renameSync(`${file}.whole`, file);
      },
    };
  }

  async addNic(nic: FakeNic): Promise<void> {
    const folder = join(this.root, "sys/bus/pci/devices", nic.address);
    await mkdir(join(folder, "net"), { recursive: true });
    await writeFile(join(folder, "vendor"), `0x${nic.vendor ?? "1924"}\n`);
    await writeFile(join(folder, "device"), `0x${nic.device ?? "0b03"}\n`);
    await writeFile(join(folder, "numa_node"), `${nic.numaNode ?? 0}\n`);
    if (!("driver" in nic) || nic.driver !== undefined) {
      await symlink(`../../../../bus/pci/drivers/${nic.driver ?? "sfc"}`, join(folder, "driver"));
    }
    for (const name of nic.interfaces ?? []) await mkdir(join(folder, "net", name));
  }

  async removeNic(address: string): Promise<void> {
    await rm(join(this.root, "sys/bus/pci/devices", address), { recursive: true });
  }

  /** Makes a tree as an onload-user image has it, with the libraries in Red Hat's or another folder. */
  async addOnload(path: string, { libraries = "usr/lib64", content = "one" } = {}): Promise<string> {
    const root = join(this.root, path);
    for (const folder of [libraries, "usr/bin", "usr/libexec/onload/profiles", "sbin"]) {
      await mkdir(join(root, folder), { recursive: true });
    }
    await writeFile(join(root, libraries, "libonload.so"), `library ${content}`, { mode: 0o755 });
    await writeFile(join(root, libraries, "libonload_ext.so.1.2.0"), `extension ${content}`, { mode: 0o755 });
    await symlink("libonload_ext.so.1.2.0", join(root, libraries, "libonload_ext.so.1"));
    await symlink("libonload_ext.so.1", join(root, libraries, "libonload_ext.so"));
    await writeFile(join(root, libraries, "libefcp.so"), "not to be mounted");
    await writeFile(join(root, "usr/bin/onload"), "#!/bin/sh\n", { mode: 0o755 });
    await writeFile(join(root, "usr/libexec/onload/profiles/latency.opf"), "onload_set EF_POLL_USEC 100000\n");
    await writeFile(join(root, "sbin/onload_cp_server"), "server", { mode: 0o755 });
    return root;
  }

  config(changes: Partial<PluginConfig> = {}): PluginConfig {
    return {
      maxPods: 100,
      setPreload: true,
      mountOnload: false,
      needNic: true,
      hostOnloadPath: "/opt/onload",
      baseMountPath: "/opt/onload",
      binMountPath: "/usr/bin",
      libMountPath: "/usr/lib64",
      strategy: "mounts",
      cdiDir: "/var/run/cdi",
      kubeletDir: this.kubeletDir,
      podResourcesDir: join(this.root, "pod-resources"),
      lookSocket: undefined,
      lookIntervalMs: 200,
      stackMetrics: false,
      hostRoot: this.root,
      procDir: join(this.root, "proc"),
      podName: "onload-device-plugin-ds-x7k2p",
      onloadVersion: "9.2.0",
      healthIntervalMs: 200,
      socketIntervalMs: 200,
      kubeletTimeoutMs: 60_000,
      hysteresis: { fallMs: 50, riseMs: 100 },
      ...changes,
    };
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

/** A device plugin that runs in this process until it is disposed of, which waits for its orderly end. */
export class RunningPlugin implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly done: Promise<void>;

  constructor(config: PluginConfig, deps: Partial<PluginDeps> = {}) {
    this.done = runDevicePlugin(
      config,
      {
        log: silentLogger,
        now: Date.now,
        elapsed: () => performance.now(),
        metricsAddress: undefined,
        probeAddress: undefined,
        ...deps,
      },
      this.#stop.signal,
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
