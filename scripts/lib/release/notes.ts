/** What a release says of its changes, from the commits and from interface.gen.txt. */
import { isSemanticVersion } from "../../../internal/cli/version.ts";
import { output, run } from "../../../internal/testcluster/lib/command.ts";
import { compatibilityProblem, linesOnlyIn, type Released } from "./compatibility.ts";

const INTERFACE = "interface.gen.txt";
/** Tags of releases. */
const TAGS = "v[0-9]*";

/** A commit that is to be released. */
export interface Candidate {
  /** A folder with the repository. */
  checkout: string;
  version: string;
  commit: string;
}

/**
 * The changes of this release since the one before, and then those of all before it, in Markdown. Changes are the commits'
 * first lines; what people rely on is told apart, by what has gone or changed and what is new. All are told since the last
 * full release: who installs one need not have seen its candidates.
 *
 * @throws Error if the version is not above that of the full release before, or people rely on what has gone and the
 *   version does not allow for that
 */
export async function releaseNotes({
  checkout,
  version,
  commit,
}: Candidate): Promise<{ notes: string; changelog: string }> {
  const tags = await tagsBefore(checkout, commit);
  const releases = await Promise.all([
    releaseOf(checkout, version, commit),
    ...tags.map((tag) => releaseOf(checkout, tag.slice(1), tag)),
  ]);
  const fullBefore = (index: number): Release | undefined => releases.slice(index + 1).find(isFull);
  const before = fullBefore(0);
  const problem = before && compatibilityProblem(before, releases[0]!);
  if (problem !== undefined) throw new Error(problem);
  const [notes, ...older] = await Promise.all(releases.map((each, i) => section(checkout, each, fullBefore(i))));
  return { notes: notes!, changelog: [notes!, ...older].join("\n") };
}

/** A release with the text of its file, which is empty if its commit has none. */
interface Release extends Released {
  /** A commit, or a tag of one. */
  at: string;
}

async function releaseOf(checkout: string, version: string, at: string): Promise<Release> {
  const { code, stdout } = await run(["git", "-C", checkout, "show", `${at}:${INTERFACE}`], { allowFailure: true });
  return { version, at, text: code === 0 ? stdout : "" };
}

function isFull({ version }: Released): boolean {
  return !version.includes("-");
}

/**
 * Tags of releases whose commit is an ancestor, by any parent of a merge, the highest version first. Git's own order obeys
 * its user's configuration.
 */
async function tagsBefore(checkout: string, commit: string): Promise<string[]> {
  // What contains the commit is its own tag: it may have been released already.
  const list = ["tag", "--list", TAGS, "--merged", commit, "--no-contains", commit];
  const tags = (await output(["git", "-C", checkout, ...list]))
    .split("\n")
    .filter((tag) => isSemanticVersion(tag.slice(1)));
  return tags.toSorted((a, b) => Bun.semver.order(b.slice(1), a.slice(1)));
}

async function section(checkout: string, release: Release, before: Release | undefined): Promise<string> {
  const id = await output(["git", "-C", checkout, "rev-parse", `${release.at}^{commit}`]);
  const title = `# onloadctl ${release.version}\n\nCommit ${id}.\n`;
  if (before === undefined) return title;
  const range = `${before.at}..${release.at}`;
  const subjects = await output(["git", "-C", checkout, "log", "--reverse", "--format=- %s", range]);
  return [
    title,
    ...difference("Gone or changed", before, release),
    ...difference("New", release, before),
    `Changes since ${before.at}:\n\n${subjects}\n`,
  ].join("\n");
}

/** What is stable in a release and not in another, as a list with a title. */
function difference(title: string, { text }: Release, other: Release): string[] {
  if (text === "" || other.text === "") return [];
  const lines = linesOnlyIn(text, other.text);
  return lines.length === 0 ? [] : [`${title}:\n\n${lines.map((line) => `- \`${line}\``).join("\n")}\n`];
}
