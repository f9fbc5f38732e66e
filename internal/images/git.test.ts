import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { appendFile, chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { isChanged } from "./git.ts";
import { processRunner as runner } from "./runner.ts";
import { readSource } from "./source.ts";

const standIn = join(import.meta.dirname, "testdata/onload-tree");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "git-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function git(path: string, ...args: string[]): Promise<string> {
  const settings = ["user.name=t", "user.email=t@t", "commit.gpgsign=false"].flatMap((setting) => ["-c", setting]);
  const { code, stdout, output } = await runner.run(["git", "-C", path, ...settings, ...args]);
  if (code !== 0) throw new Error(output);
  return stdout.trim();
}

async function checkout(name: string): Promise<string> {
  const path = join(folder, name);
  await cp(standIn, path, { recursive: true });
  await git(path, "init", "-q");
  await git(path, "add", ".");
  await git(path, "commit", "-q", "-m", "x");
  return path;
}

describe("a repository that configures programs has none of them run", () => {
  /** Each writes what it configures; `program` notes that it ran. */
  const traps: Record<string, (path: string, program: string) => Promise<unknown>> = {
    fsmonitor: (path, program) => git(path, "config", "core.fsmonitor", program),
    "a filter": async (path, program) => {
      await git(path, "config", "filter.trap.clean", program);
      await git(path, "config", "filter.trap.process", program);
      await writeFile(join(path, ".git/info/attributes"), "* filter=trap\n");
    },
    hooks: async (path, program) => {
      for (const hook of ["post-index-change", "fsmonitor-watchman", "reference-transaction", "pre-auto-gc"])
        await cp(program, join(path, ".git/hooks", hook));
    },
    "an included file": async (path, program) => {
      await writeFile(join(path, ".git/more"), `[core]\nfsmonitor = ${program}\n`);
      await git(path, "config", "include.path", "more");
    },
    "a missing object and where to get it": async (path, program) => {
      await git(path, "config", "extensions.partialClone", "origin");
      await git(path, "config", "core.repositoryFormatVersion", "1");
      await git(path, "config", "core.sshCommand", program);
      await git(path, "config", "remote.origin.promisor", "true");
      await git(path, "config", "remote.origin.uploadpack", program);
      await git(path, "config", "remote.origin.url", folder);
      const tree = await git(path, "rev-parse", "HEAD^{tree}");
      await rm(join(path, ".git/objects", tree.slice(0, 2), tree.slice(2)), { force: true });
    },
  };
  for (const [name, set] of Object.entries(traps)) {
    test(name, async () => {
      const path = await checkout(`trap ${name}`);
      const mark = `${path}.ran`;
      const program = join(folder, `trap-${name.replaceAll(/\W/g, "")}`);
      await writeFile(program, `#!/bin/sh\ntouch '${mark}'\nexit 1\n`);
      await chmod(program, 0o755);
      await set(path, program);
      // Git looks at a file's content only if its times have changed.
      await appendFile(join(path, "LICENSE"), "");
      await chmod(join(path, "LICENSE"), 0o600);
      await readSource(path, { runner }).catch(() => undefined);
      expect(await readdir(folder)).not.toContain(`trap ${name}.ran`);
    });
  }
});

test("a shell in which git works on another repository, as in a hook, changes nothing", async () => {
  const path = await checkout("in a hook");
  const other = await checkout("of the hook");
  await writeFile(join(other, "LICENSE"), "x");
  await git(other, "commit", "-aqm", "other");
  const expected = await readSource(path, { runner });
  const environments: Record<string, string>[] = [
    { GIT_DIR: join(other, ".git") },
    { GIT_DIR: join(other, ".git"), GIT_WORK_TREE: other, GIT_INDEX_FILE: join(other, ".git/index") },
    { GIT_COMMON_DIR: join(other, ".git") },
    { GIT_OBJECT_DIRECTORY: join(other, ".git/objects") },
    { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "core.worktree", GIT_CONFIG_VALUE_0: other },
    { GIT_CONFIG_PARAMETERS: "'core.worktree'='/nowhere'" },
    { GIT_CEILING_DIRECTORIES: folder, GIT_NAMESPACE: "x", GIT_SHALLOW_FILE: "/dev/zero" },
  ];
  for (const environment of environments) {
    Object.assign(process.env, environment);
    try {
      const found = await readSource(path, { runner }).catch(String);
      expect([environment, found]).toEqual([environment, expected]);
    } finally {
      for (const name of Object.keys(environment)) delete process.env[name];
    }
  }
});

describe("a repository in which git would read without an end", () => {
  const pipe = async (path: string, name: string): Promise<void> => {
    await rm(join(path, ".git", name), { force: true });
    execFileSync("mkfifo", [join(path, ".git", name)]);
  };
  const endless = async (path: string, name: string): Promise<void> => {
    await rm(join(path, ".git", name), { force: true });
    await symlink("/dev/zero", join(path, ".git", name));
  };
  /** What is odd, and how it is told. */
  const rows: Record<string, [(path: string) => Promise<unknown>, string]> = {
    "a pipe in place of its head": [(path) => pipe(path, "HEAD"), "git/HEAD is a pipe"],
    "a pipe as a tag": [(path) => pipe(path, "refs/tags/v1"), "git/refs/tags/v1 is a pipe"],
    "an endless device": [(path) => endless(path, "commondir"), "git/commondir is a device"],
    "an endless device among what objects are found by": [
      (path) => endless(path, "objects/info/alternates"),
      "git/objects/info/alternates is a device",
    ],
    "a head of 100 GB": [
      async (path) => {
        await writeFile(join(path, ".git/HEAD"), "ref: refs/heads/main\n");
        await truncate(join(path, ".git/HEAD"), 100e9);
      },
      "git/HEAD has more than 256 MB",
    ],
  };
  for (const [name, [change, told]] of Object.entries(rows)) {
    test(name, async () => {
      const path = await checkout(`endless ${name}`);
      await change(path);
      await expect(readSource(path, { runner })).rejects.toThrow(`Cannot read the commit of ${path}: ${path}/.${told}`);
    });
  }

  test("but a socket, such as that of git's fsmonitor daemon, keeps nobody waiting", async () => {
    const path = await checkout("socket");
    const expected = await readSource(path, { runner });
    const server = createServer().listen(join(path, ".git/fsmonitor--daemon.ipc"));
    await once(server, "listening");
    try {
      expect(await readSource(path, { runner })).toEqual(expected);
    } finally {
      server.close();
    }
  });

  test("a pipe in place of an object, in time", async () => {
    const path = await checkout("endless object");
    const head = await git(path, "rev-parse", "HEAD");
    await pipe(path, `objects/${head.slice(0, 2)}/${head.slice(2)}`);
    const began = performance.now();
    const result = readSource(path, { runner, gitMs: 500 });
    await expect(result).rejects.toThrow(`Cannot read the commit of ${path}: git has not ended within 0.5 s`);
    expect(performance.now() - began).toBeLessThan(20_000);
  });

  test("a head of another folder that has no end, in as much memory as git may take", async () => {
    const path = await checkout("endless elsewhere");
    const other = join(folder, "elsewhere");
    await cp(join(path, ".git"), other, { recursive: true });
    await rm(join(path, ".git"), { recursive: true });
    await writeFile(join(path, ".git"), `gitdir: ${other}\n`);
    await symlink("/dev/zero", join(other, "commondir"));
    await expect(readSource(path, { runner })).rejects.toThrow("Out of memory");
  });
});

describe("what is a change", () => {
  const rows: Record<string, [(path: string) => Promise<unknown>, boolean]> = {
    nothing: [async () => undefined, false],
    "times only": [(path) => git(path, "update-index", "--refresh"), false],
    "a new file": [(path) => writeFile(join(path, "new"), "x"), false],
    "a file's content": [(path) => writeFile(join(path, "LICENSE"), "x"), true],
    "a file that is gone": [(path) => rm(join(path, "LICENSE")), true],
    "a file's mode": [(path) => chmod(join(path, "LICENSE"), 0o755), true],
    "a link in its place": [
      async (path) => {
        await rm(join(path, "LICENSE"));
        await symlink("README", join(path, "LICENSE"));
      },
      true,
    ],
    "a folder in its place": [
      async (path) => {
        await rm(join(path, "LICENSE"));
        await mkdir(join(path, "LICENSE"));
      },
      true,
    ],
    "one that is staged": [
      async (path) => {
        await writeFile(join(path, "LICENSE"), "x");
        await git(path, "add", "LICENSE");
      },
      true,
    ],
  };
  for (const [name, [change, changed]] of Object.entries(rows)) {
    test(name, async () => {
      const path = await checkout(`change ${name}`);
      await change(path);
      const status = await git(path, "status", "--porcelain", "--untracked-files=no");
      const { version } = await readSource(path, { runner });
      // Git's own answer is the other witness.
      expect([version.endsWith("-dirty"), status !== ""]).toEqual([changed, changed]);
    });
  }

  test("a name longer than any file's, which is not read to its end", async () => {
    let bytes = 0;
    const endless = Readable.from(
      (function* () {
        yield Buffer.from("100644 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t");
        for (; bytes < 1_000_000; bytes += 65_536) yield Buffer.alloc(65_536, "a");
        throw new Error("read too far");
      })(),
    );
    expect(await isChanged(folder, { runner: { ...runner, read: (_, read) => read(endless) } })).toBe(true);
    expect(bytes).toBeLessThan(200_000);
  });

  test("files that together have more than any source, though each has less", async () => {
    const path = await checkout("large together");
    for (const name of ["one", "two"]) await writeFile(join(path, name), "x".repeat(600_000));
    await git(path, "add", ".");
    await git(path, "commit", "-qm", "large");
    expect(await isChanged(path, { runner, maxBytes: 2_000_000 })).toBe(false);
    await expect(isChanged(path, { runner, maxBytes: 1_000_000 })).rejects.toThrow(
      `Cannot use ${path}: with two its files have more than 976 kB`,
    );
  });

  test("a list of files longer than any commit's, which is not kept", async () => {
    const entry = Buffer.from(`100644 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t${"a".repeat(4000)}\0`.repeat(16));
    let bytes = 0;
    const endless = Readable.from(
      (function* () {
        for (; bytes < 1e9; bytes += entry.length) yield entry;
      })(),
    );
    await expect(isChanged(folder, { runner: { ...runner, read: (_, read) => read(endless) } })).rejects.toThrow(
      `Cannot read the commit of ${folder}: its list of files has more than 64 MB`,
    );
    expect(bytes).toBeLessThan(70_000_000);
  });
});
