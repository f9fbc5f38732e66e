import { describe, expect, test } from "bun:test";
import { pack } from "tar-stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Readable } from "node:stream";
import { readContents, type Contents } from "./contents.ts";
import { elfMachine } from "./elf.ts";
import { ModuleReader, type ModuleInfo } from "./module-info.ts";
import { KO_XZ, KO_XZ_CRC64, KO_XZ_SHA256 } from "./testdata/xz.ts";
import { billOfMaterials } from "./sbom.ts";
import { checkImage, checkSameSource, partOf, type KnownImage, type OpenedImage } from "./verify.ts";

/** The start of a 64-bit little-endian ELF file for a machine. */
function elf(machine: number, rest = ""): Buffer {
  const head = Buffer.alloc(64);
  head.writeUInt32BE(0x7f454c46, 0);
  head[4] = 2;
  head[5] = 1;
  head.writeUInt16LE(machine, 18);
  return Buffer.concat([head, Buffer.from(rest)]);
}

const AMD64 = 62;
const ARM64 = 183;
const KERNEL = "6.1.0-42-amd64";
const FOLDER = `opt/lib/modules/${KERNEL}`;

function ko(kernel = KERNEL, machine = AMD64): Buffer {
  return elf(
    machine,
    `\0license=GPL\0vermagic=${kernel} SMP preempt mod_unload modversions \0depends=sfc_char,sfc_resource\0`,
  );
}

type Tree = Record<string, string | Buffer | { link: string }>;

async function contentsOf(tree: Tree): Promise<Contents> {
  const tar = pack();
  for (const [name, value] of Object.entries(tree)) {
    if (typeof value === "object" && "link" in value) tar.entry({ name, type: "symlink", linkname: value.link });
    else tar.entry({ name: `./${name}` }, value);
  }
  tar.finalize();
  return await readContents(tar as unknown as Readable);
}

async function opened(tree: Tree, image: Partial<OpenedImage["image"]> = {}): Promise<OpenedImage> {
  const defaults = {
    id: "ab",
    architecture: "amd64",
    os: "linux",
    labels: {},
    env: [],
    user: "1001",
    size: 1,
    digests: [],
  };
  return { name: "r/onload-x:9.1.0", image: { ...defaults, ...image }, contents: await contentsOf(tree) };
}

const user: Tree = {
  "opt/onload/usr/lib64/libonload.so": elf(AMD64),
  "opt/onload/sbin/onload_cp_server": elf(AMD64),
};
const depmod = Object.fromEntries(
  ["dep.bin", "alias", "alias.bin", "symbols", "symbols.bin", "softdep", "devname"].map((name) => [
    `${FOLDER}/modules.${name}`,
    "",
  ]),
);
const module: Tree = {
  ...depmod,
  [`${FOLDER}/modules.dep`]: "extra/onload.ko: extra/sfc.ko\nextra/sfc.ko:\n",
  [`${FOLDER}/extra/onload.ko`]: ko(),
  [`${FOLDER}/extra/sfc.ko`]: ko(),
  "usr/bin/sh": elf(AMD64),
  "bin/cp": elf(AMD64),
  "bin/mkdir": elf(AMD64),
  "usr/sbin/modprobe": { link: "../bin/kmod" },
};
const own: Tree = { "usr/bin/onloadctl": elf(AMD64), "lib64/ld-linux-x86-64.so.2": elf(AMD64) };

/** The names of the checks that fail. */
function failed(findings: { ok: boolean; check: string }[]): string[] {
  return findings.filter(({ ok }) => !ok).map(({ check }) => check);
}

function without(tree: Tree, ...names: string[]): Tree {
  return Object.fromEntries(Object.entries(tree).filter(([name]) => !names.includes(name)));
}

describe("checkImage", () => {
  const rows: Record<string, [Tree, Partial<OpenedImage["image"]>, string[]]> = {
    user: [user, {}, []],
    "user on Debian": [
      {
        "opt/onload/usr/lib/x86_64-linux-gnu/libonload.so": elf(AMD64),
        "opt/onload/sbin/onload_cp_server": elf(AMD64),
      },
      {},
      [],
    ],
    "user without control plane": [without(user, "opt/onload/sbin/onload_cp_server"), {}, ["onload_cp_server"]],
    "user of another architecture": [{ ...user, "opt/onload/sbin/onload_cp_server": elf(ARM64) }, {}, ["architecture"]],
    "user whose preload path is right": [user, { env: ["ONLOAD_PRELOAD=/opt/onload/usr/lib64/libonload.so"] }, []],
    "user whose preload path leads over a link": [
      {
        "opt/onload/usr/lib64": { link: "lib/x86_64-linux-gnu" },
        "opt/onload/usr/lib/x86_64-linux-gnu/libonload.so": elf(AMD64),
        "opt/onload/sbin/onload_cp_server": elf(AMD64),
      },
      { env: ["ONLOAD_PRELOAD=/opt/onload/usr/lib64/libonload.so"] },
      [],
    ],
    ...Object.fromEntries(
      ["//[", "http://:/x", "\0", "../../../../etc/%2e", "libonload.so", "/usr/lib64"].map((link) => [
        `user whose preload path leads over a link to ${JSON.stringify(link)}`,
        [
          { ...user, "opt/onload/lib": { link } },
          { env: ["ONLOAD_PRELOAD=/opt/onload/lib/libonload.so"] },
          ["ONLOAD_PRELOAD"],
        ] satisfies [Tree, Partial<OpenedImage["image"]>, string[]],
      ]),
    ),
    "user whose preload path leads over a link with a blank and a percent sign": [
      {
        "opt/onload/usr/lib64": { link: "lib 64%20" },
        "opt/onload/usr/lib 64%20/libonload.so": elf(AMD64),
        "opt/onload/sbin/onload_cp_server": elf(AMD64),
      },
      { env: ["ONLOAD_PRELOAD=/opt/onload/usr/lib64/libonload.so"] },
      [],
    ],
    "user whose preload path leads nowhere": [
      user,
      { env: ["ONLOAD_PRELOAD=/opt/onload/usr/lib/libonload.so"] },
      ["ONLOAD_PRELOAD"],
    ],
    module: [module, {}, []],
    "module for the kernel of its label": [module, { labels: { "com.amd.onload.kernel.version": KERNEL } }, []],
    "module compressed": [
      {
        ...without(module, `${FOLDER}/extra/onload.ko`, `${FOLDER}/extra/sfc.ko`),
        [`${FOLDER}/extra/onload.ko.gz`]: gzipSync(ko()),
        [`${FOLDER}/extra/sfc.ko.zst`]: zstdCompressSync(ko()),
        [`${FOLDER}/modules.dep`]: "extra/onload.ko.gz:\nextra/sfc.ko.zst:\n",
      },
      {},
      [],
    ],
    "module compressed with xz": [
      {
        ...without(module, `${FOLDER}/extra/onload.ko`, `${FOLDER}/extra/sfc.ko`),
        [`${FOLDER}/extra/onload.ko.xz`]: KO_XZ,
        [`${FOLDER}/extra/sfc.ko.xz`]: KO_XZ_CRC64,
        [`${FOLDER}/modules.dep`]: "extra/onload.ko.xz:\nextra/sfc.ko.xz:\n",
      },
      {},
      [],
    ],
    "module built against other headers": [
      { ...module, [`${FOLDER}/extra/sfc.ko`]: ko("6.1.0-41-amd64") },
      {},
      ["vermagic of sfc.ko"],
    ],
    "module of another architecture": [
      { ...module, [`${FOLDER}/extra/sfc.ko`]: ko(KERNEL, ARM64) },
      {},
      ["architecture"],
    ],
    "module without onload": [without(module, `${FOLDER}/extra/onload.ko`), {}, ["modules"]],
    "module without depmod": [without(module, `${FOLDER}/modules.dep.bin`), {}, ["depmod"]],
    "module that depmod has not seen": [{ ...module, [`${FOLDER}/extra/late.ko`]: ko() }, {}, ["depmod"]],
    "module image without modprobe": [without(module, "usr/sbin/modprobe"), {}, ["modprobe"]],
    "module for another kernel than its label": [
      module,
      { labels: { "com.amd.onload.kernel.version": "6.1.0-43-amd64" } },
      ["kernel", "modules", "depmod"],
    ],
    onloadctl: [own, {}, []],
    "onloadctl as root": [own, { user: "" }, ["user"]],
    "onloadctl as root with group": [own, { user: "0:0" }, ["user"]],
    "onloadctl without glibc": [without(own, "lib64/ld-linux-x86-64.so.2"), {}, ["glibc loader"]],
    source: [{ "scripts/onload_build": "", "scripts/onload_install": "" }, {}, []],
    "something else": [{ "etc/passwd": "" }, {}, ["kind"]],
  };
  for (const [name, [tree, image, expected]] of Object.entries(rows)) {
    test(name, async () => expect(failed(checkImage(await opened(tree, image)))).toEqual(expected));
  }

  test("a module image for another kernel than the one asked for", async () => {
    const findings = checkImage(await opened(module), "module", "6.1.0-43-amd64");
    expect(findings[0]).toEqual({ ok: false, check: "kernel", detail: `${KERNEL}, asked for 6.1.0-43-amd64` });
  });

  test("debug information is mentioned", async () => {
    const debug = Buffer.concat([ko(), Buffer.from("\0.debug_info\0")]);
    const findings = checkImage(await opened({ ...module, [`${FOLDER}/extra/onload.ko`]: debug }));
    expect(findings.find(({ check }) => check === "vermagic of onload.ko")?.detail).toContain(
      "(with debug information)",
    );
  });
});

describe("checkSameSource", () => {
  const of = async (tree: Tree, labels: Record<string, string>): Promise<KnownImage> => {
    const one = await opened(tree, { labels });
    return { ...one, part: partOf(one.contents) };
  };
  const one = { "com.amd.onload.source.digest": "sha256:1" };

  test("user and module of one source", async () => {
    expect(checkSameSource([await of(user, one), await of(module, one)])).toEqual([
      { ok: true, check: "same source", detail: "sha256:1" },
    ]);
  });
  test("of two sources", async () => {
    const other = { "com.amd.onload.source.digest": "sha256:2" };
    expect(failed(checkSameSource([await of(user, one), await of(module, other)]))).toEqual(["same source"]);
  });
  test("images of Onload's own scripts, which name the source image", async () => {
    const image = { "com.amd.onload.source.image.digest": "sha256:9" };
    expect(failed(checkSameSource([await of(user, image), await of(module, image)]))).toEqual([]);
  });
  test("one that does not say", async () => {
    expect(failed(checkSameSource([await of(user, one), await of(module, {})]))).toEqual(["same source"]);
  });
  test("one alone has nothing to agree with", async () =>
    expect(checkSameSource([await of(user, {}), await of(own, {})])).toEqual([]));
});

test("partOf", async () => {
  for (const [part, tree] of Object.entries({ user, module, onloadctl: own, source: { "scripts/onload_build": "" } })) {
    expect(partOf(await contentsOf(tree))).toBe(part as never);
  }
});

test("elfMachine", () => {
  expect([elf(AMD64), elf(ARM64), elf(9), Buffer.from("#!/bin/sh and more than twenty bytes")].map(elfMachine)).toEqual(
    ["amd64", "arm64", "ELF machine 9", undefined],
  );
});

test("an empty file system is no image", () => expect(contentsOf({})).rejects.toThrow("empty file system"));

describe("billOfMaterials", () => {
  test("lists our files with digests and the base's packages", async () => {
    const dpkg = [
      "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u10\n",
      "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n",
    ].join("\n");
    const labels = {
      "org.opencontainers.image.licenses": "GPL-2.0 AND BSD-2-Clause",
      "org.opencontainers.image.version": "9.1.0",
    };
    const tree = { ...user, "var/lib/dpkg/status": dpkg, "etc/os-release": "ID=debian\n", "usr/bin/other": "x" };
    const bom = billOfMaterials(await opened(tree, { labels }), { version: "1" }) as {
      metadata: { component: { name: string; version: string; licenses: unknown } };
      components: { name: string; purl?: string; hashes?: { content: string }[] }[];
    };
    expect(bom.metadata.component).toMatchObject({
      name: "r/onload-x",
      version: "9.1.0",
      licenses: [{ expression: "GPL-2.0-only AND BSD-2-Clause" }],
    });
    expect(bom.components.map(({ name, purl }) => purl ?? name)).toEqual([
      "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64",
      "/opt/onload/sbin/onload_cp_server",
      "/opt/onload/usr/lib64/libonload.so",
    ]);
    const hash = new Bun.CryptoHasher("sha256").update(elf(AMD64)).digest("hex");
    expect(bom.components[1]!.hashes![0]!.content).toBe(hash);
  });

  test("says that RPM packages are missing", async () => {
    const bom = billOfMaterials(await opened({ ...user, "var/lib/rpm/rpmdb.sqlite": "x" }), { version: "1" });
    expect(JSON.stringify(bom)).toContain("The packages of the RPM database are not listed");
  });
});

describe("a module compressed with xz", () => {
  async function read(packed: Buffer, piece = packed.length || 1): Promise<ModuleInfo> {
    const reader = new ModuleReader("opt/onload.ko.xz");
    for (let at = 0; at < packed.length; at += piece) await reader.write(packed.subarray(at, at + piece));
    return await reader.end();
  }

  test("is read like any other, in whatever pieces it comes", async () => {
    const expected = { vermagic: `${KERNEL} SMP preempt mod_unload modversions `, debug: false, machine: "amd64" };
    for (const piece of [1, 7, 1000]) expect(await read(KO_XZ, piece)).toEqual(expected);
    expect(await read(KO_XZ_CRC64)).toEqual(expected);
  });

  const flipped = Buffer.from(KO_XZ);
  flipped[60]! ^= 1;
  test.each([
    ["empty", Buffer.alloc(0), "it is empty or cut off"],
    ["cut in its head", KO_XZ.subarray(0, 5), "it is cut off"],
    ["cut in the middle", KO_XZ.subarray(0, KO_XZ.length / 2), "it is cut off"],
    ["no xz", Buffer.from("no xz at all, but long enough"), "it is not in the format of xz"],
    ["damaged", flipped, "it is damaged"],
    [
      "with a check that no kernel knows",
      KO_XZ_SHA256,
      "it is compressed in a way that the kernel does not read either, such as with a filter or a check by SHA-256",
    ],
  ])("that is %s has a problem in words", async (_, packed, problem) => {
    expect(await read(packed)).toEqual({ debug: false, problem });
  });

  test("that is given up lets others be read", async () => {
    const given = new ModuleReader("opt/a.ko.xz");
    await given.write(KO_XZ.subarray(0, 30));
    const waiting = read(KO_XZ);
    given.close();
    expect(await waiting).toMatchObject({ machine: "amd64" });
  });
});
