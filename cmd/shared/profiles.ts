/** What the subcommands about Onload's profiles share. */
import { dirname } from "node:path";
import type { Args } from "../../internal/cli/command.ts";
import { UsageError } from "../../internal/cli/errors.ts";
import { nearest } from "../../internal/cli/nearest.ts";
import { evaluateProfiles, type Library, type Profile, type ProfileSetting } from "../../internal/profiles/evaluate.ts";
import { DEFAULT_PROFILE_DIR, findProfile, readLibrary, readProfile } from "../../internal/profiles/library.ts";
import { isProfileVariable, profileOfFile } from "../../internal/profiles/names.ts";

/** Where profiles are. */
export const profileDirArg = {
  "profile-dir": {
    type: "string",
    valueHint: "PATH",
    description: `Folder of profiles, Onload's source, or its release tarball (default: ${DEFAULT_PROFILE_DIR}, or the folder of FILE.opf)`,
  },
} as const satisfies Args;

/** Which profiles, and what their environment has already. */
export const profileArgs = {
  profile: {
    type: "positional",
    repeatable: true,
    required: true,
    valueHint: "NAME|FILE.opf",
    description: "Profiles, the first of which counts where several set the same",
  },
  set: {
    type: "string",
    repeatable: true,
    valueHint: "NAME=VALUE",
    description: "Variable that the environment has already, which profiles then leave alone",
  },
  ...profileDirArg,
} as const satisfies Args;

/** Values of {@link profileArgs}. */
interface ProfileValues {
  profile: string[];
  set: string[];
  "profile-dir"?: string | undefined;
}

/** The names of the chosen profiles, and what they set together. */
export async function readSettings(
  args: ProfileValues,
  signal: AbortSignal,
): Promise<{ names: string[]; settings: ProfileSetting[] }> {
  const environment = new Map(args.set.map(splitSetting));
  const { profiles, library } = await readProfiles(args, signal);
  let settings: ProfileSetting[];
  try {
    settings = evaluateProfiles(profiles, library, environment);
  } catch (error) {
    throw new Error(`Cannot convert ${(error as Error).message}`, { cause: error });
  }
  return { names: profiles.map(({ file }) => profileOfFile(file)!), settings };
}

async function readProfiles(
  { profile: given, "profile-dir": dir }: ProfileValues,
  signal: AbortSignal,
): Promise<{ profiles: Profile[]; library: Library }> {
  const isFile = (text: string): boolean => text.includes("/") || profileOfFile(text) !== undefined;
  const files = new Map<string, Profile>();
  for (const path of given.filter(isFile)) files.set(path, await readProfile(path));
  const needsOthers =
    files.size < given.length || [...files.values()].some(({ text }) => text.includes("onload_import"));
  const [firstFile] = files.keys();
  const from = dir ?? (firstFile === undefined ? DEFAULT_PROFILE_DIR : dirname(firstFile));
  const library = needsOthers ? await readLibrary(from, signal) : new Map<string, string>();
  const profiles = given.map(
    (name) => files.get(name) ?? findProfile(library, name) ?? unknownProfile(name, library, from),
  );
  return { profiles, library };
}

function unknownProfile(name: string, library: Library, from: string): never {
  const names = [...library.keys()].filter((file) => file.endsWith(".opf")).map((file) => profileOfFile(file)!);
  const near = nearest(name, names);
  throw new UsageError(
    `Unknown profile "${name}" in ${from}${near === undefined ? "" : `: did you mean ${near}?`}; see \`onloadctl profile list\``,
  );
}

function splitSetting(text: string): [string, string] {
  const equals = text.indexOf("=");
  const name = text.slice(0, Math.max(equals, 0));
  const value = text.slice(equals + 1);
  if (isProfileVariable(name) && !/\p{Cc}|'/u.test(value) && value.length <= 4096) return [name, value];
  throw new UsageError(`Flag --set cannot be "${text}": give NAME=VALUE, such as EF_CTPIO_MODE=ct`);
}
