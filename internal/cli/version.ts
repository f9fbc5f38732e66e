import packageJson from "../../package.json" with { type: "json" };

/** The program's version (semver), as `--version`, the user agent, image labels and metrics show it. */
export const VERSION: string = packageJson.version;

/** Whether a text is a semantic version (https://semver.org) without build metadata, of which tags of images have none. */
export function isSemanticVersion(text: string): boolean {
  const [, release = "", pre] = /^([0-9.]+)(?:-([0-9A-Za-z.-]+))?$/.exec(text) ?? [];
  const isNumber = (part: string): boolean => /^(?:0|[1-9][0-9]*)$/.test(part);
  const numbers = release.split(".");
  const words = pre?.split(".") ?? [];
  return (
    numbers.length === 3 &&
    numbers.every(isNumber) &&
    words.every((word) => (/^[0-9]*$/.test(word) ? isNumber(word) : true))
  );
}
