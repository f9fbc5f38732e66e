import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output } from "../../../internal/testcluster/lib/command.ts";
import { releaseNotes } from "./notes.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-notes-"));
  await git("init", "-q");
});
afterEach(() => rm(folder, { recursive: true }));

const git = (...args: string[]): Promise<string> =>
  output(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false", ...args]);
async function commit(subject: string, lines?: string[]): Promise<string> {
  if (lines) await writeFile(join(folder, "interface.gen.txt"), `# what is stable\n${lines.join("\n")}\n`);
  await git("add", "-A");
  await git("commit", "-q", "--allow-empty", "-m", `${subject}\n\nMore of it.`);
  return git("rev-parse", "HEAD");
}
const made = async (version: string): ReturnType<typeof releaseNotes> =>
  releaseNotes({ checkout: folder, version, commit: await git("rev-parse", "HEAD") });

test("a first release has a title and its commit", async () => {
  const id = await commit("one", ["command a"]);
  const first = `# onloadctl 0.1.0\n\nCommit ${id}.\n`;
  expect(await made("0.1.0")).toEqual({ notes: first, changelog: first });
});

test("later ones have the commits since, what people rely on apart, and all releases before", async () => {
  const first = await commit("one", ["command a", "command b"]);
  await git("tag", "v0.9.0");
  await commit("two");
  const second = await commit("three", ["command b", "metric c gauge"]);
  await git("tag", "-m", "annotated", "v0.10.0");
  // No release.
  await git("tag", "nightly");
  const third = await commit("four");
  const notes = `# onloadctl 0.10.1

Commit ${third}.

Changes since v0.10.0:

- four
`;
  const changelog = `${notes}
# onloadctl 0.10.0

Commit ${second}.

Gone or changed:

- \`command a\`

New:

- \`metric c gauge\`

Changes since v0.9.0:

- two
- three

# onloadctl 0.9.0

Commit ${first}.
`;
  expect(await made("0.10.1")).toEqual({ notes, changelog });
});

test("a commit that was released already is not its own predecessor", async () => {
  const id = await commit("one", ["command a"]);
  await git("tag", "v0.1.0");
  expect((await made("0.1.0")).notes).toBe(`# onloadctl 0.1.0\n\nCommit ${id}.\n`);
});

test("a hotfix that was released from a branch is known once it is merged back", async () => {
  await commit("one", ["command a"]);
  await git("tag", "v1.0.0");
  const main = await git("rev-parse", "--abbrev-ref", "HEAD");
  await git("checkout", "-q", "-b", "hotfix");
  await commit("fix");
  await git("tag", "v1.0.1");
  await git("checkout", "-q", main);
  await commit("two");
  await git("merge", "-q", "--no-ff", "-m", "merge", "hotfix");
  await expect(made("1.0.1")).rejects.toThrow("Cannot release 1.0.1 after 1.0.1");
  const { notes, changelog } = await made("1.0.2");
  expect(notes).toContain("Changes since v1.0.1:");
  expect(notes).not.toContain("- fix\n");
  expect(changelog.match(/^# onloadctl \S+/gm)).toEqual([
    "# onloadctl 1.0.2",
    "# onloadctl 1.0.1",
    "# onloadctl 1.0.0",
  ]);
});

test("what people rely on does not go with a version that says it stays", async () => {
  await commit("one", ["command a"]);
  await git("tag", "v1.0.0");
  await commit("two", ["command b"]);
  await expect(made("1.1.0")).rejects.toThrow("Cannot release 1.1.0 after 1.0.0: people rely on what has gone");
  expect((await made("2.0.0")).notes).toContain("- `command a`\n");
});

test("of a release before there was the list, nothing is known", async () => {
  await commit("one");
  await git("tag", "v1.0.0");
  await commit("two", ["command b"]);
  expect((await made("1.0.1")).notes).not.toContain("command b");
});

describe("after candidates", () => {
  beforeEach(async () => {
    await commit("zero", ["command a", "command b"]);
    await git("tag", "v0.9.0");
    await commit("one", ["command a", "command b", "command c"]);
    await git("tag", "v1.0.0-rc.1");
  });

  test("a release is compared with the full release before", async () => {
    await commit("two", ["command a", "command d"]);
    await git("tag", "v1.0.0-rc.2");
    await git("tag", "v1.0.0-rc.10");
    await commit("three");
    // What only a candidate had may go.
    const { notes } = await made("1.0.0");
    expect(notes).toContain("Gone or changed:\n\n- `command b`\n");
    expect(notes).toContain("Changes since v0.9.0:\n\n- one\n- two\n- three\n");
    await git("tag", "v1.0.0");
    await commit("four");
    const later = await made("1.0.1");
    expect(later.notes).toContain("Changes since v1.0.0:\n\n- four\n");
    const titles = later.changelog.match(/^(?:# onloadctl|Changes since) \S+/gm);
    expect(titles).toEqual([
      "# onloadctl 1.0.1",
      "Changes since v1.0.0:",
      "# onloadctl 1.0.0",
      "Changes since v0.9.0:",
      "# onloadctl 1.0.0-rc.10",
      "Changes since v0.9.0:",
      "# onloadctl 1.0.0-rc.2",
      "Changes since v0.9.0:",
      "# onloadctl 1.0.0-rc.1",
      "Changes since v0.9.0:",
      "# onloadctl 0.9.0",
    ]);
  });

  test("a version that is not above the full release before is refused", async () => {
    await commit("two");
    await expect(made("0.9.0")).rejects.toThrow("Cannot release 0.9.0 after 0.9.0: a release has a version above");
    await expect(made("0.8.0")).rejects.toThrow("Cannot release 0.8.0 after 0.9.0");
  });

  test("a tag that is no version is no release", async () => {
    await git("tag", "v2");
    await git("tag", "v2.0-old");
    await commit("two");
    expect((await made("1.0.0")).changelog).not.toContain("onloadctl 2");
  });
});
