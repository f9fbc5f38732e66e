import { errorText } from "../cli/errors.ts";
import type { CustomResourceDefinition, KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import type { Client } from "../kube/client.ts";
import { ApiError, isNotFound, isUnauthorized } from "../kube/errors.ts";
import { refusalText } from "../kube/refusal-text.ts";
import { CUSTOM_RESOURCE_DEFINITIONS } from "../kube/resource.ts";

/** What was read, or why it could not be. */
export type Read<T> =
  | { value: T }
  | {
      /** In short. */
      problem: string;
      /** In the API server's words, if it has refused. */
      refusal?: string;
    };

/** How {@link read} takes what the API server refuses. */
export interface ReadOptions<T> {
  /** What there is if the kind or object is not there. */
  absent?: T;
  /** A refusal in words. */
  textOf?: (error: ApiError) => string;
}

/**
 * Reads, and holds a refusal of the API server fast as a problem.
 *
 * @throws everything else: the server is out of reach, or does not accept the login, so that nothing can be read
 */
export async function read<T>(
  look: () => Promise<T>,
  { absent, textOf = refusalText }: ReadOptions<T> = {},
): Promise<Read<T>> {
  try {
    return { value: await look() };
  } catch (error) {
    if (isNotFound(error) && absent !== undefined) return { value: absent };
    if (error instanceof ApiError && !isUnauthorized(error))
      return { problem: textOf(error), refusal: errorText(error) };
    throw error;
  }
}

/** Reads all objects of a kind, or those of a selection; none if the kind is not there. @throws as {@link read} */
export function readAll<T extends KubeObject>(
  client: Pick<Client, "list">,
  resource: Resource,
  signal: AbortSignal,
  selection: object = {},
): Promise<Read<T[]>> {
  return read(async () => (await client.list<T>(resource, { ...selection, signal })).items, { absent: [] });
}

/** Reads the CustomResourceDefinitions, which are large: a few at a time. */
export function readCrds(client: Pick<Client, "list">, signal: AbortSignal): Promise<Read<CustomResourceDefinition[]>> {
  return readAll(client, CUSTOM_RESOURCE_DEFINITIONS, signal, { pageSize: 20 });
}
