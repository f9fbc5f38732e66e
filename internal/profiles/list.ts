import { onloadSettings } from "./config-map.ts";
import { evaluateProfiles, type Library } from "./evaluate.ts";
import { PROFILE_ENDING } from "./names.ts";
import { ProfileError } from "./syntax.ts";

/** A profile of a folder. It has either settings or a problem. */
interface ListedProfile {
  name: string;
  /** How many EF_ variables it sets. */
  settings?: number;
  /** Why it cannot be converted: file, line and reason. */
  problem?: string;
}

/** All profiles that may be used alone, with what a conversion of each would come to. */
export function listProfiles(library: Library): ListedProfile[] {
  return [...library]
    .filter(([file]) => file.endsWith(PROFILE_ENDING))
    .map(([file, text]) => {
      const name = file.slice(0, -PROFILE_ENDING.length);
      try {
        return { name, settings: onloadSettings(evaluateProfiles([{ file, text }], library)).length };
      } catch (error) {
        if (error instanceof ProfileError) return { name, problem: error.message };
        throw error;
      }
    });
}
