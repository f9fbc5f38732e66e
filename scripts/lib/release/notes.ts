/** What a release says of its changes, from the commits and from interface.gen.txt. */
import { output, run } from "../../../internal/testcluster/lib/command.ts";
import { compatibilityProblem, type Released } from "./compatibility.ts";

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
 * first lines; what people rely on is told apart, by what has gone or changed and what is new.
 *
 * @throws Error if people rely on what has gone, and the version does not allow for that
 */
export async function releaseNotes(candidate: Candidate): Promise<{ notes: string; changelog: string }> {
  const { checkout, version, commit } = candidate;
  const tags = await tagsBefore(checkout, commit);
  const sections = [version, ...tags.map((tag) => tag.slice(1))];
  const [notes, ...older] = await Promise.all(
    sections.map((name, i) => section({ checkout, version: name, commit: i === 0 ? commit : `v${name}` }, tags[i])),
  );
  const before = tags[0] && (await released(checkout, tags[0]));
  const problem = before && compatibilityProblem(before, { version, text: await interfaceOf(checkout, commit) });
  if (problem !== undefined && problem !== "") throw new Error(problem);
  return { notes: notes!, changelog: [notes!, ...older].join("\n") };
}

/** Tags of releases whose commit is an ancestor, the newest first. */
async function tagsBefore(checkout: string, commit: string): Promise<string[]> {
  const list = ["tag", "--list", TAGS, "--sort=-committerdate", "--sort=-version:refname", "--merged", `${commit}^`];
  const { code, stdout } = await run(["git", "-C", checkout, ...list], { allowFailure: true });
  // A first commit has none before it.
  return code === 0 ? stdout.split("\n").filter((tag) => tag !== "") : [];
}

async function section({ checkout, version, commit }: Candidate, before: string | undefined): Promise<string> {
  const id = await output(["git", "-C", checkout, "rev-parse", `${commit}^{commit}`]);
  const title = `# onloadctl ${version}\n\nCommit ${id}.\n`;
  if (before === undefined) return title;
  const subjects = await output(["git", "-C", checkout, "log", "--reverse", "--format=- %s", `${before}..${commit}`]);
  const [old, now] = await Promise.all([interfaceOf(checkout, before), interfaceOf(checkout, commit)]);
  return [
    title,
    ...difference("Gone or changed", old, now),
    ...difference("New", now, old),
    `Changes since ${before}:\n\n${subjects}\n`,
  ].join("\n");
}

/** Lines of a text that another lacks, as a list with a title. */
function difference(title: string, of: string, other: string): string[] {
  if (of === "" || other === "") return [];
  const known = new Set(other.split("\n"));
  const lines = of.split("\n").filter((line) => !line.startsWith("#") && !known.has(line));
  return lines.length === 0 ? [] : [`${title}:\n\n${lines.map((line) => `- \`${line}\``).join("\n")}\n`];
}

async function released(checkout: string, tag: string): Promise<Released> {
  return { version: tag.slice(1), text: await interfaceOf(checkout, tag) };
}

/** Empty if the commit has no such file. */
async function interfaceOf(checkout: string, commit: string): Promise<string> {
  const { code, stdout } = await run(["git", "-C", checkout, "show", `${commit}:${INTERFACE}`], { allowFailure: true });
  return code === 0 ? stdout : "";
}
