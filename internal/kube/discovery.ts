/** Which kinds the API server serves. */
import { errorText } from "../cli/errors.ts";
import type { Resource } from "../api/resources.ts";
import type { Client } from "./client.ts";

/** A kind in the version that the API server prefers. */
export interface ServedKind extends Resource {
  readonly verbs: readonly string[];
}

/** What the API server serves. */
export interface Discovery {
  kinds: readonly ServedKind[];
  /** Groups that could not be asked, such as one of an aggregated API server that is down. */
  problems: readonly string[];
}

interface ApiResources {
  resources?: { name: string; kind: string; namespaced: boolean; verbs?: string[] }[];
}
interface ApiGroups {
  groups?: { name: string; preferredVersion?: { version: string } }[];
}

/**
 * Asks for every group in its preferred version (k8s.io/client-go: ServerPreferredResources).
 *
 * @throws ApiError, ConnectionError if not even the groups can be listed
 */
export async function discover(client: Client, signal: AbortSignal): Promise<Discovery> {
  const ask = <T extends object>(path: string): Promise<T> =>
    client.transport.json<T>({ method: "GET", path, action: `discover ${path}`, signal });
  const { groups = [] } = await ask<ApiGroups>("/apis");
  const versions = groups.flatMap(({ name, preferredVersion }) =>
    preferredVersion ? [{ group: name, version: preferredVersion.version, path: `/apis/${name}` }] : [],
  );
  const problems: string[] = [];
  const kinds = [{ group: "", version: "v1", path: "/api" }, ...versions].map(async ({ group, version, path }) => {
    try {
      const { resources = [] } = await ask<ApiResources>(`${path}/${version}`);
      return resources
        .filter(({ name }) => !name.includes("/"))
        .map(({ name: plural, kind, namespaced, verbs = [] }) => ({ group, version, plural, kind, namespaced, verbs }));
    } catch (error) {
      signal.throwIfAborted();
      problems.push(errorText(error));
      return [];
    }
  });
  return { kinds: (await Promise.all(kinds)).flat(), problems };
}
