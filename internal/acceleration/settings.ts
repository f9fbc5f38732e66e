/** Onload's own variables in the environment of a process. */

/**
 * EF_ variables by name. Null for a value that is no number: it may be anything, and whoever reaches the device plugin's port
 * may read what is here.
 */
export type ProcessSettings = Readonly<Record<string, string | null>>;

const MAX_SETTINGS = 64;
const NAME = /^EF_[A-Za-z0-9_]{1,61}$/;
const NUMBER = /^[+-]?(?:0x)?[0-9a-fA-F]{1,20}$/;

/** Whether a text is a name of an EF_ variable that is not too long. */
export function isSettingName(name: string): boolean {
  return NAME.test(name);
}

/** Whether a text is a number, as Onload reads them. */
export function isSettingNumber(value: string): boolean {
  return NUMBER.test(value);
}

/**
 * The EF_ variables of a process, at most 64 of them. Of several of one name the first counts, as it does for getenv.
 *
 * @param environment /proc/PID/environ, or its beginning
 */
export function settingsIn(environment: Buffer): ProcessSettings {
  const found: Record<string, string | null> = {};
  let left = MAX_SETTINGS;
  for (let at = 0; at >= 0 && at < environment.length && left > 0; at = next(environment, at)) {
    // "EF_", without making a text of each variable.
    if (environment[at] !== 0x45 || environment[at + 1] !== 0x46 || environment[at + 2] !== 0x5f) continue;
    const [name, value] = variable(environment, at);
    if (value === undefined || !isSettingName(name) || Object.hasOwn(found, name)) continue;
    found[name] = isSettingNumber(value) ? value : null;
    left--;
  }
  return found;
}

/** Where the next variable begins; -1: there is none. */
function next(environment: Buffer, at: number): number {
  const end = environment.indexOf(0, at);
  return end < 0 ? -1 : end + 1;
}

/** Name and value, as far as they are short. */
function variable(environment: Buffer, at: number): [name: string, value: string | undefined] {
  const end = environment.indexOf(0, at);
  // The end of what was read may be in the middle of a value.
  if (end < 0) return ["", undefined];
  const text = environment.toString("latin1", at, Math.min(end, at + 128));
  const equals = text.indexOf("=");
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}
