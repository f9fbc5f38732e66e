import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { membership, plainUid } from "./cgroup.ts";
import { interfaceNames } from "./interfaces.ts";
import { hasMount, kubeletContainer } from "./mounts.ts";
import { descriptorTableSize, libraryOf, parseAuxiliary, parseStat, preloadOf } from "./process.ts";
import { findInTable, parseDescriptor, socketsInUse, type SocketKind } from "./sockets.ts";
import { auxvOf, DYNAMIC, mapsOf, mountsOf, PRELOAD, SECURE, STATIC, tableOf } from "./testing/fake-proc.ts";

const UID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
const ID = "3f2a".repeat(16);
const OTHER = "99ff".repeat(16);

describe("a process's control groups name its pod and container", () => {
  const podUid = plainUid(UID);
  const slice = `kubepods-burstable-pod${UID.replaceAll("-", "_")}.slice`;
  test.each([
    [
      "containerd, version 2, systemd",
      `0::/kubepods.slice/kubepods-burstable.slice/${slice}/cri-containerd-${ID}.scope\n`,
    ],
    ["seen from a group of its own", `0::/../../${slice}/cri-containerd-${ID}.scope\n`],
    ["guaranteed pods", `0::/kubepods.slice/kubepods-pod${UID.replaceAll("-", "_")}.slice/crio-${ID}.scope\n`],
    ["cri-o, with a group of the container's own below", `0::/kubepods.slice/${slice}/crio-${ID}.scope/container\n`],
    ["cri-o with cgroupfs", `0::/kubepods/burstable/pod${UID}/crio-${ID}\n`],
    ["containerd with cgroupfs", `0::/kubepods/besteffort/pod${UID}/${ID}\n`],
    ["a root of the kubelet's own", `0::/lab/kubepods/pod${UID}/${ID}/init.scope\n`],
    ["containerd that was not told of systemd", `0::/system.slice/containerd.service/${slice}:cri-containerd:${ID}\n`],
    ["version 1", `12:pids:/kubepods/burstable/pod${UID}/${ID}\n1:name=systemd:/kubepods/burstable/pod${UID}/${ID}\n`],
    ["version 1, in some hierarchies", `5:cpu:/\n4:memory:/kubepods/pod${UID}/${ID}\n0::/\n`],
    ["a static pod", `0::/kubepods/pod${plainUid(UID)}/${ID}\n`],
    ["a container in the container", `0::/kubepods/pod${UID}/${ID}/docker/${OTHER}\n`],
  ])("%s", (_, text) => {
    expect(membership(text)).toEqual({ podUid, containerId: ID });
  });

  test("without groups of pods, the container alone", () => {
    expect(membership(`4:memory:/nodes/${ID}\n0::/\n`)).toEqual({ podUid: undefined, containerId: ID });
  });

  test.each([
    ["a service", "0::/system.slice/kubelet.service\n"],
    ["the monitor of cri-o", `0::/kubepods.slice/${slice}/crio-conmon-${ID}.scope\n`],
    ["a pod's group itself", `0::/kubepods/burstable/pod${UID}\n`],
    ["nothing", ""],
    ["a name that is nearly an id", `0::/kubepods/pod${UID}/${ID}0\n`],
  ])("none: %s", (_, text) => {
    expect(membership(text)).toBeUndefined();
  });
});

describe("a mount table names its container", () => {
  test.each([
    ["of the kubelet's folder", mountsOf(UID, "main-2")],
    ["of a file system of its own", `9 8 8:1 /pods/${UID}/containers/main-2/0a1b2c3d /tmp/last rw - xfs /dev/sdb rw\n`],
  ])("%s", (_, text) => {
    expect(kubeletContainer(text)).toEqual({ podUid: plainUid(UID), container: "main-2" });
  });

  test.each([["9 8 8:1 / / rw - xfs /dev/sdb rw\n"], [""], [`9 8 8:1 /pods/${UID}/volumes/x/1 /x rw - xfs a rw\n`]])(
    "or does not: %p",
    (text) => expect(kubeletContainer(text)).toBeUndefined(),
  );
});

test("a mount is known by its whole number, at the start of a line", () => {
  const table = mountsOf();
  expect(["610", "620", "621"].every((mount) => hasMount(table, mount))).toBe(true);
  expect(["61", "10", "590", "0", "254:1", "rw"].some((mount) => hasMount(table, mount))).toBe(false);
});

describe("a process's state", () => {
  // Every field from the fourth on is its own number in proc(5).
  const after = ["S", ...Array.from({ length: 49 }, (_, i) => String(i + 4))].join(" ");
  test("is read past a name with brackets and spaces", () => {
    const stat = parseStat(`7 (a) R 1 (b) ${after}\n`);
    expect(stat).toEqual({ state: "S", startTime: 22, identity: "22 26 28 50", ticks: 14 + 15 });
  });
  test.each([[""], ["7 (a"], ["7 (a) S 1"], ["7 (a) S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 x"]])(
    "is not half of one: %p",
    (text) => {
      expect(parseStat(text)).toBeUndefined();
    },
  );
  test("tells the size of its table of descriptors", () => {
    expect(descriptorTableSize("Name:\tFDSize:\nFDSize:\t131072\nGroups:\n")).toBe(131_072);
    expect(descriptorTableSize("Name:\tx\n")).toBeUndefined();
  });
});

describe("whether a program has the library", () => {
  const ordinary = {
    auxiliary: DYNAMIC,
    maps: mapsOf(),
    environment: Buffer.from(PRELOAD),
    mapsCut: false,
    environmentCut: false,
  };
  const libc = mapsOf(["/usr/lib64/libc.so.6"]);
  test.each([
    ["mapped", {}],
    ["mapped", { maps: mapsOf(["/usr/lib64/libonload.so (deleted)"]) }],
    ["mapped", { maps: mapsOf(["/a/libonload.so.1"]), environment: Buffer.alloc(0) }],
    ["not_loaded", { maps: libc }],
    ["not_loaded", { maps: mapsOf(["/usr/lib64/libonload_ext.so.1"]) }],
    ["not_loaded", { maps: mapsOf(["/home/libonload.so/libc.so.6"]) }],
    ["preload_missing", { maps: libc, environment: Buffer.from("A=1\0XLD_PRELOAD=libonload.so\0") }],
    ["preload_missing", { maps: libc, environment: Buffer.from("LD_PRELOAD=\0") }],
    [
      "preload_replaced",
      { maps: libc, environment: Buffer.from("LD_PRELOAD=/libonload.so\0LD_PRELOAD=libjemalloc.so.2\0") },
    ],
    ["not_loaded", { maps: libc, environment: Buffer.from("LD_PRELOAD=libjemalloc.so.2:libonload.so") }],
    ["unreadable", { maps: libc, environment: Buffer.from("A=1"), mapsCut: false, environmentCut: true }],
    ["musl", { maps: mapsOf([], "/lib/ld-musl-x86_64.so.1") }],
    ["musl", { maps: mapsOf([], "/usr/lib/x86_64-linux-musl/libc.so") }],
    ["static", { maps: mapsOf([], ""), auxiliary: STATIC }],
    // Programs whose names begin like that of a loader.
    ["static", { maps: mapsOf([], "").replace("/usr/bin/app", "/usr/bin/ld-relay"), auxiliary: STATIC }],
    ["static", { maps: mapsOf([], "").replace("/usr/bin/app", "/usr/bin/ld64.lld"), auxiliary: STATIC }],
    ["secure", { maps: libc, auxiliary: SECURE }],
    // The loader itself, which was told a program.
    ["not_loaded", { maps: libc.replace("/usr/bin/app", "/onloadctl/ld-linux-x86-64.so.2"), auxiliary: STATIC }],
    [undefined, { maps: "", auxiliary: Buffer.alloc(0), environment: Buffer.alloc(0) }],
  ] as const)("%s", (library, texts) => {
    expect(libraryOf({ ...ordinary, ...texts })).toBe(library);
  });

  test("a 32-bit program's words are half as long", () => {
    expect(parseAuxiliary(auxvOf({ 3: 0x8048034n, 7: 0xf7f00000n, 9: 0x8048400n, 23: 1n }, 4))).toEqual({
      base: 0xf7f00000n,
      entry: 0x8048400n,
      secure: true,
    });
  });

  test("hostile bytes are no error", () => {
    for (let length = 0; length < 200; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 151 + length * 17) & 0xff));
      expect(() => parseAuxiliary(bytes)).not.toThrow();
      expect(() => preloadOf(bytes)).not.toThrow();
      expect(() => libraryOf({ ...ordinary, maps: bytes.toString("latin1"), auxiliary: bytes })).not.toThrow();
    }
  });
});

describe("descriptors", () => {
  test.each([
    ["onload:[tcp:3:17]", { type: "onload", stack: 3, kind: "tcp", id: "3:17" }],
    ["onload:[tcpl:3:18]", { type: "onload", stack: 3, kind: "tcp_listen", id: "3:18" }],
    ["onload:[udp:0:4]", { type: "onload", stack: 0, kind: "udp", id: "0:4" }],
    ["onload:[os_sock:3:5]", { type: "onload", stack: 3, kind: "os_sock", id: "3:5" }],
    ["onload:[moved:3:-1]", { type: "onload", stack: 3, kind: "moved", id: "3:-1" }],
    ["onload:[piper:3:6]", { type: "onload", stack: 3, kind: "pipe", id: "3:6" }],
    ["onload:[stack:3]", { type: "stack", stack: 3 }],
    ["socket:[12345]", { type: "kernel", inode: "12345" }],
    ["/tmp/onload:[tcp:3:17]", undefined],
    ["onload:[tcp:3]", undefined],
    ["onload:[constructor:3:1]", undefined],
    ["onload:[tcp:99999999999:1]", undefined],
    ["/dev/onload", undefined],
    ["anon_inode:[eventfd]", undefined],
    ["", undefined],
  ] as const)("%s", (link, descriptor) => {
    expect(parseDescriptor(link)).toEqual(descriptor);
  });

  test("sockets of the kernel are found in its tables, by kind", () => {
    const found = (table: "tcp" | "tcp6" | "udp", rows: Parameters<typeof tableOf>[0]): [string, SocketKind][] => {
      const all: [string, SocketKind][] = [];
      findInTable(table, tableOf(rows), new Set(["11", "12", "13", "14"]), (...each) => all.push(each));
      return all;
    };
    const local = (address: string): string => `${address}:1F90`;
    expect(
      found("tcp", [
        { local: local("0B00000A"), inode: 11 },
        { local: local("00000000"), state: "0A", inode: 12 },
        { local: local("0100007F"), state: "0A", inode: 13 },
        { local: local("0B00000A"), inode: 99 },
        { local: local("0B00000A"), state: "06", inode: 0 },
      ]),
    ).toEqual([
      ["11", "tcp"],
      ["12", "tcp_listen"],
      ["13", "loopback"],
    ]);
    expect(
      found("tcp6", [
        { local: local("00000000000000000000000001000000"), inode: 11 },
        { local: local("0000000000000000FFFF00000100007F"), inode: 12 },
        { local: local("0000000000000000FFFF00000B00000A"), inode: 13 },
        { local: local("00000000000000000000000000000000"), state: "0A", inode: 14 },
      ]),
    ).toEqual([
      ["11", "loopback"],
      ["12", "loopback"],
      ["13", "tcp"],
      ["14", "tcp_listen"],
    ]);
    expect(found("udp", [{ local: local("00000000"), state: "07", inode: 11 }])).toEqual([["11", "udp"]]);
  });
});

test("how many sockets are in a table, as this machine's kernel says it", async () => {
  const said =
    (await readFile("/proc/self/net/sockstat", "latin1")) + (await readFile("/proc/self/net/sockstat6", "latin1"));
  const line = (name: string): string[] =>
    said
      .split("\n")
      .find((each) => each.startsWith(`${name}: `))!
      .split(" ");
  for (const table of ["tcp", "tcp6", "udp", "udp6"] as const) {
    const [, word, count] = line(table.toUpperCase());
    expect(word).toBe("inuse");
    expect(socketsInUse(table, said)).toBe(Number(count));
  }
  expect(socketsInUse("udp", "UDPLITE: inuse 3\nUDP6: inuse 4\nRAW: inuse 5\n")).toBeUndefined();
});

test("names of interfaces, without the loopback", () => {
  const head = "Inter-|   Receive\n face |bytes    packets\n";
  expect(interfaceNames(`${head}    lo: 1 2\n  eth0: 3 4\n net1.100:0 0\n`)).toEqual(["eth0", "net1.100"]);
  expect(interfaceNames(`${head}  ../x: 3\n    ..: 1\n\n`)).toEqual([]);
  expect(interfaceNames("")).toEqual([]);
});
