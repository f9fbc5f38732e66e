import { parseJson } from "../cli/json.ts";
import { ConnectionError, type Status } from "./errors.ts";
import { jsonLines, LineTooLongError } from "./json-lines.ts";
import { withoutManagedFields } from "./managed-fields.ts";
import type { KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import { collectionPath } from "./resource.ts";
import { selectionQuery, type Selection } from "./selection.ts";
import type { Transport } from "./transport.ts";

/** A change of an object, as a rule without metadata.managedFields; or a bookmark, of which only the resource version counts. */
export interface WatchEvent<T extends KubeObject> {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: T;
}

export interface WatchOptions extends Selection {
  /** Changes after this version. */
  resourceVersion: string;
  signal?: AbortSignal | undefined;
  /** The server ends the watch after this time. */
  timeoutSeconds?: number;
  /** Called once the server has accepted the watch. */
  onOpen?: () => void;
}

/**
 * Watches a selection. Ends when the server ends the watch.
 *
 * @throws ApiError when the server refuses or ends it with an error (Expired: list again), ConnectionError when the
 *   connection breaks, the signal's reason when that aborts
 */
export async function* watchEvents<T extends KubeObject>(
  transport: Transport,
  resource: Resource,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const action = `watch ${resource.plural}`;
  const query = selectionQuery(options);
  query.set("watch", "true");
  query.set("allowWatchBookmarks", "true");
  query.set("resourceVersion", options.resourceVersion);
  if (options.timeoutSeconds) query.set("timeoutSeconds", String(options.timeoutSeconds));
  const stream = await transport.stream({
    method: "GET",
    path: `${collectionPath(resource, options.namespace)}?${query.toString()}`,
    action,
    signal: options.signal,
  });
  options.onOpen?.();
  const broken = (reason: string): Error => new ConnectionError(action, transport.config.server, "EPROTO", reason);
  try {
    for await (const line of jsonLines(stream)) {
      const event = parseEvent(line, resource);
      if (typeof event === "string") throw broken(`a line of the stream is ${event}`);
      if (event.type === "ERROR") throw transport.refusal(action, event.object.code ?? 500, event.object);
      yield event as WatchEvent<T>;
    }
  } catch (error) {
    throw error instanceof LineTooLongError ? broken(error.message) : error;
  }
}

type AnyEvent = WatchEvent<KubeObject> | { type: "ERROR"; object: Status };

const CHANGES: ReadonlySet<unknown> = new Set<WatchEvent<KubeObject>["type"]>(["ADDED", "MODIFIED", "DELETED"]);

/** The event in a line of a watch, or what the line is instead, in words. */
function parseEvent(line: Uint8Array, { kind }: Resource): AnyEvent | string {
  const short = withoutManagedFields(line);
  const event = (short && parse(short)) ?? parse(line);
  if (event === undefined) return "no JSON";
  const { type, object } = event ?? {};
  if (typeof object !== "object" || object === null) return "no event";
  if (type === "ERROR") return event as AnyEvent;
  if (typeof object.metadata !== "object" || object.metadata === null) return "an event of no object";
  if (type === "BOOKMARK") return event as AnyEvent;
  if (!CHANGES.has(type)) return "an event of no known type";
  if (object.kind !== kind) return `an event of ${typeof object.kind === "string" ? `a ${object.kind}` : "no kind"}`;
  return event as AnyEvent;
}

const utf8 = new TextDecoder();

/** @returns undefined if it is no JSON */
function parse(
  json: Uint8Array,
): { type?: unknown; object?: { kind?: unknown; metadata?: unknown } | null } | null | undefined {
  try {
    return parseJson(utf8.decode(json)) as ReturnType<typeof parse>;
  } catch {
    return undefined;
  }
}
