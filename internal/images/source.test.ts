import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalImage } from "./engine.ts";
import { processRunner as runner } from "./runner.ts";
import { folderDigest, readSource, sourceOfImage } from "./source.ts";

const standIn = join(import.meta.dirname, "testdata/onload-tree");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "source-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function tree(name: string): Promise<string> {
  const path = join(folder, name);
  await cp(standIn, path, { recursive: true });
  return path;
}

async function git(path: string, ...args: string[]): Promise<string> {
  const identity = [
    "-c",
    "user.name=t",
    "-c",
    "user.email=t@t",
    "-c",
    "init.defaultBranch=main",
    "-c",
    "commit.gpgsign=false",
  ];
  const { code, stdout, output } = await runner.run(["git", "-C", path, ...identity, ...args]);
  if (code !== 0) throw new Error(output);
  return stdout.trim();
}

async function checkout(name: string): Promise<string> {
  const path = await tree(name);
  await git(path, "init", "-q");
  await git(path, "add", ".");
  await git(path, "commit", "-q", "-m", "x");
  return path;
}

describe("the version of a checkout", () => {
  test("is its commit", async () => {
    const path = await checkout("commit");
    const head = await git(path, "rev-parse", "--short=7", "HEAD");
    expect(await readSource(path, { runner })).toMatchObject({ kind: "checkout", version: head, revision: head });
  });

  test("is its tag without the leading v", async () => {
    const path = await checkout("tag");
    await git(path, "tag", "v9.2.1");
    expect((await readSource(path, { runner })).version).toBe("9.2.1");
  });

  test("says that files were changed", async () => {
    const path = await checkout("dirty");
    const before = await readSource(path, { runner });
    await writeFile(join(path, "versions.env"), "ONLOAD_VERSION=9.9.9\n");
    const after = await readSource(path, { runner });
    expect(after.version).toBe(`${before.version}-dirty`);
    expect(after.digest).not.toBe(before.digest);
  });

  test("is what is asked for", async () => {
    expect((await readSource(await checkout("asked"), { runner, version: "v8" })).version).toBe("v8");
  });

  test("is that of versions.env where there is no git", async () => {
    expect(await readSource(await tree("plain"), { runner })).toMatchObject({ kind: "checkout", version: "9.1.0" });
  });
});

test("a release tarball made by the tree's own script, and the tree unpacked from it", async () => {
  const work = join(folder, "release");
  await mkdir(work);
  const made = await runner.run([join(standIn, "scripts/onload_mkdist"), "--version", "9.1.0", "--srcrev", "abcdef1"], {
    cwd: work,
  });
  expect(made.code).toBe(0);
  const expected = { product: "onload", brand: "OpenOnload", version: "9.1.0", revision: "abcdef1" };
  expect(await readSource(join(work, "onload-9.1.0.tgz"), { runner })).toMatchObject({ kind: "tarball", ...expected });
  await runner.run(["tar", "-xzf", "onload-9.1.0.tgz"], { cwd: work });
  expect(await readSource(join(work, "onload-9.1.0"), { runner })).toMatchObject({ kind: "tree", ...expected });
});

describe("what is no source", () => {
  test("nothing", () => {
    expect(readSource(join(folder, "none"), { runner })).rejects.toThrow("none: no such file or directory");
  });

  test("another folder", async () => {
    await mkdir(join(folder, "other"));
    expect(readSource(join(folder, "other"), { runner })).rejects.toThrow(
      "it is not an Onload tree, it has no scripts/onload_build",
    );
  });

  test("a tarball of something else", async () => {
    await mkdir(join(folder, "else/thing-1"), { recursive: true });
    await writeFile(join(folder, "else/thing-1/file"), "x");
    await runner.run(["tar", "-czf", "thing.tgz", "thing-1"], { cwd: join(folder, "else") });
    expect(readSource(join(folder, "else/thing.tgz"), { runner })).rejects.toThrow("it is not an Onload release");
  });

  test("one whose version cannot be a label", async () => {
    expect(readSource(await tree("comma"), { runner, version: "9,1" })).rejects.toThrow('Cannot use the version "9,1"');
  });

  test("a checkout that git refuses to read", async () => {
    const path = await tree("broken");
    await writeFile(join(path, ".git"), "gitdir: /nowhere\n");
    expect(readSource(path, { runner })).rejects.toThrow(
      `Cannot read the commit of ${path}: fatal: not a git repository`,
    );
  });
});

describe("folderDigest", () => {
  test("gives up on a tree that is larger than any source", async () => {
    const path = await tree("sparse");
    await writeFile(join(path, "src-of-zeros"), "");
    await truncate(join(path, "src-of-zeros"), 1e13);
    await expect(readSource(path, { runner })).rejects.toThrow(
      `Cannot use ${path}: it has more than 4 GB (at "src-of-zeros")`,
    );
  });

  test("sees contents, modes, links and names; not git's files, local builds or times", async () => {
    const path = await tree("digest");
    const seen = new Set<string>();
    const changed = async (): Promise<boolean> => {
      const before = seen.size;
      seen.add(await folderDigest(path));
      return seen.size > before;
    };
    await changed();
    await mkdir(join(path, ".git"));
    await writeFile(join(path, ".git/HEAD"), "x");
    await mkdir(join(path, "build"));
    await writeFile(join(path, "build/x.o"), "x");
    expect(await changed()).toBe(false);
    await writeFile(join(path, "LICENSE"), "other");
    expect(await changed()).toBe(true);
    await chmod(join(path, "LICENSE"), 0o755);
    expect(await changed()).toBe(true);
    await symlink("LICENSE", join(path, "COPYING"));
    expect(await changed()).toBe(true);
  });
});

describe("sourceOfImage", () => {
  const image: LocalImage = {
    id: "ab",
    architecture: "amd64",
    os: "linux",
    env: [],
    user: "",
    size: 1,
    digests: [],
    labels: {},
  };

  test("an image made by Onload's own scripts", () => {
    const labels = {
      "com.amd.onload.product": "onload",
      "com.amd.onload.brand": "OpenOnload",
      "org.opencontainers.image.version": "9.1.0",
      "org.opencontainers.image.revision": "ef17681",
    };
    expect(sourceOfImage("s:1", { ...image, labels })).toEqual({
      kind: "image",
      location: "s:1",
      product: "onload",
      brand: "OpenOnload",
      version: "9.1.0",
      revision: "ef17681",
      digest: "sha256:ab",
      imageId: "ab",
    });
  });

  test("ours says which source it holds", () => {
    const labels = { "org.opencontainers.image.version": "9.1.0", "com.amd.onload.source.digest": "sha256:cd" };
    expect(sourceOfImage("s:1", { ...image, labels }).digest).toBe("sha256:cd");
  });

  test("one without version needs to be told", () => {
    expect(() => sourceOfImage("s:1", image)).toThrow("give it with --onload-version");
    expect(sourceOfImage("s:1", image, "7").version).toBe("7");
  });
});
