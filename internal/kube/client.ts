import { URLSearchParams } from "node:url";
import { FIELD_MANAGER } from "../api/names.ts";
import type { DeepReadonly, KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import type {
  CallOptions,
  ListAllOptions,
  ListOptions,
  WriteOptions,
  ApplyOptions,
  PatchOptions,
  EvictOptions,
  DeleteOptions,
  Page,
} from "./call-options.ts";
import { ApiError, ConnectionError, isExpired, isNotFound } from "./errors.ts";
import type { LeaseFence } from "./lease-fence.ts";
import { apiVersionOf, collectionPath, describeRef, objectPath, PODS, refOf, type ObjectRef } from "./resource.ts";
import { selectionQuery } from "./selection.ts";
import type { Answered, ApiRequest, Transport } from "./transport.ts";
import { watchEvents, type WatchEvent, type WatchOptions } from "./watch.ts";

/** A list that goes on for longer has no end. */
const MAX_PAGES = 2000;
/** Longest page of several objects, in bytes: it is in memory more than once while it is read. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

interface ListedPage<T> {
  items?: T[] | null;
  metadata: { resourceVersion: string; continue?: string };
}

/** Throws LeadershipLostError while a process must not write; {@link LeaseFence} is one. */
export type Fence = Pick<LeaseFence, "check">;

/**
 * Calls to the API server, on raw JSON objects: fields that we do not know survive.
 *
 * Every method throws {@link ApiError} when the server refuses and ConnectionError when no answer comes.
 */
export class Client {
  readonly transport: Transport;
  readonly #fences: readonly Fence[];

  /** @param fences asked right before each write is sent */
  constructor(transport: Transport, fences: readonly Fence[] = []) {
    this.transport = transport;
    this.#fences = fences;
  }

  /** The same client, with writes that also fail with what the fence throws: it is asked right before each is sent. */
  fencedBy(fence: Fence): Client {
    return new Client(this.transport, [...this.#fences, fence]);
  }

  /** Namespace of the kubeconfig's context or of our pod. */
  get namespace(): string {
    return this.transport.config.namespace;
  }

  /** Reads an object; undefined if it, or its kind, does not exist. */
  async get<T extends KubeObject>(
    resource: Resource,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    try {
      return await this.#object<T>("get", resource, ref, { method: "GET", path: objectPath(resource, ref) }, options);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /**
   * The metadata of one object; undefined if there is none. What the object holds, such as the login of a Secret, does not
   * leave the server.
   */
  async getMetadata(
    resource: Resource,
    ref: ObjectRef,
    options: CallOptions = {},
  ): Promise<Pick<KubeObject, "metadata"> | undefined> {
    try {
      const kind = "PartialObjectMetadata";
      const path = objectPath(resource, ref);
      const action = `get ${describeRef(resource, ref)}`;
      const accept = `application/json;as=${kind};g=meta.k8s.io;v=v1`;
      const request = { method: "GET" as const, path, action, accept, ...requestOptions(options) };
      return await this.transport.json<KubeObject>(request, (answer) => answer.kind === kind);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** All objects of a selection, all of one resource version; large ones take several calls. */
  async list<T extends KubeObject>(resource: Resource, options: ListAllOptions<T> = {}): Promise<Page<T>> {
    try {
      return await this.#listPages<T>(resource, options);
    } catch (error) {
      if (!isExpired(error)) throw error;
      // The server forgot the version between two pages. One page cannot expire; client-go's pager falls back to it, too.
      return await this.#listPages<T>(resource, { ...options, pageSize: 0 });
    }
  }

  async #listPages<T extends KubeObject>(resource: Resource, options: ListAllOptions<T>): Promise<Page<T>> {
    const { transform, atMost = Infinity } = options;
    const items: T[] = [];
    let resourceVersion = "";
    for await (const page of this.pages<T>(resource, options)) {
      for (const item of page.items) items.push(transform ? transform(item) : item);
      resourceVersion = page.resourceVersion;
      if (items.length >= atMost) break;
    }
    return { items: items.slice(0, atMost), resourceVersion };
  }

  /**
   * The pages of a list, all of one resource version.
   *
   * @throws ApiError Expired when the server forgets that version between two pages
   */
  async *pages<T extends KubeObject>(resource: Resource, options: ListOptions = {}): AsyncGenerator<Page<T>> {
    const { pageSize: mostItems = 100 } = options;
    let pageSize = mostItems;
    let token = "";
    let pages = 0;
    for (;;) {
      if (++pages > MAX_PAGES) {
        const reason = `it has more than ${MAX_PAGES} pages of ${resource.plural}`;
        throw new ConnectionError(`list ${resource.plural}`, this.transport.config.server, "EFBIG", reason);
      }
      let page: ListedPage<T>;
      try {
        page = await this.#page<T>(resource, options, pageSize, token);
      } catch (error) {
        if (pageSize <= 1 || !(error instanceof ConnectionError) || error.code !== "EFBIG") throw error;
        // Somebody has made objects as large as may be: fewer of them are held at once.
        pageSize = Math.ceil(pageSize / 4);
        continue;
      }
      token = page.metadata.continue ?? "";
      // The API server leaves out of lists what every item of them is. Watches tell it of each object.
      const items = (page.items ?? []).map((item) => typed(resource, item) as T);
      yield { items, resourceVersion: page.metadata.resourceVersion };
      if (token === "") return;
      // Large objects are seldom everywhere, and a list of many small pages has no end in time.
      pageSize = Math.min(mostItems, pageSize * 2);
    }
  }

  #page<T extends KubeObject>(
    resource: Resource,
    options: ListOptions,
    pageSize: number,
    token: string,
  ): Promise<ListedPage<T>> {
    const query = selectionQuery(options);
    if (pageSize > 0) query.set("limit", String(pageSize));
    if (token !== "") query.set("continue", token);
    return this.transport.json<ListedPage<T>>(
      {
        method: "GET",
        path: withQuery(collectionPath(resource, options.namespace), query),
        action: `list ${resource.plural}`,
        ...(pageSize > 1 ? { maxBytes: MAX_PAGE_BYTES } : {}),
        ...requestOptions(options),
      },
      isListOf(resource),
    );
  }

  /** Changes of a selection since a resource version; see {@link watchEvents}. */
  watch<T extends KubeObject>(resource: Resource, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    return watchEvents<T>(this.transport, resource, options);
  }

  /** Creates an object. */
  async create<T extends KubeObject>(
    resource: Resource,
    object: DeepReadonly<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    const ref = refOf(object);
    const path = withQuery(collectionPath(resource, ref.namespace), writeQuery(options));
    return this.#object<T>("create", resource, ref, { method: "POST", path, body: typed(resource, object) }, options);
  }

  /** Replaces an object as a whole; fails with Conflict unless it still has the version of `object`. */
  async replace<T extends KubeObject>(
    resource: Resource,
    object: DeepReadonly<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    const ref = refOf(object);
    const path = withQuery(objectPath(resource, ref, options.subresource), writeQuery(options));
    return this.#object<T>("replace", resource, ref, { method: "PUT", path, body: typed(resource, object) }, options);
  }

  /**
   * Server-side apply: sets the fields of `object` and takes them over. Fields that we applied before and that are
   * missing now are removed. Creates the object if it does not exist.
   */
  async apply<T extends KubeObject>(
    resource: Resource,
    object: DeepReadonly<T>,
    options: ApplyOptions = {},
  ): Promise<T> {
    const ref = refOf(object);
    const query = writeQuery(options);
    query.set("fieldManager", options.fieldManager ?? FIELD_MANAGER);
    query.set("force", String(options.force ?? true));
    const request = {
      method: "PATCH",
      path: withQuery(objectPath(resource, ref, options.subresource), query),
      contentType: "application/apply-patch+yaml",
      body: typed(resource, object),
    } as const;
    return this.#object<T>("apply", resource, ref, request, options);
  }

  /** JSON merge patch: null removes a field, lists are replaced. */
  async mergePatch<T extends KubeObject>(
    resource: Resource,
    ref: ObjectRef,
    patch: object,
    options: PatchOptions = {},
  ): Promise<T> {
    const { resourceVersion } = options;
    const metadata = (patch as { metadata?: object }).metadata;
    const request = {
      method: "PATCH",
      path: withQuery(objectPath(resource, ref, options.subresource), writeQuery(options)),
      contentType: "application/merge-patch+json",
      body: resourceVersion ? { ...patch, metadata: { ...metadata, resourceVersion } } : patch,
    } as const;
    return this.#object<T>("patch", resource, ref, request, options);
  }

  /**
   * Deletes an object; false if it was not there. Its finalizers may keep it for a while. What it owns is deleted in the
   * background.
   */
  async delete(resource: Resource, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    try {
      await this.#write(
        {
          method: "DELETE",
          path: objectPath(resource, ref),
          action: `delete ${describeRef(resource, ref)}`,
          body: {
            apiVersion: "v1",
            kind: "DeleteOptions",
            ...deleteOptions(options),
            propagationPolicy: "Background",
          },
          ...requestOptions(options),
        },
        (answer) => isSuccess(answer) || isA(resource)(answer),
      );
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /**
   * Asks to evict a pod. Gives "evicted", or "gone" if there is no such pod.
   *
   * @throws ApiError, TooManyRequests when a disruption budget does not allow it now
   */
  async evict(ref: ObjectRef, options: EvictOptions = {}): Promise<"evicted" | "gone"> {
    const path = objectPath(PODS, ref, "eviction");
    try {
      await this.#write(
        {
          method: "POST",
          path: options.dryRun ? withQuery(path, new URLSearchParams({ dryRun: "All" })) : path,
          action: `evict ${describeRef(PODS, ref)}`,
          body: { apiVersion: "policy/v1", kind: "Eviction", metadata: ref, deleteOptions: deleteOptions(options) },
          // A budget may refuse for as long as it likes: the caller decides how long to try.
          noRetry: true,
          ...requestOptions(options),
        },
        isSuccess,
      );
      return "evicted";
    } catch (error) {
      if (isNotFound(error)) return "gone";
      if (error instanceof ApiError && error.status === 409 && options.uid) return "gone";
      throw error;
    }
  }

  /** The last lines of a container's log; undefined if there is no such pod or no log. */
  async podLog(
    ref: ObjectRef,
    options: CallOptions & { container?: string; tailLines?: number; previous?: boolean } = {},
  ): Promise<string | undefined> {
    const query = new URLSearchParams({ tailLines: String(options.tailLines ?? 10) });
    if (options.container) query.set("container", options.container);
    if (options.previous) query.set("previous", "true");
    try {
      return await this.transport.text({
        method: "GET",
        path: withQuery(objectPath(PODS, ref, "log"), query),
        action: `read the log of ${describeRef(PODS, ref)}`,
        accept: "*/*",
        ...requestOptions(options),
      });
    } catch (error) {
      // 400: the container is not started, or there is no previous one.
      if (error instanceof ApiError && (error.status === 404 || error.status === 400)) return undefined;
      throw error;
    }
  }

  /** A call that the server answers with the object itself. */
  #object<T extends KubeObject>(
    verb: string,
    resource: Resource,
    ref: ObjectRef,
    request: Pick<ApiRequest, "method" | "path" | "body" | "contentType">,
    options: CallOptions,
  ): Promise<T> {
    const action = `${verb} ${describeRef(resource, ref)}`;
    const call = { ...request, action, ...requestOptions(options) };
    return request.method === "GET" ? this.transport.json<T>(call, isA(resource)) : this.#write<T>(call, isA(resource));
  }

  /** Every call that changes anything. */
  #write<T extends object>(request: ApiRequest, isExpected: (answer: Answered) => boolean): Promise<T> {
    const fences = this.#fences;
    const beforeSend = (): void => {
      for (const fence of fences) fence.check();
    };
    return this.transport.json<T>(fences.length > 0 ? { ...request, beforeSend } : request, isExpected);
  }
}

/** An object as it is written: with its kind, which objects of a list lack. */
function typed(resource: Resource, object: object): object {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
}

/** What the transport needs to know of a call. */
function requestOptions({
  signal,
  timeoutMs,
  urgent,
}: CallOptions): Pick<ApiRequest, "signal" | "timeoutMs" | "urgent"> {
  return { signal, timeoutMs, urgent };
}

function isA(resource: Resource): (answer: Answered) => boolean {
  return ({ kind, metadata }) => kind === resource.kind && metadata !== undefined;
}

function isListOf(resource: Resource): (answer: Answered & { items?: unknown }) => boolean {
  return ({ kind, metadata, items }) =>
    kind === `${resource.kind}List` && metadata !== undefined && Array.isArray(items ?? []);
}

function isSuccess({ kind, status }: Answered): boolean {
  return kind === "Status" && status === "Success";
}

function writeQuery(options: { dryRun?: boolean; strict?: boolean }): URLSearchParams {
  const query = new URLSearchParams({ fieldManager: FIELD_MANAGER });
  if (options.dryRun) query.set("dryRun", "All");
  if (options.strict) query.set("fieldValidation", "Strict");
  return query;
}

function withQuery(path: string, query: URLSearchParams): string {
  return `${path}?${query.toString()}`;
}

function deleteOptions(options: EvictOptions & { resourceVersion?: string }): object {
  const { uid, resourceVersion, gracePeriodSeconds, dryRun } = options;
  return {
    ...(uid || resourceVersion ? { preconditions: { uid, resourceVersion } } : {}),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(dryRun ? { dryRun: ["All"] } : {}),
  };
}
