import packageJson from "../../package.json" with { type: "json" };

/** The program's version (semver), as `--version`, the user agent, image labels and metrics show it. */
export const VERSION: string = packageJson.version;
