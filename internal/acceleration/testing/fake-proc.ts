import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A process as /proc shows it. Each field has the value of an ordinary process with Onload's library. */
export interface FakeProcess {
  name?: string;
  state?: string;
  startTime?: number;
  /** Processor time that it has had, in clock ticks. */
  ticks?: number;
  /** Where its stack begins, which another program in the same process has elsewhere. */
  stack?: number;
  cgroup?: string;
  mountinfo?: string;
  auxv?: Buffer;
  maps?: string;
  environ?: string;
  /** Links by the number of the descriptor. */
  fds?: Record<number, string>;
  fdSize?: number;
  net?: Record<string, string>;
  /** Links below root/sys/class/net. */
  drivers?: Record<string, string>;
  namespace?: string;
}

export const POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
export const CONTAINER = "3f2a".repeat(16);

/** The group of a container with containerd, version 2 and systemd, as a process of another pod sees it. */
export function cgroupOf(pod = POD, container = CONTAINER): string {
  const slice = `kubepods-burstable-pod${pod.replaceAll("-", "_")}.slice`;
  return `0::/../../kubepods-burstable.slice/${slice}/cri-containerd-${container}.scope\n`;
}

export function mountsOf(pod = POD, name = "app"): string {
  return `610 590 0:44 / / rw,relatime - overlay overlay rw
611 610 0:46 / /proc rw - proc proc rw
620 610 254:1 /var/lib/kubelet/pods/${pod}/etc-hosts /etc/hosts rw - ext4 /dev/vda rw
621 610 254:1 /var/lib/kubelet/pods/${pod}/containers/${name}/1f2e3d4c /dev/termination-log rw - ext4 /dev/vda rw
`;
}

/** Entries of the auxiliary vector; the kernel writes words of the program's own size. */
export function auxvOf(entries: Record<number, bigint>, word: 4 | 8 = 8): Buffer {
  const words = [...Object.entries(entries).flatMap(([type, value]) => [BigInt(type), value]), 0n, 0n];
  const bytes = Buffer.alloc(words.length * word);
  words.forEach((value, i) =>
    word === 8 ? bytes.writeBigUInt64LE(value, i * 8) : bytes.writeUInt32LE(Number(value), i * 4),
  );
  return bytes;
}

export const DYNAMIC = auxvOf({ 3: 0x400040n, 7: 0x7f0000000000n, 9: 0x400800n, 23: 0n });
export const STATIC = auxvOf({ 3: 0x400040n, 7: 0n, 9: 0x400800n, 23: 0n });
export const SECURE = auxvOf({ 3: 0x400040n, 7: 0x7f0000000000n, 9: 0x400800n, 23: 1n });

/** A program with a loader and libraries. */
export function mapsOf(
  libraries: string[] = ["/opt/onload/usr/lib64/libonload.so"],
  loader = "/usr/lib64/ld-linux-x86-64.so.2",
): string {
  const program = "00400000-00401000 r-xp 00000000 fe:01 100                        /usr/bin/app\n";
  const rest = libraries.map(
    (path, i) => `7e000000${i}000-7e000000${i}fff r-xp 00000000 fe:01 20${i}                    ${path}\n`,
  );
  const end = `7f0000000000-7f0000020000 r-xp 00000000 fe:01 300                    ${loader}\n7ffd00000000-7ffd00020000 rw-p 00000000 00:00 0                          [stack]\n`;
  return program + rest.join("") + (loader === "" ? "" : end);
}

export const PRELOAD = "PATH=/bin\0LD_PRELOAD=/opt/onload/usr/lib64/libonload.so\0HOME=/\0";

const TABLE_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/** A table of /proc/PID/net. */
export function tableOf(rows: { local: string; state?: string; inode: number }[]): string {
  const row = ({ local, state = "01", inode }: (typeof rows)[number], i: number): string =>
    `${String(i).padStart(4)}: ${local} 0A00000A:C350 ${state} 00000000:00000000 00:00000000 00000000  1001        0 ${inode} 1 0000000000000000 100 0 0 10 0\n`;
  return TABLE_HEAD + rows.map(row).join("");
}

/**
 * A /proc of a test's own. The links of Onload's descriptors are stand-ins: a machine without the module has none. All
 * texts are as the kernel and Onload write them.
 */
export class FakeProc implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "onload-proc-"));

  add(pid: number, process: FakeProcess = {}): void {
    const { name = "app", state = "S", startTime = 5000 + pid, ticks = 0 } = process;
    const { stack = 140_722_000_000_000, fds = {} } = process;
    const stat = ["1", "1", "1", "0", "-1", "4194304", ...Array<string>(12).fill("0"), String(startTime)];
    // Field 14.
    stat[10] = String(ticks);
    // Fields 23 to 52; 28 is the stack's beginning, and 50 the environment's.
    const rest = Array.from({ length: 30 }, (_, i) => (i === 5 ? String(stack) : i === 27 ? String(stack + 64) : "0"));
    this.write(`${pid}/stat`, `${pid} (${name}) ${state} ${[...stat, ...rest].join(" ")}\n`);
    this.write(`${pid}/status`, `Name:\t${name}\nFDSize:\t${process.fdSize ?? 64}\nGroups:\t\n`);
    this.write(`${pid}/cgroup`, process.cgroup ?? cgroupOf());
    this.write(`${pid}/mountinfo`, process.mountinfo ?? mountsOf());
    this.write(`${pid}/auxv`, process.auxv ?? DYNAMIC);
    this.write(`${pid}/maps`, process.maps ?? mapsOf());
    this.write(`${pid}/environ`, process.environ ?? PRELOAD);
    mkdirSync(join(this.root, `${pid}/fd`), { recursive: true });
    for (const [number, link] of Object.entries(fds)) this.link(`${pid}/fd/${number}`, link);
    this.link(`${pid}/ns/net`, process.namespace ?? "net:[4026532001]");
    for (const [table, text] of Object.entries(process.net ?? {})) this.write(`${pid}/net/${table}`, text);
    for (const [device, driver] of Object.entries(process.drivers ?? {})) {
      this.link(`${pid}/root/sys/class/net/${device}/device/driver`, `../../../bus/pci/drivers/${driver}`);
    }
  }

  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    symlinkSync(target, join(this.root, path));
  }

  remove(path: string | number): void {
    rmSync(join(this.root, String(path)), { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
