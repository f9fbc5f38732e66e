/**
 * Odd archives, read by us and unpacked by GNU tar as a build does it. What we take is unpacked inside of the folder, and
 * has the files that we saw: otherwise one of the two has read something else.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { unpackCommand } from "./commands.ts";
import { header } from "./testdata/bombs.ts";
import { readTarball } from "./tarball.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "gnu-tar-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const END = Buffer.alloc(1024);
const pad = (content: Buffer): Buffer => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);

/** One entry with its content. */
function entry(name: string, content: string | Buffer = "", type = "0", link = ""): Buffer {
  const data = Buffer.from(content);
  return Buffer.concat([header(name, data.length, type, link), pad(data)]);
}
const dir = (name: string): Buffer => entry(name, "", "5");
const symlink = (name: string, to: string): Buffer => entry(name, "", "2", to);
const hardlink = (name: string, to: string): Buffer => entry(name, "", "1", to);

/** Records of an extended header. */
function pax(records: Record<string, string>, type = "x"): Buffer {
  const text = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.from(` ${key}=${value}\n`);
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return entry("PaxHeaders/x", Buffer.concat(text), type);
}
/** A header that says another size than its content has. */
function sized(name: string, size: number, content: Buffer): Buffer {
  return Buffer.concat([header(name, size), pad(content)]);
}
/** The header of a sparse file in GNU's old format: four empty pieces, and a mark that there are more. */
function sparseHeader(name: string): Buffer {
  const block = header(name, 0, "S");
  for (let at = 386; at < 386 + 8 * 12; at += 12) block.write("00000000000\0", at, "latin1");
  block.write("1", 482, "latin1");
  block.write("ustar  \0", 257, "latin1");
  block.write("00000000000\0", 483, "latin1");
  block.write("        ", 148, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
const hidden = (): Buffer => entry("../hidden", "evil");

const good = [dir("o/"), entry("o/README", "r"), dir("o/scripts/"), entry("o/scripts/onload_build", "b")];

const ARCHIVES: Record<string, Buffer[]> = {
  "a usual one": good,
  "one whose names begin with ./": [
    dir("./o/"),
    entry("./o/a", "x"),
    symlink("./o/l", "a"),
    hardlink("./o/h", "./o/a"),
  ],
  "one of which some names begin with ./": [...good, entry("./o/a", "x")],
  "a name that leads out": [...good, entry("o/../../evil", "x")],
  "a name that leads out and in again": [...good, entry("o/../o/a", "x")],
  "a name that leads to the side": [...good, entry("o/../evil", "x")],
  "an absolute name": [...good, entry("/tmp/evil", "x")],
  "a name of many slashes": [...good, entry("o//scripts///x", "x"), entry("o/./y", "y")],
  "an extended header's name that leads out": [...good, pax({ path: "o/../../evil" }), entry("o/a", "x")],
  "an extended header's name": [...good, pax({ path: "o/elsewhere" }), entry("o/a", "x")],
  "a global header's name that leads out": [pax({ path: "../evil" }, "g"), ...good],
  "a global header's comment": [pax({ comment: "0123" }, "g"), ...good],
  "an extended header's link that leads out": [
    ...good,
    pax({ linkpath: "../../evil" }),
    symlink("o/l", "a"),
    entry("o/l/x", "x"),
  ],
  "an extended header's larger size": [
    ...good,
    pax({ size: "2048" }),
    sized("o/a", 0, Buffer.concat([hidden(), hidden()])),
  ],
  "an extended header's smaller size": [...good, pax({ size: "0" }), sized("o/a", 1024, hidden())],
  "an extended header's size that is none": [...good, pax({ size: "0x400" }), sized("o/a", 1024, hidden())],
  "two extended headers": [...good, pax({ path: "o/a" }), pax({ path: "../evil" }), entry("o/b", "x")],
  "a record twice": [...good, Buffer.concat([entry("x", "13 path=o/ok\n16 path=../evil\n", "x")]), entry("o/b", "x")],
  "a long name that leads out": [...good, entry("././@LongLink", "../evil\0", "L"), entry("o/a", "x")],
  "a long name": [...good, entry("././@LongLink", `o/${"n".repeat(200)}\0`, "L"), entry("o/a", "x")],
  "a long link that leads out": [
    ...good,
    entry("././@LongLink", "../../evil\0", "K"),
    symlink("o/l", "a"),
    entry("o/l/x", "x"),
  ],
  // GNU tar takes it for a file, and leaves the next entry its own name.
  "a long name of an old kind": [...good, entry("o/unseen", "o/seen\0", "N"), entry("o/real", "x")],
  "a long name of an old kind at the end": [...good, entry("o/unseen", "o/seen\0", "N")],
  "a long name and an extended header": [
    ...good,
    entry("././@LongLink", "../evil\0", "L"),
    pax({ path: "o/fine" }),
    entry("o/a", "x"),
  ],
  "an extended header and a long name": [
    ...good,
    pax({ path: "o/fine" }),
    entry("././@LongLink", "../evil\0", "L"),
    entry("o/a", "x"),
  ],
  "a link upward, and a file behind it": [...good, symlink("o/up", ".."), entry("o/up/evil", "x")],
  "a link to a link upward": [...good, symlink("o/up", "."), symlink("o/up2", "up/.."), entry("o/up2/evil", "x")],
  "a hard link to a link, and a file behind it": [
    ...good,
    symlink("o/l", "."),
    hardlink("o/h", "o/l"),
    entry("o/h/../x", "x"),
  ],
  "a hard link upward": [...good, hardlink("o/h", "../../../etc/passwd")],
  "a hard link to an absolute name": [...good, hardlink("o/h", "/etc/passwd")],
  "a hard link to what is not there": [...good, hardlink("o/h", "o/none")],
  "a file, then a link in its place, then a file behind it": [
    ...good,
    entry("o/a", "x"),
    symlink("o/a", "/tmp"),
    entry("o/a/evil", "x"),
  ],
  "a folder, then a link in its place": [...good, dir("o/d/"), symlink("o/d", "/tmp"), entry("o/d/evil", "x")],
  "a link, then a folder in its place": [...good, symlink("o/d", "scripts"), dir("o/d/"), entry("o/d/x", "x")],
  "the top folder as a link": [symlink("o", "/tmp"), entry("o/evil", "x")],
  "the top folder as a link inside": [...good, symlink("o", "."), entry("o/evil", "x")],
  "an entry twice": [...good, entry("o/a", "one"), entry("o/a", "two")],
  "one zero block in between": [...good, Buffer.alloc(512), entry("o/after", "x")],
  "one zero block before what leads out": [...good, Buffer.alloc(512), entry("o/../../evil", "x")],
  "an end before what leads out": [...good, END, entry("o/../../evil", "x")],
  "a device": [...good, entry("o/dev", "", "3")],
  "a pipe": [...good, entry("o/pipe", "", "6")],
  "a sparse file of GNU": [...good, entry("o/sparse", "x", "S")],
  // GNU tar reads its map on in the next block, which is a file's header to others.
  "a sparse file of GNU whose map hides an entry": [
    ...good,
    sparseHeader("o/sparse"),
    entry("o/a", entry("o/unseen", "evil")),
  ],
  "a file whose name ends in a slash, which has content": [...good, header("o/f/", 512), header("o/unseen", 0)],
  "a folder by its extended header, which has content": [
    ...good,
    pax({ path: "o/f/" }),
    header("o/f", 512),
    header("o/unseen", 0),
  ],
  "a link that has content by its extended header": [
    ...good,
    pax({ size: "512" }),
    header("o/l", 0, "2", "README"),
    header("o/unseen", 0),
  ],
  "a hard link that has content by its extended header": [
    ...good,
    pax({ size: "512" }),
    header("o/h", 0, "1", "o/README"),
    header("o/unseen", 0),
  ],
  "a name with a zero byte": [...good, pax({ path: "o/a\0b" }), entry("o/b", "x")],
  "a global header's size, by which content becomes entries": [
    pax({ size: "0" }, "g"),
    ...good.slice(0, 1),
    header("o/f", 512),
    header("o/unseen", 0),
  ],
  "a global header's size, and another global header after it": [
    pax({ size: "0" }, "g"),
    pax({ comment: "0123" }, "g"),
    ...good.slice(0, 1),
    header("o/f", 512),
    header("o/unseen", 0),
  ],
  "a global header's name": [
    ...good,
    pax({ path: "o/g" }, "g"),
    pax({ path: "o/x" }),
    entry("o/c", "x"),
    entry("o/d", "x"),
  ],
  "an extended header with a blank before its size": [
    ...good,
    entry("PaxHeaders/x", " 11 size=0\n", "x"),
    header("o/f", 512),
    header("o/unseen", 0),
  ],
  "an extended header with a name twice": [
    ...good,
    entry("PaxHeaders/x", "13 path=o/aa\n13 path=o/bb\n", "x"),
    entry("o/c", "x"),
  ],
  "a dump of a folder of GNU": [...good, entry("o/dump/", "Ya\0\0", "D")],
  "a volume's label": [entry("label", "", "V"), ...good],
  "the rest of another volume": [entry("o/rest", "x", "M"), ...good],
  "a kind that nobody knows": [...good, entry("o/odd", "x", "Z")],
  "a contiguous file": [...good, entry("o/c", "x", "7")],
  "an old file, whose name ends in a slash": [...good, header("o/old/", 0, "\0")],
  "a folder with content": [...good, sized("o/d/", 0, Buffer.alloc(0)), entry("o/d2/", hidden(), "5")],
  "a link with content": [...good, Buffer.concat([header("o/l", 1024, "2", "a"), hidden()])],
  "a hard link with content": [...good, entry("o/a", "x"), Buffer.concat([header("o/h", 1024, "1", "o/a"), hidden()])],
  "a name with a backslash, a line break and a blank": [
    ...good,
    entry("o/..\\..\\x", "x"),
    entry("o/a\nb", "x"),
    entry("o/ ", "x"),
  ],
  "an empty name": [...good, entry("", "x")],
  "a name of dots": [...good, entry("o/...", "x"), entry("o/..a", "x"), dir("o/.../")],
};

/** All paths below a folder, without following links. */
function paths(root: string, below = ""): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((each) => {
    const path = join(below, each.name);
    return each.isDirectory() ? [path, ...paths(root, path)] : [path];
  });
}

describe("GNU tar unpacks what we have taken, and nothing beside it", () => {
  let count = 0;
  const taken: string[] = [];
  test.each(Object.entries(ARCHIVES))("%s", async (name, parts) => {
    const work = join(folder, String(count++));
    const tree = join(work, "a/b/tree");
    mkdirSync(tree, { recursive: true });
    const tarball = join(work, "x.tgz");
    writeFileSync(tarball, gzipSync(Buffer.concat([...parts, END])));
    const facts = await readTarball(tarball).catch((error: Error) => error);
    if (facts instanceof Error) {
      expect(facts.message).toMatch(/^Cannot (use|read) .*: /);
      return;
    }
    taken.push(name);
    const { exitCode, stderr } = Bun.spawnSync(unpackCommand(tarball, tree, facts.strip));
    const outside = paths(work).filter(
      (path) => !path.startsWith("a/b/tree/") && !/^(x\.tgz|a|a\/b|a\/b\/tree)$/.test(path),
    );
    expect({ outside, evil: await Bun.file("/tmp/evil").exists() }).toEqual({ outside: [], evil: false });
    // What tar refuses ends the build.
    if (exitCode !== 0) return;
    // It ends at one zero block, and says so. We read on, and so refuse more.
    if (/lone zero block/.test(stderr.toString())) return;
    const seen = new Set([...facts.files].filter((path) => path !== ""));
    const unpacked = new Set(paths(tree));
    const unseen = [...unpacked].filter(
      (path) => !seen.has(path) && ![...seen].some((each) => each.startsWith(`${path}/`)),
    );
    expect({ unseen, missing: [...seen].filter((path) => !unpacked.has(path)), stderr: stderr.toString() }).toEqual({
      unseen: [],
      missing: [],
      stderr: expect.any(String),
    });
  });

  test("which are those that real releases are like, and others", () => {
    for (const name of [
      "a usual one",
      "a global header's comment",
      "one whose names begin with ./",
      "a long name",
      "an entry twice",
    ])
      expect(taken).toContain(name);
  });
});
