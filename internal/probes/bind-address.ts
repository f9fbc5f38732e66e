import { UsageError } from "../cli/errors.ts";

/** Where to listen: one address of this machine, or all of them. */
export interface BindAddress {
  /** Absent for every address. */
  host?: string;
  /** 0 for any free one. */
  port: number;
}

/**
 * The value of a flag as an address: HOST:PORT, [ADDRESS]:PORT or :PORT. undefined for "0", which means not to listen.
 *
 * @throws UsageError naming the flag and the forms
 */
export function parseBindAddress(flag: string, value: string): BindAddress | undefined {
  if (value === "0") return undefined;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new UsageError(`Flag --${flag} cannot be "${value}": give HOST:PORT, :PORT, or 0 to turn it off`);
  }
  const host = match[1] ?? match[2];
  return host ? { host, port } : { port };
}
