/** Variables of the script `onload`, which reads the profiles, and of the shells that run it. */
const SCRIPT_NAMES: ReadonlySet<string> = new Set(
  (
    "app appname bin bn cmdline d doit efablib f first handler handler_d histchars auto_resume keepwrapper lib me " +
    "mod_ver mycmdline onload onload_args os pf pf1 pf2 pf3 pf_frag1 pf_frag2 preload profile profile_d profileforce " +
    "profiles rmfiles t test toplevelimport usehandler verbose wrapped wrapper ONLOAD_DRIVERCHECK ONLOAD_PRELOAD " +
    "ONLOAD_ENV POSIXLY_CORRECT"
  ).split(" "),
);

/**
 * Whether a variable is a profile's own: nothing else gives it a value, and nothing else obeys it. Variables of the
 * shell have upper-case names without "_", such as PATH and IFS, or begin with one of some words.
 */
export function isProfileVariable(name: string): boolean {
  if (/^EF_[A-Z0-9_]+$/.test(name)) return true;
  if (SCRIPT_NAMES.has(name) || /^(BASH|COMP|LC|LD|PS|READLINE|HIST)_/.test(name)) return false;
  return /^([a-z][a-z0-9_]*|[A-Z][A-Z0-9]*_[A-Z0-9_]+)$/.test(name);
}

/** Whether a variable is one of Onload's, or is meant to be. */
export function isOnloadVariable(name: string): boolean {
  return name.startsWith("EF_");
}

/** Whether a text is the name of a profile, without the folder and the ending of its file. */
export function isProfileName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text);
}

/** Endings of the files of profiles. A fragment is for other profiles only. */
export const PROFILE_ENDING = ".opf";
export const FRAGMENT_ENDING = ".opf-fragment";

/** The name of a profile by the name of its file; undefined for other files. */
export function profileOfFile(file: string): string | undefined {
  const ending = [PROFILE_ENDING, FRAGMENT_ENDING].find((each) => file.endsWith(each));
  const name = ending === undefined ? "" : file.slice(0, -ending.length);
  return isProfileName(name) ? name : undefined;
}
