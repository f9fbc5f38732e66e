import { UsageError } from "./errors.ts";

/**
 * A flag's value as a whole number between `min` and `max`.
 *
 * @throws UsageError naming the flag and the range
 */
export function integerFlag(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (!/^-?\d+$/.test(value) || number < min || number > max) {
    throw new UsageError(`Flag --${name} cannot be "${value}": give a whole number from ${min} to ${max}`);
  }
  return number;
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * A flag's value as a duration such as 500ms, 30s, 5m or 1h30m, in milliseconds.
 *
 * @throws UsageError naming the flag and the form
 */
export function durationFlag(name: string, value: string): number {
  const parts = [...value.matchAll(/(\d+)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== value) {
    throw new UsageError(`Flag --${name} cannot be "${value}": give a duration such as 30s, 5m or 1h`);
  }
  return parts.reduce((sum, part) => sum + Number(part[1]) * UNIT_MS[part[2]!]!, 0);
}

/**
 * A flag's value as an absolute path.
 *
 * @throws UsageError naming the flag
 */
export function absolutePathFlag(name: string, value: string): string {
  if (value.startsWith("/")) return value;
  throw new UsageError(`Flag --${name} cannot be "${value}": give an absolute path such as /opt/onload`);
}

/** Whether the API server allows `name` as the name of a namespace. */
export function isNamespaceName(name: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name);
}

/**
 * The value of an optional flag as the name of a namespace.
 *
 * @throws UsageError naming the flag and what such a name may have
 */
export function namespaceFlag(name: string, value: string | undefined): string | undefined {
  if (value === undefined || isNamespaceName(value)) return value;
  throw new UsageError(
    `Flag --${name} cannot be "${value}": use at most 63 lower-case letters, digits and "-", with a letter or digit at each end`,
  );
}
