import type { Selection } from "./selection.ts";

export interface CallOptions {
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
  /** See ApiRequest. */
  urgent?: boolean;
}

export interface ListOptions extends CallOptions, Selection {
  /** Objects per page. Default 100: a page is parsed as a whole. 0: all in one page. */
  pageSize?: number;
}

export interface ListAllOptions<T> extends ListOptions {
  /** Applied to each object as its page arrives, so that the whole list is never held untrimmed. */
  transform?: ((object: T) => T) | undefined;
  /** The list ends after this many objects, however many there are. */
  atMost?: number;
}

export interface WriteOptions extends CallOptions {
  /** Ask for validation and admission only. */
  dryRun?: boolean;
  /** Refuse fields that the server does not know or that are there twice, as it does for kubectl. Default: they are dropped. */
  strict?: boolean;
  /** Write this subresource, such as "status". */
  subresource?: string;
}

export interface ApplyOptions extends WriteOptions {
  /** Take fields from other field managers. Default true, as is usual for a controller. */
  force?: boolean;
  /** Default: FIELD_MANAGER. */
  fieldManager?: string;
}

export interface PatchOptions extends WriteOptions {
  /** Fail with Conflict unless the object still has this version. */
  resourceVersion?: string | undefined;
}

export interface EvictOptions extends CallOptions {
  gracePeriodSeconds?: number | undefined;
  /** Fail with Conflict if the object of that name has another uid; an eviction then gives "gone". */
  uid?: string | undefined;
  dryRun?: boolean;
}

export interface DeleteOptions extends EvictOptions {
  /** Fail with Conflict unless the object still has this version. */
  resourceVersion?: string;
}

/** A page of a list. */
export interface Page<T> {
  items: T[];
  resourceVersion: string;
}
