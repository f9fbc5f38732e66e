/**
 * Images and tarballs that are far larger inside than outside, and the program that looks into them. The engine is a
 * stand-in that gives a tar from a file; what is judged is our own process, as the kernel counts its memory.
 */
import { chmod, mkdir, open, readFile, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { ZEROS_XZ } from "./xz.ts";

const MB = 1024 ** 2;
const GB = 1024 ** 3;
const ENTRY = join(import.meta.dirname, "../../../cmd/onloadctl.ts");

/** What comes out for a bad image. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  /** Largest resident memory, in MB. */
  peakMb: number;
}

/** A 512-byte tar header. */
export function header(name: string, size: number, type = "0", link = ""): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  // Sizes from 8 GB on do not fit into octal digits; GNU writes them in binary.
  if (size < 8 * GB) block.write(`${size.toString(8).padStart(11, "0")} `, 124);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write("00000000000\0", 136);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write("ustar\x0000", 257, "latin1");
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function entry(name: string, content: Buffer | string, type = "0"): Buffer {
  const data = Buffer.from(content);
  return Buffer.concat([header(name, data.length, type), padded(data)]);
}

/** An extended header with one record. */
function pax(key: string, value: string): Buffer {
  const record = ` ${key}=${value}\n`;
  const length = record.length + String(record.length + 2).length;
  return entry("pax", `${length}${record}`, "x");
}

/** A header whose content is so many zeros, which take no room on the disk. */
async function zeros(file: FileHandle, head: Buffer, size: number): Promise<void> {
  await file.writeFile(head);
  const { size: at } = await file.stat();
  const end = at + Math.ceil(size / 512) * 512;
  await file.truncate(end);
  // What is written next goes to the end.
  await file.write(Buffer.alloc(1024), 0, 1024, end);
}

const names = (count: number, of: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => of(index)));

const MODULE = "opt/lib/modules/6.1.0/extra/onload.ko";
/** Members or frames of 16 MB of zeros each; together they unpack to 1 GB. */
const MEMBER = gzipSync(Buffer.alloc(16 * MB));
const GZ = Buffer.concat(Array.from({ length: 64 }, () => MEMBER));

/** How a bomb is written, and the words in the error of `build-images verify`; undefined if it is taken. */
export interface Bomb {
  write(file: FileHandle): Promise<void>;
  says: string | undefined;
}

const whole = (content: () => Buffer): Bomb["write"] => async (file) => {
  await file.writeFile(Buffer.concat([content(), Buffer.alloc(1024)]));
};

export const IMAGE_BOMBS: Readonly<Record<string, Bomb>> = {
  "a library of 512 MB, which is looked at piece by piece": {
    write: (file) => zeros(file, header("opt/onload/usr/lib64/libonload.so", 512 * MB), 512 * MB),
    says: undefined,
  },
  "a library of 10 GB": {
    write: (file) => zeros(file, header("opt/onload/usr/lib64/libonload.so", 10 * GB), 10 * GB),
    says: "/opt/onload/usr/lib64/libonload.so has more than 4 GB",
  },
  "a module of 1 GB in 1 MB of gzip": {
    write: whole(() => entry(`${MODULE}.gz`, GZ)),
    says: `/${MODULE}.gz has more than 512 MB unpacked`,
  },
  "a module of 1 GB in a few kB of zstd": {
    write: whole(() => {
      const frame = zstdCompressSync(Buffer.alloc(16 * MB));
      return entry(`${MODULE}.zst`, Buffer.concat(Array.from({ length: 64 }, () => frame)));
    }),
    says: `/${MODULE}.zst has more than 512 MB unpacked`,
  },
  "a module of 1 GB in some kB of xz": {
    write: whole(() => entry(`${MODULE}.xz`, Buffer.concat(Array.from({ length: 64 }, () => ZEROS_XZ)))),
    says: `/${MODULE}.xz has more than 512 MB unpacked`,
  },
  "a list of packages of 2 GB": {
    write: (file) => zeros(file, header("var/lib/dpkg/status", 2 * GB), 2 * GB),
    says: "/var/lib/dpkg/status has more than 16 MB",
  },
  "a description of the system of 1 MB": {
    write: whole(() => entry("etc/os-release", "A=1\n".repeat(MB / 4))),
    says: "/etc/os-release has more than 64 kB",
  },
  "a list of a million packages": {
    write: whole(() => entry("var/lib/dpkg/status", "Package: a\n\n".repeat(1_000_000))),
    says: "/var/lib/dpkg/status lists more than 50,000 packages",
  },
  "lists of modules of 15 MB for each of 3 kernels": {
    write: whole(() =>
      names(3, (index) => entry(`opt/lib/modules/${index}/modules.dep`, "x".repeat(15 * MB))),
    ),
    says: "lists of modules and packages have more than 32 MB",
  },
  "11,000 modules": {
    write: whole(() => names(11_000, (index) => header(`opt/lib/modules/6.1.0/${index}.ko`, 0))),
    says: "it has more than 10,000 kernel modules",
  },
  "a list of 200,000 modules": {
    write: whole(() => entry("opt/lib/modules/6.1.0/modules.dep", "a:\n".repeat(200_000))),
    says: "/opt/lib/modules/6.1.0/modules.dep lists more than 50,000 modules",
  },
  "a list of modules that is one line of colons": {
    write: whole(() =>
      Buffer.concat([
        entry(MODULE, ""),
        ...["dep.bin", "alias", "alias.bin", "symbols", "symbols.bin", "softdep", "devname"].map((name) =>
          entry(`opt/lib/modules/6.1.0/modules.${name}`, ""),
        ),
        entry("opt/lib/modules/6.1.0/modules.dep", ":".repeat(15 * MB)),
      ]),
    ),
    says: undefined,
  },
  "an extended header of 4 GB": {
    write: (file) => zeros(file, header("pax", 4 * GB, "x"), 4 * GB),
    says: "it has more than 4 MB of headers or padding at its start",
  },
  "a name of 4 GB": {
    write: (file) => zeros(file, header("././@LongLink", 4 * GB, "L"), 4 * GB),
    says: "it has more than 4 MB of headers or padding at its start",
  },
  "a name of 1 MB": {
    write: whole(() => Buffer.concat([entry("././@LongLink", "x".repeat(MB), "L"), entry("x", "")])),
    says: "has more than 4096 bytes",
  },
  "600,000 empty files": {
    write: async (file) => {
      const many = names(1000, (index) => header(`usr/share/${index}`, 0));
      for (let part = 0; part < 600; part++) await file.writeFile(many);
    },
    says: "it has more than 500,000 entries",
  },
  "200,000 programs": {
    write: async (file) => {
      for (let part = 0; part < 200; part++) {
        await file.writeFile(names(1000, (index) => header(`opt/bin/${part}-${index}`, 0)));
      }
    },
    says: "it has more than 100,000 files",
  },
  "10,000 links with names of 4 kB": {
    write: whole(() =>
      names(10_000, (index) =>
        Buffer.concat([
          entry("././@LongLink", `usr/${"d/".repeat(2000)}${index}`, "L"),
          header("x", 0, "2", "target"),
        ]),
      ),
    ),
    says: "or 16 MB of names",
  },
  "a sparse file": {
    write: whole(() => Buffer.concat([pax("GNU.sparse.realsize", "1099511627776"), entry("opt/sparse", "x")])),
    says: 'its entry "opt/sparse" is sparse',
  },
  "a size that is no number": {
    write: whole(() => Buffer.concat([pax("size", "huge"), entry("opt/x", "x")])),
    says: 'its entry "opt/x" has an invalid size',
  },
  "a size below zero": {
    write: whole(() => Buffer.concat([pax("size", "-512"), entry("opt/x", "x")])),
    says: 'its entry "opt/x" has an invalid size',
  },
};

/** Release tarballs, and the words in the error of `build-images`. */
export const TARBALL_BOMBS: Readonly<Record<string, Bomb>> = {
  "a README of 1 GB in 1 MB": {
    write: async (file) => {
      await file.writeFile(gzipSync(header("onload-9.1.0/README", GB)));
      await file.writeFile(GZ);
    },
    says: 'its entry "onload-9.1.0/README" has more than 1 MB',
  },
  "a source of 3 GB in 3 MB": {
    write: async (file) => {
      await file.writeFile(gzipSync(header("onload-9.1.0/scripts/onload_build", 3 * GB)));
    },
    says: "it has more than 2 GB unpacked",
  },
  "150,000 sources": {
    write: async (file) => {
      for (let part = 0; part < 150; part++) {
        await file.writeFile(gzipSync(names(1000, (index) => header(`onload-9.1.0/src/${part}/${index}.c`, 0))));
      }
    },
    says: "it has more than 100,000 entries",
  },
};

/** Runs `build-images verify` on an image whose file system is the tar `file`. */
export async function verifyTar(folder: string, file: string): Promise<Outcome> {
  return await withEngine(folder, file, ["verify", "r.example/bomb:1"]);
}

/** Runs `build-images source` on the release tarball `file`, without building anything. */
export async function readRelease(folder: string, file: string): Promise<Outcome> {
  return await withEngine(folder, file, ["source", "--onload", file, "--dry-run"]);
}

async function withEngine(folder: string, file: string, args: readonly string[]): Promise<Outcome> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  const image = JSON.stringify([
    { Id: "ab", Architecture: "amd64", Os: "linux", Size: 1, Config: { Labels: {}, Env: [], User: "1001" } },
  ]);
  await writeFile(
    join(bin, "podman"),
    `#!/bin/sh\ncase "$1" in\nimage) echo '${image}';;\ncreate) echo c;;\nexport) exec cat "$BOMB";;\nesac\n`,
  );
  await chmod(join(bin, "podman"), 0o755);
  return await measured([process.execPath, ENTRY, "build-images", ...args, "--engine", "podman"], {
    ...process.env,
    PATH: `${bin}:${process.env["PATH"]}`,
    BOMB: file,
  });
}

/**
 * Runs a program from a small process in between: Linux counts the memory that the parent had at the start of a program
 * as memory of that program.
 */
async function measured(command: string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const between = `
    const child = Bun.spawn(JSON.parse(process.argv[1]), { stdout: "inherit", stderr: "inherit" });
    const code = await child.exited;
    require("fs").writeFileSync(process.argv[2], String(child.resourceUsage().maxRSS));
    process.exit(code);`;
  const file = `${env["BOMB"]}.peak`;
  const child = Bun.spawn([process.execPath, "-e", between, JSON.stringify(command), file], {
    env,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr, peakMb: Number(await readFile(file, "utf8")) / MB };
}

/** Writes a bomb to `file`. */
export async function writeBomb(file: string, bomb: Bomb): Promise<void> {
  const handle = await open(file, "w");
  try {
    await bomb.write(handle);
  } finally {
    await handle.close();
  }
}
