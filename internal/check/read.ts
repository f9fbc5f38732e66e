import { errorText } from "../cli/errors.ts";
import { ApiError, isNotFound } from "../kube/errors.ts";

/** What was read, or why it could not be. */
export type Read<T> = { value: T } | { problem: string };

/** How {@link read} takes what the API server refuses. */
export interface ReadOptions<T> {
  /** What there is if the kind or object is not there. */
  absent?: T;
  /** A refusal in words. */
  textOf?: (error: ApiError) => string;
}

/** Reads, and holds a refusal of the API server fast as a problem. @throws everything else: the server is out of reach */
export async function read<T>(
  look: () => Promise<T>,
  { absent, textOf = errorText }: ReadOptions<T> = {},
): Promise<Read<T>> {
  try {
    return { value: await look() };
  } catch (error) {
    if (isNotFound(error) && absent !== undefined) return { value: absent };
    if (error instanceof ApiError) return { problem: textOf(error) };
    throw error;
  }
}
