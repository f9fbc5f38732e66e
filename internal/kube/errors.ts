/** One field that the API server refused, from a Status object's details. */
export interface StatusCause {
  reason?: string;
  /** Path of the field, such as `spec.selector`. */
  field?: string;
  message?: string;
}

/** What the API server answers instead of the object that was asked for (metav1.Status). */
export interface Status {
  kind: "Status";
  status?: string;
  code?: number;
  reason?: string;
  message?: string;
  details?: { causes?: StatusCause[]; retryAfterSeconds?: number };
}

/** The API server refused a request. Its message reads "Cannot <verb> <object>: <what the server says>". */
export class ApiError extends Error {
  override name = "ApiError";
  /** HTTP status. */
  readonly status: number;
  /** metav1.StatusReason, such as NotFound, Conflict, Invalid, Forbidden, Expired; "" if the server gave none. */
  readonly reason: string;
  /** The server's message alone. */
  readonly detail: string;
  readonly causes: readonly StatusCause[];
  /** How long the server asks us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  /** @param advice what to do about it, if that is known; a part of the message, but not of the detail */
  constructor(
    action: string,
    status: number,
    body: Partial<Omit<Status, "kind">>,
    retryAfterMs?: number,
    advice?: string,
  ) {
    const detail = body.message || `HTTP status ${status}`;
    super(`Cannot ${action}: ${detail}${advice === undefined ? "" : `; ${advice}`}`);
    this.status = status;
    this.reason = body.reason ?? "";
    this.detail = detail;
    this.causes = body.details?.causes ?? [];
    const seconds = body.details?.retryAfterSeconds;
    this.retryAfterMs = retryAfterMs ?? (seconds ? seconds * 1000 : undefined);
  }
}

/** No answer came: the server is unreachable, its certificate is not trusted, the connection broke or time ran out. */
export class ConnectionError extends Error {
  override name = "ConnectionError";
  /** System or TLS error code, such as ECONNREFUSED or ETIMEDOUT. */
  readonly code: string;

  constructor(action: string, server: string, code: string, reason: string, cause?: unknown) {
    super(`Cannot ${action}: API server ${server}: ${reason}`, { cause });
    this.code = code;
  }
}

/** A file that has our credentials cannot be read, or an exec plugin fails; the server was not asked. */
export class CredentialsError extends Error {
  override name = "CredentialsError";

  /** @param source the kubeconfig, or what else names the credentials */
  constructor(action: string, source: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot ${action}: cannot use the credentials of ${source}: ${reason}`, { cause });
  }
}

/** We lead no longer: another process may act, so this one must stop at once. */
export class LeadershipLostError extends Error {
  override name = "LeadershipLostError";
}

function hasStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

/** The API server does not know who asks: it refuses whatever is asked. */
export function isUnauthorized(error: unknown): boolean {
  return hasStatus(error, 401);
}

/** The object, or its kind, does not exist. */
export function isNotFound(error: unknown): error is ApiError {
  return hasStatus(error, 404);
}

/** The object changed in between, or another field manager owns a field. */
export function isConflict(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason !== "AlreadyExists";
}

/** An object of that name exists already. */
export function isAlreadyExists(error: unknown): error is ApiError {
  return hasStatus(error, 409) && error.reason === "AlreadyExists";
}

/** The credentials lack the right to do that. */
export function isForbidden(error: unknown): error is ApiError {
  return hasStatus(error, 403);
}

/** For an eviction: a disruption budget does not allow it now. */
export function isTooManyRequests(error: unknown): error is ApiError {
  return hasStatus(error, 429);
}

/** The resource version is no longer, or not yet, one the server can answer for: list again. */
export function isExpired(error: unknown): error is ApiError {
  if (hasStatus(error, 410)) return true;
  return hasStatus(error, 504) && error.causes.some((cause) => cause.reason === "ResourceVersionTooLarge");
}

/** Whether the API server has refused a request, so that nothing was changed. After any other error it may have been. */
export function isRefused(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 408;
}

/** Whether the API server is away, as it may be for a while. */
export function isOutage(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ApiError && error.status >= 500);
}
