/**
 * Whether a version keeps its word: it is above the one before, and what is stable goes with a new major version only, before
 * 1.0.0 with a minor one.
 */

/** What is compared: a version, and the text of interface.gen.txt that belongs to it. */
export interface Released {
  version: string;
  text: string;
}

/** Lines that are named in a refusal. */
const SHOWN = 10;

/** A field or flag that must be given: that ends the line, and what it is part of begins it. */
const REQUIRED = /^(.*?)(?: ?\.[^.\s]+| --\S+(?: -\w)?) required$/;

/** What must be given now and had not to be, of what there was. What must not be given any more harms nobody. */
function newlyRequired(before: Released, after: Released): string[] {
  const known = before.text.split("\n");
  // A release before there were such lines tells nothing.
  if (!known.some((line) => REQUIRED.test(line))) return [];
  return linesOnlyIn(after.text, before.text).filter((line) => {
    const whole = REQUIRED.exec(line)?.[1];
    return whole !== undefined && known.some((each) => each === whole || each.startsWith(`${whole} `));
  });
}

/** Lines of a text of interface.gen.txt that another lacks. */
export function linesOnlyIn(text: string, other: string): string[] {
  const known = new Set(other.split("\n"));
  return text.split("\n").filter((line) => !line.startsWith("#") && !known.has(line));
}

/**
 * Why a version may not follow another.
 *
 * @param before a full release, no candidate
 * @returns undefined if it may
 */
export function compatibilityProblem(before: Released, after: Released): string | undefined {
  if (Bun.semver.order(after.version, before.version) <= 0) {
    return `Cannot release ${after.version} after ${before.version}: a release has a version above that of the one before`;
  }
  const gone = [
    ...linesOnlyIn(before.text, after.text).filter((line) => !REQUIRED.test(line)),
    ...newlyRequired(before, after),
  ];
  if (gone.length === 0) return undefined;
  const [from, to] = [before, after].map(({ version }) => version.split(".").map((part) => Number.parseInt(part, 10)));
  const [[major = 0, minor = 0], [newMajor = 0, newMinor = 0]] = [from!, to!];
  if (newMajor > major || (major === 0 && newMajor === 0 && newMinor > minor)) return undefined;
  const next = major === 0 ? `0.${minor + 1}.0` : `${major + 1}.0.0`;
  const more = gone.length > SHOWN ? [`and ${gone.length - SHOWN} more`] : [];
  return `Cannot release ${after.version} after ${before.version}: people rely on what has gone or changed, which needs ${next}: ${[...gone.slice(0, SHOWN), ...more].join("; ")}`;
}
