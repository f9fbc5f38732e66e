/** What an API server says about itself. */
import type { Resource } from "../api/resources.ts";
import type { CallOptions } from "./call-options.ts";
import type { Client } from "./client.ts";
import { isNotFound } from "./errors.ts";

/**
 * The API server's version, such as v1.27.16+9116a69; "" if it does not say.
 *
 * @throws ApiError, ConnectionError
 */
export async function serverVersion({ transport }: Client, options: CallOptions): Promise<string> {
  const request = { method: "GET", path: "/version", action: "read the API server's version", ...options } as const;
  const { gitVersion } = await transport.json<{ gitVersion?: unknown }>(request);
  return typeof gitVersion === "string" ? gitVersion : "";
}

/**
 * Whether the API server serves a resource in just that version: an old one does not know it, and an administrator may
 * have switched it off.
 *
 * @throws ApiError, ConnectionError
 */
export async function serves({ transport }: Client, resource: Resource, options: CallOptions): Promise<boolean> {
  const path = `/apis/${resource.group}/${resource.version}`;
  try {
    const request = { method: "GET", path, action: `discover ${path}`, ...options } as const;
    const { resources } = await transport.json<{ resources?: { name?: string }[] | null }>(
      request,
      ({ kind }) => kind === "APIResourceList",
    );
    return (resources ?? []).some(({ name }) => name === resource.plural);
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
