import type { Client } from "../client.ts";
import { isNotFound } from "../errors.ts";

/** A resource that an API group-version serves. Subresources have a slash in their name. */
export interface ServedResource {
  name: string;
  kind: string;
  namespaced: boolean;
  verbs: string[];
}

/** What a group-version serves; an empty list if the server does not know it. */
export async function discover(client: Client, group: string, version: string): Promise<ServedResource[]> {
  const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  try {
    const action = `discover ${group}/${version}`;
    return (
      (await client.transport.json<{ resources?: ServedResource[] }>({ method: "GET", path, action })).resources ?? []
    );
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

/** The server's version, such as "v1.36.3": a call that needs no rights and no object. */
export async function serverVersion(client: Client): Promise<string> {
  const action = "read the API server's version";
  return (await client.transport.json<{ gitVersion: string }>({ method: "GET", path: "/version", action })).gitVersion;
}
