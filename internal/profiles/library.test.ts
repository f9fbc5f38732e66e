import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { bytes } from "../images/tar.ts";
import { findProfile, readLibrary, readProfile } from "./library.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "library-"));
});
afterAll(() => rm(root, { recursive: true }));

async function folder(name: string, files: Record<string, string | Buffer>): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, file), text);
  return path;
}

async function tarball(name: string, files: Record<string, string>): Promise<string> {
  const tar = pack();
  for (const [file, text] of Object.entries(files)) tar.entry({ name: file }, text);
  tar.finalize();
  await writeFile(join(root, name), gzipSync(await bytes(tar as never, Infinity, "the tar")));
  return join(root, name);
}

const files = { "a.opf": "onload_set EF_A 1\n", "b.opf-fragment": "onload_set EF_B 1\n" };
const release = Object.fromEntries(
  Object.entries(files).map(([name, text]) => [`onload-9/scripts/onload_profiles/${name}`, text]),
);

describe("profiles are read from", () => {
  test("a folder, which may have other files", async () => {
    const path = await folder("plain", { ...files, README: "x", ".opf": "x", "-x.opf": "x", "c.opf~": "x" });
    expect(Object.fromEntries(await readLibrary(path))).toEqual(files);
  });

  test("a folder behind a link, with links within it", async () => {
    const path = await folder("linked", files);
    await symlink("a.opf", join(path, "c.opf"));
    await symlink(path, join(root, "link"));
    expect([...(await readLibrary(join(root, "link"))).keys()]).toEqual(["a.opf", "b.opf-fragment", "c.opf"]);
  });

  test("Onload's source", async () => {
    await folder("source/scripts/onload_profiles", files);
    expect(Object.fromEntries(await readLibrary(join(root, "source")))).toEqual(files);
  });

  test("its release", async () => {
    const path = await tarball("onload.tgz", {
      ...release,
      "onload-9/scripts/onload_profiles/deep/c.opf": "x",
      "onload-9/d.opf": "x",
    });
    expect(Object.fromEntries(await readLibrary(path))).toEqual(files);
  });
});

describe("what is hostile or wrong is refused", () => {
  const text = (value: string): Promise<string> => folder(crypto.randomUUID(), { "a.opf": value });
  const cases: Record<string, [() => Promise<string>, string]> = {
    nothing: [async () => join(root, "none"), "none: no such file or directory; give"],
    "a folder without profiles": [() => folder("empty", {}), "it has no file that ends in .opf"],
    "a release without profiles": [
      () => tarball("bare.tgz", { "onload-9/README": "x" }),
      "it has no file that ends in .opf",
    ],
    "no release": [
      async () => join(await folder("file", { "a.opf": "x" }), "a.opf"),
      "it is truncated or not a gzipped tar",
    ],
    "a large profile": [() => text("#".repeat(70_000)), "it has more than 65536 bytes"],
    "a large profile of a release": [
      () => tarball("large.tgz", { "onload-9/scripts/onload_profiles/a.opf": "#".repeat(70_000) }),
      "has more than 64 kB",
    ],
    "a release that leaves its folder": [
      () => tarball("evil.tgz", { ...release, "onload-9/../../x.opf": "x" }),
      "leaves the folder",
    ],
    "Windows line ends": [() => text("onload_set EF_A 1\r\n"), "line 1 has a control character"],
    "a sequence for terminals": [() => text("\n# \u001b[2J\n"), "line 2 has a control character"],
    "no text": [() => folder("bytes", { "a.opf": Buffer.from([0xff, 0xfe]) }), "it is not UTF-8 text"],
    "too many profiles": [
      () => folder("many", Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`p${i}.opf`, ""]))),
      "it has more than 500 profiles",
    ],
    "a link out of the folder": [
      async () => {
        const path = await folder("out", files);
        await symlink("/etc/passwd", join(path, "c.opf"));
        return path;
      },
      "it is a link to a file outside of the folder",
    ],
    "a link to nothing": [
      async () => {
        const path = await folder("dangling", files);
        await symlink("nowhere", join(path, "c.opf"));
        return path;
      },
      "it is a link to nothing",
    ],
    "a folder in place of a profile": [
      async () => {
        const path = await folder("nested", files);
        await mkdir(join(path, "c.opf"));
        return path;
      },
      "no regular file",
    ],
    "a pipe in place of a profile": [
      async () => {
        const path = await folder("pipe", files);
        await Bun.spawn(["mkfifo", join(path, "c.opf")]).exited;
        return path;
      },
      "no regular file",
    ],
  };
  for (const [name, [path, message]] of Object.entries(cases)) {
    test(name, async () => expect(readLibrary(await path())).rejects.toThrow(message));
  }
});

test("one profile is found by its name, and a fragment is not", async () => {
  const library = new Map(Object.entries(files));
  expect(findProfile(library, "a")).toEqual({ file: "a.opf", text: files["a.opf"] });
  for (const name of ["b", "../a", "", "constructor"]) expect(findProfile(library, name)).toBeUndefined();
});

test("one profile is read by its path, and what is none is not", async () => {
  const path = await folder("one", files);
  expect(await readProfile(join(path, "a.opf"))).toEqual({ file: "a.opf", text: files["a.opf"] });
  expect(readProfile(join(path, "b.opf-fragment"))).rejects.toThrow("the name of a profile is");
  expect(readProfile("/etc/passwd")).rejects.toThrow("the name of a profile is");
});
