import type { RegistryOptions } from "./engine.ts";

/** How to reach registries, for a whole run. */
export interface RegistryAccess {
  /** Credentials file to use instead of the engine's own. */
  authfile?: string | undefined;
  /** The registries, as HOST or HOST:PORT, that may lack TLS or have an unknown certificate. */
  insecure?: readonly string[];
}

/** Registries on the machine itself need no TLS, because nobody else can read what is sent to them. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/;

/** How to reach the one registry that `image` names. What is allowed for one registry is not for another. */
export function reach(access: RegistryAccess, image: string): RegistryOptions {
  const registry = registryOf(image);
  const insecure = registry !== undefined && (LOOPBACK.test(registry) || access.insecure?.includes(registry) === true);
  return { authfile: access.authfile, insecure };
}

/** HOST or HOST:PORT of an image's name; undefined for a short name, whose registry the engine decides. */
export function registryOf(image: string): string | undefined {
  const slash = image.indexOf("/");
  const first = image.slice(0, Math.max(slash, 0));
  // As engines tell a host from the first part of a path.
  return /[.:]/.test(first) || first === "localhost" ? first : undefined;
}
