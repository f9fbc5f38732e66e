import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { createServer, connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { isAccelerated, isCut, type ContainerFacts, type LookRequest } from "./facts.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { Looker, type LookLimits } from "./look.ts";
import { cgroupOf, FakeProc, mapsOf, mountsOf, POD, STATIC, tableOf } from "./testing/fake-proc.ts";

const OTHER_POD = "ffffffff-4e5f-6071-8293-a4b5c6d7e8f9";
const SIDECAR = "77aa".repeat(16);
const REQUEST: LookRequest = { pods: [{ uid: POD, containers: ["app"] }] };
let proc: FakeProc;

beforeEach(() => {
  proc = new FakeProc();
});
afterEach(() => proc[Symbol.dispose]());

/** One for which sysfs is of the kind of the test's own folder. */
function looker(limits: Partial<LookLimits> = {}, timeoutMs?: number): Looker {
  return new Looker(proc.root, limits, { timeoutMs, sysfs: statfsSync(proc.root).type });
}

/** What one look finds out about the container `app`. */
async function look(limits: Partial<LookLimits> = {}): Promise<ContainerFacts> {
  return (await looker(limits).look(REQUEST)).containers[0]!;
}

describe("a look at a container", () => {
  test("finds library, stacks, sockets by kind, interfaces and drivers", async () => {
    const local = "0B00000A:1F90";
    const net = {
      dev: "Inter-|   Receive\n face |bytes\n    lo: 1\n  eth0: 1\n  net1: 1\n",
      tcp: tableOf([
        { local, inode: 501 },
        { local, state: "0A", inode: 502 },
      ]),
      tcp6: tableOf([]),
      udp: tableOf([{ local, inode: 503 }]),
      udp6: tableOf([]),
    };
    const fds = {
      0: "/dev/null",
      3: "onload:[stack:2]",
      4: "onload:[tcp:2:10]",
      5: "onload:[tcpl:2:11]",
      6: "onload:[udp:4:1]",
      7: "onload:[os_sock:4:2]",
      8: "onload:[piper:4:3]",
      9: "socket:[501]",
      10: "socket:[502]",
      11: "socket:[503]",
      // Of another family.
      12: "socket:[504]",
    };
    proc.add(70, { fds, net, drivers: { net1: "sfc" } });
    proc.write("70/root/sys/class/net/eth0/uevent", "DEVTYPE=macvlan\nINTERFACE=eth0\n");
    expect(await look()).toEqual({
      podUid: POD,
      container: "app",
      processes: { mapped: 1 },
      stacks: 2,
      stackIds: [2, 4],
      sockets: [
        { kind: "tcp", accelerated: true, count: 1 },
        { kind: "tcp_listen", accelerated: true, count: 1 },
        { kind: "udp", accelerated: true, count: 1 },
        { kind: "os_sock", accelerated: false, count: 1 },
        { kind: "tcp", accelerated: false, count: 1 },
        { kind: "tcp_listen", accelerated: false, count: 1 },
        { kind: "udp", accelerated: false, count: 1 },
      ],
      interfaces: [
        { name: "net1", driver: "sfc" },
        { name: "eth0", driver: "macvlan" },
      ],
      interfacesCut: false,
      settings: {},
      cut: { processes: 0, descriptors: 0, tables: 0 },
    });
  });

  test("has the EF_ variables of that process with the library that has most, read once", async () => {
    proc.add(70);
    proc.add(71, { environ: "EF_POLL_USEC=100000\0EF_NAME=secret\0" });
    proc.add(72, { environ: "EF_A=1\0EF_B=1\0EF_C=1\0", maps: mapsOf([]) });
    const one = looker();
    const settings = { EF_POLL_USEC: "100000", EF_NAME: null };
    for (let look = 0; look < 5; look++) {
      expect((await one.look(REQUEST)).containers[0]!.settings).toEqual(settings);
      proc.write("71/environ", "EF_OTHER=1\0");
    }
    proc.remove(70);
    proc.remove(71);
    expect((await one.look(REQUEST)).containers[0]!.settings).toBeNull();
  });

  test("counts a socket that processes share once", async () => {
    for (const pid of [70, 71, 72]) proc.add(pid, { fds: { 3: "onload:[tcp:2:10]" } });
    const facts = await look();
    expect(facts.processes).toEqual({ mapped: 3 });
    expect(facts.sockets).toEqual([{ kind: "tcp", accelerated: true, count: 1 }]);
  });

  test("takes no process of another container, pod or service for one of it", async () => {
    proc.add(70);
    proc.add(71, { cgroup: cgroupOf(POD, SIDECAR), mountinfo: mountsOf(POD, "sidecar") });
    proc.add(72, { cgroup: cgroupOf(OTHER_POD, "88bb".repeat(16)) });
    proc.add(73, { cgroup: "0::/system.slice/sshd.service\n" });
    // It says that it is of a pod that it is not in.
    proc.add(74, { cgroup: cgroupOf(POD, "99cc".repeat(16)), mountinfo: mountsOf(OTHER_POD) });
    proc.write("self/stat", "");
    expect((await look()).processes).toEqual({ mapped: 1 });
  });

  test("asks the process that the runtime started for the container's name", async () => {
    proc.add(900, { startTime: 100 });
    proc.add(70, { startTime: 200, mountinfo: mountsOf(POD, "sidecar") });
    expect((await look()).processes).toEqual({ mapped: 2 });
  });

  test("of which no process runs has nothing", async () => {
    const facts = await look();
    expect(facts).toMatchObject({ processes: {}, stacks: 0, sockets: [], interfaces: [] });
    expect(isAccelerated(facts)).toBeUndefined();
  });

  test("leaves out processes that ended or ended while they were read", async () => {
    proc.add(70);
    proc.add(71, { state: "Z" });
    proc.add(72);
    proc.remove("72/stat");
    proc.add(73, { maps: "", auxv: Buffer.alloc(0), environ: "" });
    proc.add(74);
    proc.remove("74/fd");
    expect((await look()).processes).toEqual({ mapped: 2 });
  });

  test("says of what may not be read that it is unreadable", async () => {
    proc.add(70);
    proc.remove("70/maps");
    expect((await look()).processes).toEqual({ unreadable: 1 });
  });
});

describe("later looks", () => {
  test("read a program again until its loader is done, and when it is another one", async () => {
    const one = looker();
    const seen = async (): Promise<object> => (await one.look(REQUEST)).containers[0]!.processes;
    proc.add(70, { maps: mapsOf(["/usr/lib64/libc.so.6"]) });
    expect(await seen()).toEqual({ not_loaded: 1 });
    proc.write("70/maps", mapsOf());
    expect(await seen()).toEqual({ mapped: 1 });
    expect(await seen()).toEqual({ mapped: 1 });
    // Not read any more.
    proc.remove("70/maps");
    expect(await seen()).toEqual({ mapped: 1 });
    proc.remove(70);
    proc.add(70, { stack: 140_733_000_000_000, auxv: STATIC, maps: mapsOf([], "") });
    expect(await seen()).toEqual({ static: 1 });
    proc.remove(70);
    expect(await seen()).toEqual({});
  });
});

test("a process with mounts of its own, as a runtime's has before it starts the program, is one of the container if it stays", async () => {
  const one = looker();
  const seen = async (): Promise<object> => (await one.look(REQUEST)).containers[0]!.processes;
  proc.add(70, { maps: mapsOf(["/usr/lib64/libc.so.6"]), fds: { 3: "onload:[tcp:2:10]" } });
  // On a mount of this machine, which is not in the process's table.
  proc.link("70/exe", process.execPath);
  for (let look = 0; look < 3; look++) expect(await seen()).toEqual({});
  expect(await seen()).toEqual({ not_loaded: 1 });
  expect((await one.look(REQUEST)).containers[0]!.sockets).toEqual([{ kind: "tcp", accelerated: true, count: 1 }]);
});

test("such a process of which not everything can be read is seen in every look after that", async () => {
  const one = looker({ fileBytes: 20_000 });
  proc.add(70, {
    maps: mapsOf(["/usr/lib64/libc.so.6"]),
    environ: "X=1\0".repeat(10_000),
    fds: { 3: "onload:[tcp:2:10]" },
  });
  proc.link("70/exe", process.execPath);
  for (let look = 0; look < 8; look++) {
    expect((await one.look(REQUEST)).containers[0]!.processes).toEqual(look < 3 ? {} : { unreadable: 1 });
  }
});

describe("descriptors of a process that rests", () => {
  const kernel: ContainerFacts["sockets"] = [{ kind: "tcp", accelerated: false, count: 1 }];
  const onload: ContainerFacts["sockets"] = [{ kind: "tcp", accelerated: true, count: 1 }];
  const net = { tcp: tableOf([{ local: "0B00000A:1F90", inode: 501 }]) };
  let looker: Looker;
  const seen = async (): Promise<object> => (await looker.look(REQUEST)).containers[0]!.sockets;
  const set = (fds: Record<number, string>, ticks = 7): void => {
    proc.remove(70);
    proc.add(70, { fds, ticks, net });
  };

  beforeEach(async () => {
    looker = new Looker(proc.root);
    proc.add(70, { fds: { 3: "socket:[501]" }, ticks: 7, net });
    expect(await seen()).toEqual(kernel);
  });

  test("are read again from time to time, because it may have closed one and opened another", async () => {
    set({ 4: "onload:[tcp:2:10]" });
    for (let look = 0; look < 4; look++) expect(await seen()).toEqual(kernel);
    expect(await seen()).toEqual(onload);
  });

  test.each<[string, Record<number, string>, number]>([
    ["it has had processor time", { 4: "onload:[tcp:2:10]" }, 8],
    ["it has one more", { 4: "onload:[tcp:2:10]", 5: "/dev/null" }, 7],
    ["it has one less", {}, 7],
  ])("are read at once if %s", async (_what, fds, ticks) => {
    set(fds, ticks);
    expect(await seen()).toEqual(Object.keys(fds).length === 0 ? [] : onload);
  });

  test("are read at once if it is another program", async () => {
    proc.remove(70);
    proc.add(70, { fds: { 4: "onload:[tcp:2:10]" }, ticks: 7, startTime: 9000, net });
    expect(await seen()).toEqual(onload);
  });

  test("are read at once for somebody who wants to know the present, and so are tables and interfaces", async () => {
    set({ 4: "onload:[tcp:2:10]" });
    const fresh = async (): Promise<ContainerFacts> => (await looker.look({ ...REQUEST, fresh: true })).containers[0]!;
    expect((await fresh()).sockets).toEqual(onload);
    set({ 3: "socket:[501]" });
    expect((await fresh()).sockets).toEqual(kernel);
    proc.write("70/net/tcp", tableOf([]));
    proc.write("70/net/dev", "a\nb\n net1: 1\n");
    expect(await seen()).toEqual(kernel);
    expect(await fresh()).toMatchObject({ sockets: [], interfaces: [{ name: "net1" }] });
  });
});

describe("sockets of the kernel", () => {
  const sockstat = (tcp: number): string =>
    `sockets: used 9\nTCP: inuse ${tcp} orphan 0 tw 7 alloc 9 mem 1\nUDP: inuse 0 mem 0\nUDPLITE: inuse 3\n`;
  const local = "0B00000A:1F90";
  const one = [{ kind: "tcp" as const, accelerated: false, count: 1 }];

  test("are sought in a table only if the kernel says that it has any", async () => {
    proc.add(70, { fds: { 3: "socket:[501]" }, net: { tcp: tableOf([{ local, inode: 501 }]), sockstat: sockstat(0) } });
    expect((await look()).sockets).toEqual([]);
    proc.write("70/net/sockstat", sockstat(1));
    expect((await look()).sockets).toEqual(one);
  });

  test("are sought again when it says that there are more, and after many looks anyway", async () => {
    const looker = new Looker(proc.root);
    const looks = async (count: number): Promise<object> => {
      for (let look = 1; look < count; look++) await looker.look(REQUEST);
      return (await looker.look(REQUEST)).containers[0]!.sockets;
    };
    const fds = { 3: "socket:[501]", 4: "socket:[502]", 5: "socket:[503]" };
    proc.add(70, {
      fds,
      net: {
        tcp: tableOf([{ local, inode: 501 }]),
        sockstat: sockstat(1),
        sockstat6: "TCP6: inuse 0\nUDP6: inuse 0\n",
      },
    });
    const row = (inode: number): { local: string; inode: number } => ({ local, inode });
    expect(await looks(1)).toEqual(one);
    proc.write("70/net/tcp", tableOf([501, 502].map(row)));
    expect(await looks(20)).toEqual(one);
    proc.write("70/net/sockstat", sockstat(2));
    expect(await looks(5)).toEqual([{ kind: "tcp", accelerated: false, count: 2 }]);
    proc.write("70/net/tcp", tableOf([501, 502, 503].map(row)));
    expect(await looks(49)).toEqual([{ kind: "tcp", accelerated: false, count: 2 }]);
    expect(await looks(1)).toEqual([{ kind: "tcp", accelerated: false, count: 3 }]);
  });

  test("are sought in the tables when one is new, and from time to time, because an old one may have been bound", async () => {
    const same = looker();
    const seen = async (): Promise<object> => (await same.look(REQUEST)).containers[0]!.sockets;
    const local = "0B00000A:1F90";
    const one = [{ kind: "tcp", accelerated: false, count: 1 }];
    const two = [{ kind: "tcp", accelerated: false, count: 2 }];
    proc.add(70, { fds: { 3: "socket:[501]", 4: "socket:[502]" }, net: { tcp: tableOf([{ local, inode: 501 }]) } });
    expect(await seen()).toEqual(one);
    const rows = [501, 502, 503].map((inode) => ({ local, inode }));
    proc.write("70/net/tcp", tableOf(rows));
    expect(await seen()).toEqual(one);
    for (let look = 0; look < 4; look++) await seen();
    expect(await seen()).toEqual(two);
    proc.link("70/fd/5", "socket:[503]");
    expect(await seen()).toEqual([{ kind: "tcp", accelerated: false, count: 3 }]);
    proc.remove("70/fd/5");
    expect(await seen()).toEqual(two);
  });
});

describe("bounds", () => {
  test("of interfaces: some are read, and it is said", async () => {
    const dev = (count: number): string =>
      `Inter-|   Receive\n face |bytes\n    lo: 1\n${Array.from({ length: count }, (_, i) => `  net${i}: 1\n`).join("")}`;
    proc.add(70, { net: { dev: dev(32) }, drivers: { net31: "sfc" } });
    const all = await look();
    expect(all.interfaces).toHaveLength(32);
    expect(all.interfaces[0]).toEqual({ name: "net31", driver: "sfc" });
    expect(all.interfacesCut).toBe(false);
    proc.write("70/net/dev", dev(33));
    const first = await look();
    expect(first.interfaces).toEqual(all.interfaces);
    expect(first.interfacesCut).toBe(true);
    // It says nothing of sockets.
    expect(isCut(first)).toBe(false);
    // A table that is cut has names that nobody has seen.
    proc.write("70/net/dev", `${dev(1)}  net1: ${"1".repeat(256 * 1024)}\n`);
    expect((await look()).interfacesCut).toBe(true);
  });

  test("of interfaces: NICs come first, those of Onload's drivers before others, wherever the kernel lists them", async () => {
    const names = [...Array.from({ length: 1000 }, (_, i) => `veth${i}`), "ens1", "ens2"];
    const dev = `Inter-|   Receive\n face |bytes\n${names.map((name) => `${name}: ${"0 ".repeat(40)}\n`).join("")}`;
    proc.add(70, { net: { dev }, drivers: { ens1: "mlx5_core", ens2: "sfc" } });
    const { interfaces, interfacesCut } = await look();
    expect(interfaces.slice(0, 3)).toEqual([
      { name: "ens2", driver: "sfc" },
      { name: "ens1", driver: "mlx5_core" },
      { name: "veth0", driver: undefined },
    ]);
    expect(interfaces).toHaveLength(32);
    expect(interfacesCut).toBe(true);
  });

  test("of descriptors: the first are read, and it is said", async () => {
    const fds = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [i, `onload:[tcp:1:${i}]`]));
    proc.add(70, { fds, fdSize: 1_048_576 });
    const facts = await look({ descriptors: 100 });
    expect(facts.sockets).toEqual([{ kind: "tcp", accelerated: true, count: 100 }]);
    expect(facts.cut).toEqual({ processes: 0, descriptors: 1, tables: 0 });
    expect(isCut(facts)).toBe(true);
    expect(isAccelerated(facts)).toBe(true);
  });

  test("of descriptors: what was not read may be accelerated", async () => {
    const net = { tcp: tableOf([{ local: "0B00000A:1F90", inode: 501 }]) };
    proc.add(70, { fds: { 3: "socket:[501]", 200: "onload:[tcp:1:1]" }, fdSize: 256, net });
    expect(isAccelerated(await look({ descriptors: 100 }))).toBeUndefined();
    expect(isAccelerated(await look())).toBe(true);
  });

  test("of processes, shared equally by containers", async () => {
    for (let pid = 100; pid < 130; pid++) proc.add(pid);
    proc.add(70, { cgroup: cgroupOf(POD, SIDECAR), mountinfo: mountsOf(POD, "sidecar") });
    const { containers } = await looker({ processes: 20 }).look({
      pods: [{ uid: POD, containers: ["app", "sidecar"] }],
    });
    expect(containers.map(({ processes, cut }) => [processes.mapped, cut.processes])).toEqual([
      [10, 20],
      [1, 0],
    ]);
  });

  test("of files: megabytes of environment and of sockets", async () => {
    const rows = Array.from({ length: 2000 }, (_, i) => ({ local: "0B00000A:1F90", inode: 1000 + i }));
    const environ = `${"X=1\0".repeat(100_000)}LD_PRELOAD=libonload.so\0`;
    const maps = mapsOf(["/usr/lib64/libc.so.6"]);
    proc.add(70, { environ, maps, fds: { 3: "socket:[1000]", 4: "socket:[2999]" }, net: { tcp: tableOf(rows) } });
    const facts = await look({ fileBytes: 20_000 });
    expect(facts.processes).toEqual({ unreadable: 1 });
    expect(facts.sockets).toEqual([{ kind: "tcp", accelerated: false, count: 1 }]);
    expect(facts.cut.tables).toBe(1);
  });

  test("of files: a library may be mapped after megabytes of other memory", async () => {
    const memory = (lines: number): string =>
      Array.from(
        { length: lines },
        (_, i) => `${(0x100000 + i).toString(16)}000-${(0x100001 + i).toString(16)}000 rw-p 00000000 00:00 0\n`,
      ).join("");
    const limits = { fileBytes: 20_000 };
    proc.add(70, { maps: memory(2000) + mapsOf() });
    expect((await look(limits)).processes).toEqual({ mapped: 1 });
    // As many as no process has by default.
    proc.write("70/maps", memory(10_000) + mapsOf());
    expect((await look(limits)).processes).toEqual({ unreadable: 1 });
  });

  test("of bytes, shared equally by containers: what one look leaves out, later ones read", async () => {
    const mountinfo = "x".repeat(50_000) + mountsOf();
    for (let pid = 100; pid < 110; pid++) proc.add(pid, { mountinfo, environ: "A=1\0", maps: mapsOf([]) });
    proc.add(70, { cgroup: cgroupOf(POD, SIDECAR), mountinfo: mountsOf(POD, "sidecar") });
    const one = looker({ bytes: 400_000 });
    const seen: unknown[] = [];
    for (let look = 0; look < 10; look++) {
      const { containers } = await one.look({ pods: [{ uid: POD, containers: ["app", "sidecar"] }] });
      const [app, sidecar] = containers as [ContainerFacts, ContainerFacts];
      const read = app.processes.preload_missing ?? 0;
      expect(read + app.cut.processes).toBe(10);
      expect(sidecar.processes).toEqual({ mapped: 1 });
      seen.push(read);
    }
    // Four of them take 200,000 bytes, and are kept after three looks.
    expect(seen).toEqual([4, 4, 4, 8, 8, 8, 10, 10, 10, 10]);
  });

  test("of the node's processes: those that were not looked at may be of any container", async () => {
    for (let pid = 100; pid < 130; pid++) proc.add(pid, { cgroup: "0::/system.slice/sshd.service\n" });
    proc.add(900);
    expect((await look({ scanned: 20 })).cut.processes).toBe(11);
    expect((await look()).cut.processes).toBe(0);
  });

  test("of time: a file that never answers is given up, and the rest is reported", async () => {
    proc.add(70, { fds: { 3: "onload:[tcp:2:10]" } });
    for (const [pid, startTime] of [
      [71, 9000],
      [72, 9001],
      [73, 9002],
    ] as const) {
      proc.add(pid, { startTime, maps: mapsOf(["/usr/lib64/libc.so.6"]) });
      proc.remove(`${pid}/environ`);
      // Its reader waits for a writer.
      execFileSync("mkfifo", [join(proc.root, `${pid}/environ`)]);
    }
    const begun = performance.now();
    // Enough to read all others, on a busy machine too.
    const [facts] = (await looker({}, 2000).look(REQUEST)).containers;
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect(facts!.processes.unreadable).toBeGreaterThanOrEqual(3);
    expect(facts!.stacks).toBe(1);
    // Nobody waits for them any more.
    for (const pid of [71, 72, 73]) release(pid);
  });

  test("of time: what has not answered is asked again, however often that was", async () => {
    proc.add(70, { maps: mapsOf(["/usr/lib64/libc.so.6"]) });
    proc.remove("70/environ");
    execFileSync("mkfifo", [join(proc.root, "70/environ")]);
    const one = looker({}, 50);
    const seen = async (): Promise<object> => (await one.look(REQUEST)).containers[0]!.processes;
    // On a busy machine the time may be over before the process is found.
    let found = 0;
    for (let look = 0; found < 5; look++) {
      expect(look).toBeLessThan(200);
      const processes = await seen();
      if (Object.keys(processes).length === 0) continue;
      expect(processes).toEqual({ unreadable: 1 });
      found++;
    }
    release(70);
    proc.remove("70/environ");
    proc.write("70/environ", "A=1\0");
    await poll(async () => "preload_missing" in (await seen()), { what: "What it has to say" });
  });
});

describe("a container that is dear to look into, again and again", () => {
  const local = "0B00000A:1F90";
  const PODS = { pods: [{ uid: POD, containers: ["app", "sidecar"] }] };
  /** One for which each program, and each namespace's tables, take so much of the processor. */
  const dear = (eachMs: number): Looker => {
    let ms = 0;
    return new Looker(proc.root, {}, { cpuMs: () => (ms += eachMs) });
  };
  const addSidecar = (inode: number, namespace?: string): void =>
    proc.add(70, {
      cgroup: cgroupOf(POD, SIDECAR),
      mountinfo: mountsOf(POD, "sidecar"),
      fds: { 3: `socket:[${inode}]` },
      net: { tcp: tableOf([{ local, inode }]) },
      ...(namespace === undefined ? {} : { namespace }),
    });
  const sidecarHas = { processes: { mapped: 1 }, sockets: [{ kind: "tcp", accelerated: false, count: 1 }] } as const;

  test("with new programs: few of them are read then, it is said, and others are seen as before", async () => {
    addSidecar(501);
    const one = dear(60);
    let read = 0;
    for (let look = 0; look < 40; look++) {
      for (let pid = 100; pid < 110; pid++) {
        if (look === 0) proc.add(pid, { namespace: "net:[1]" });
        else setStat(pid, 22, 9000 + look);
      }
      const [app, sidecar] = (await one.look(PODS)).containers as [ContainerFacts, ContainerFacts];
      expect(sidecar).toMatchObject({ ...sidecarHas, cut: { processes: 0, descriptors: 0, tables: 0 } });
      expect((app.processes.mapped ?? 0) + app.cut.processes).toBe(10);
      if (look === 0) expect(app.processes).toEqual({ mapped: 10 });
      if (look >= 10) read += app.processes.mapped ?? 0;
    }
    // Each look adds 100 ms, of which its interfaces take their part at every tenth.
    const most = (30 * 100) / 60;
    expect(read).toBeLessThanOrEqual(most + 1);
    expect(read).toBeGreaterThanOrEqual(most - 4);
    // When it rests, all are seen after a while.
    let left = 10;
    for (let look = 0; look < 20 && left > 0; look++) left = (await one.look(PODS)).containers[0]!.cut.processes;
    expect(left).toBe(0);
  });

  test("fifty of them at once: all together cost a few seconds, and another is seen as before", async () => {
    proc.add(70, { fds: { 3: "onload:[tcp:2:10]" } });
    const evil = Array.from({ length: 50 }, (_, i) => `evil-${i}`);
    for (const [i, name] of evil.entries()) {
      const mountinfo = mountsOf(POD, name);
      for (const pid of [100, 200, 300, 400, 500, 600].map((first) => first + i)) {
        proc.add(pid, { cgroup: cgroupOf(POD, i.toString(16).padStart(64, "0")), mountinfo });
      }
    }
    let ms = 0;
    // Work costs what is between the two questions before and after it.
    const one = new Looker(proc.root, {}, { cpuMs: () => (ms += 150) });
    const costs: number[] = [];
    for (let look = 0; look < 3; look++) {
      const before = ms;
      const { containers } = await one.look({ pods: [{ uid: POD, containers: [...evil, "app"] }] });
      costs.push((ms - before) / 2);
      expect(containers.at(-1)).toMatchObject({ processes: { mapped: 1 }, stacks: 1, cut: { processes: 0 } });
      for (let pid = 100; pid < 650; pid++) if (pid % 100 < 50) setStat(pid, 22, 9000 + look);
    }
    // One piece of work of each may be more than is left. At first each is asked for its name, too.
    const piece = 150;
    expect(costs[0]).toBeLessThanOrEqual(10_000 + 2 * 51 * piece);
    for (const cost of costs.slice(1)) expect(cost).toBeLessThanOrEqual(2000 + 51 * piece);
  });

  test("with a mount table that does not say its name: it is paid for, and asked for less often", async () => {
    proc.add(70, { mountinfo: mountsOf(OTHER_POD) });
    const asked: number[] = [];
    let ms = 0;
    const one = new Looker(proc.root, {}, { cpuMs: () => (ms += 600) });
    for (let look = 0; look < 40; look++) {
      const before = ms;
      await one.look(REQUEST);
      asked.push(ms - before);
    }
    // Three seconds at first, and then a tenth of one in each look.
    expect(asked.slice(10).filter((cost) => cost > 0).length).toBeLessThanOrEqual(6);
    expect(asked[0]).toBeGreaterThan(0);
  });

  test("with new sockets in namespaces of its own: tables are read of few of them, and it is said", async () => {
    addSidecar(501, "net:[99]");
    const one = dear(60);
    let seen: ContainerFacts | undefined;
    for (let look = 0; look < 6; look++) {
      for (let pid = 100; pid < 150; pid++) {
        const inode = 1000 * look + pid;
        if (look === 0) proc.add(pid, { namespace: `net:[${pid}]` });
        else proc.remove(`${pid}/fd/3`);
        proc.link(`${pid}/fd/3`, `socket:[${inode}]`);
        // Otherwise it rests.
        setStat(pid, 14, look);
        proc.write(`${pid}/net/tcp`, tableOf([{ local, inode }]));
      }
      const [app, sidecar] = (await one.look(PODS)).containers as [ContainerFacts, ContainerFacts];
      expect(sidecar).toMatchObject(sidecarHas);
      seen = app;
    }
    const told = seen!.sockets[0]?.count ?? 0;
    expect(told).toBeLessThan(5);
    expect(told + seen!.cut.tables / 4 + seen!.cut.processes).toBe(50);
    expect(seen!.cut.tables).toBeGreaterThan(0);
  });

  test("with new sockets in the node's own namespace: others there are seen as they are", async () => {
    const one = dear(600);
    const rows = (...inodes: number[]): string => tableOf(inodes.map((inode) => ({ local, inode })));
    addSidecar(501);
    proc.add(100, { net: {} });
    let left: ContainerFacts["cut"] | undefined;
    const sockets = async (): Promise<ContainerFacts["sockets"]> => {
      const [app, sidecar] = (await one.look(PODS)).containers as [ContainerFacts, ContainerFacts];
      left = app.cut;
      return sidecar.sockets;
    };
    for (let look = 0; look < 12; look++) {
      proc.remove("100/fd");
      proc.link("100/fd/3", `socket:[${1000 + look}]`);
      setStat(100, 14, look);
      for (const pid of [70, 100]) proc.write(`${pid}/net/tcp`, rows(501, 502, 1000 + look));
      expect(await sockets()).toEqual([{ kind: "tcp", accelerated: false, count: 1 }]);
    }
    expect(left!.tables).toBeGreaterThan(0);
    proc.link("70/fd/4", "socket:[502]");
    setStat(70, 14, 99);
    expect(await sockets()).toEqual([{ kind: "tcp", accelerated: false, count: 2 }]);
  });
});

/** Changes a field of /proc/PID/stat: 14 is processor time, 22 is when it was started. */
function setStat(pid: number, field: number, value: number): void {
  const fields = readFileSync(join(proc.root, `${pid}/stat`), "utf8").split(" ");
  fields[field - 1] = String(value);
  proc.write(`${pid}/stat`, fields.join(" "));
}

/** Lets whoever waits for the environment of a process go on. */
function release(pid: number): void {
  closeSync(openSync(join(proc.root, `${pid}/environ`), constants.O_RDWR | constants.O_NONBLOCK));
}

describe("what a container has in the place of its sysfs", () => {
  const INTERFACES = Array.from({ length: 20 }, (_, i) => `net${i}`);
  const dev = `Inter-|\n face |\n${INTERFACES.map((name) => `  ${name}: 1\n`).join("")}`;
  const unknown = INTERFACES.map((name) => ({ name, driver: undefined }));
  const uevent = (name: string): string => join(proc.root, `70/root/sys/class/net/${name}/uevent`);
  const all = (make: (path: string) => void): void => {
    proc.add(70, { net: { dev } });
    for (const name of INTERFACES) {
      mkdirSync(join(uevent(name), ".."), { recursive: true });
      make(uevent(name));
    }
  };

  test("pipes: nobody waits for them", async () => {
    all((path) => execFileSync("mkfifo", [path]));
    const begun = performance.now();
    expect((await look()).interfaces).toEqual(unknown);
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  test("links to devices, which act when they are opened: nobody opens them", async () => {
    // Whoever opens the pipe for writing would go on if somebody opened it for reading.
    const pipe = join(proc.root, "device");
    execFileSync("mkfifo", [pipe]);
    all((path) => proc.link(path.slice(proc.root.length + 1), pipe));
    const writer = Bun.spawn(["sh", "-c", `echo DEVTYPE=x > "$1"`, "sh", pipe], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    try {
      expect((await look()).interfaces).toEqual(unknown);
      expect(writer.exitCode).toBeNull();
    } finally {
      writer.kill();
      await writer.exited;
    }
  });

  test("links to other files, of any file system: they are not read", async () => {
    proc.write("secret", "DEVTYPE=secret\n");
    all((path) => proc.link(path.slice(proc.root.length + 1), join(proc.root, "secret")));
    expect((await look()).interfaces).toEqual(unknown);
    // A file of that name that is not of sysfs.
    const { interfaces } = (await new Looker(proc.root).look(REQUEST)).containers[0]!;
    expect(interfaces).toEqual(unknown);
  });

  test("names of drivers with escape sequences", async () => {
    proc.add(70, { net: { dev }, drivers: { net0: "sfc\u001b[2J\n" } });
    expect((await look()).interfaces[0]).toEqual({ name: "net0", driver: "sfc??2J?" });
  });
});

describe("whether it is accelerated", () => {
  const facts = (sockets: ContainerFacts["sockets"], processes = 0): ContainerFacts => ({
    podUid: POD,
    container: "app",
    processes: { mapped: 1 },
    stacks: 1,
    stackIds: [1],
    sockets,
    interfaces: [],
    interfacesCut: false,
    settings: null,
    cut: { processes, descriptors: 0, tables: 0 },
  });
  const kernel = { kind: "tcp", accelerated: false, count: 9 } as const;
  const onload = { kind: "udp", accelerated: true, count: 1 } as const;
  test.each([
    [true, facts([kernel, onload])],
    [false, facts([kernel])],
    [undefined, facts([])],
    [undefined, facts([{ ...kernel, kind: "loopback" }])],
    [undefined, facts([kernel], 5)],
    [true, facts([onload], 5)],
  ])("%p", (verdict, of) => expect(isAccelerated(of)).toBe(verdict));
});

describe("a process of this machine", () => {
  test("has the descriptors that it has, whatever their numbers", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const shell = spawn("bash", ["-c", 'while read -r line; do eval "$line"; echo done; done'], { stdio: "pipe" });
    const told = async (line: string): Promise<number> => {
      shell.stdin.write(`${line}\n`);
      await once(shell.stdout, "data");
      const { containers } = await looker.look(REQUEST);
      return containers[0]!.sockets.find(({ kind }) => kind === "loopback")?.count ?? 0;
    };
    linkReal(shell.pid!);
    const looker = new Looker(proc.root);
    const tcp = `/dev/tcp/127.0.0.1/${port}`;
    expect(await told("true")).toBe(0);
    expect(await told(`exec 3<>${tcp}`)).toBe(1);
    // A few numbers are free between, and then many.
    expect(await told(`exec 9<>${tcp}`)).toBe(2);
    expect(await told(`exec 200<>${tcp}`)).toBe(3);
    expect(await told("exec 3<&-")).toBe(2);
    expect(await told("exec 200<&- 9<&-")).toBe(0);
    shell.kill();
    server.close();
  });
});

test("a process with as many descriptors as it may have is read up to the bound, and that is said", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const tcp = `/dev/tcp/127.0.0.1/${(server.address() as AddressInfo).port}`;
  // Bash itself needs a few. The sockets are the last descriptor that is read, and the first that is not.
  const open = [
    'most=$(ulimit -Hn); [ "$most" != unlimited ] && [ "$most" -lt 20000 ] || most=20000; ulimit -n "$most"',
    'for ((fd = 10; fd < most - 50; fd++)); do eval "exec $fd</dev/null"; done',
    `exec 8191<>${tcp} 8192<>${tcp}`,
    "echo; read -r _",
  ].join("\n");
  const shell = spawn("bash", ["-c", open], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await once(shell.stdout, "data");
    linkReal(shell.pid!);
    // Else this machine allows too few to reach the bound.
    expect(readdirSync(`/proc/${shell.pid}/fd`).length).toBeGreaterThan(8192 + 500);
    const facts = await look();
    expect(facts.sockets).toEqual([{ kind: "loopback", accelerated: false, count: 1 }]);
    expect(facts.cut).toEqual({ processes: 0, descriptors: 1, tables: 0 });
    // What was not read may be accelerated.
    expect(isAccelerated(facts)).toBeUndefined();
  } finally {
    shell.kill();
    server.close();
  }
});

test("a process with files, folders and a name like Onload's sockets has none of them", async () => {
  const folder = join(proc.root, "odd");
  mkdirSync(join(folder, "onload:[udp:1:3]"), { recursive: true });
  const open = [
    'exec 3<>"onload:[tcp:1:1]" 4<>$\'x\\nonload:[tcp:1:2]\' 5<"onload:[udp:1:3]" 6<>"socket:[1]"',
    'rm "onload:[tcp:1:1]"',
    "printf 'a) S 1\\nonload:[tcp:1:4' >/proc/$$/comm",
    "echo",
    "read -r _",
  ].join("; ");
  const shell = spawn("bash", ["-c", open], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
  await once(shell.stdout, "data");
  linkReal(shell.pid!);
  const facts = await look();
  expect(facts).toMatchObject({ processes: { preload_missing: 1 }, stacks: 0, sockets: [] });
  expect(isAccelerated(facts)).toBeUndefined();
  shell.kill();
});

/** Puts a process of this machine into the container. */
function linkReal(pid: number): void {
  proc.write(`${pid}/cgroup`, cgroupOf());
  proc.write(`${pid}/mountinfo`, mountsOf());
  for (const name of ["stat", "status", "auxv", "maps", "environ", "fd", "ns", "net", "root"]) {
    proc.link(`${pid}/${name}`, `/proc/${pid}/${name}`);
  }
}

describe("this process", () => {
  test("has the sockets that it opened, by its real /proc", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    const udp = createSocket("udp4").bind(0, "127.0.0.1");
    await Promise.all([once(server, "listening"), once(udp, "listening")]);
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await Promise.all([once(client, "connect"), once(server, "connection")]);
    linkReal(process.pid);
    const facts = await look();
    const count = (kind: string): number => facts.sockets.find((socket) => socket.kind === kind)?.count ?? 0;
    expect(facts.processes).toEqual({ preload_missing: 1 });
    // The listener, both ends of the connection, and that of UDP.
    expect(count("loopback")).toBeGreaterThanOrEqual(4);
    expect(facts.sockets.some(({ accelerated }) => accelerated)).toBe(false);
    for (const socket of [server, udp]) socket.close();
    client.destroy();
  });
});
