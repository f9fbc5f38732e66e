import { errorText } from "../cli/errors.ts";
import { isForbidden, type ApiError } from "./errors.ts";
import { refusedRight } from "./rights-advice.ts";

/** A refusal in short, for a report on many things: a right that is missing is named without what was tried. */
export function refusalText(error: ApiError): string {
  if (!isForbidden(error)) return errorText(error);
  return `Not allowed: ${refusedRight(error.detail) ?? error.detail}`;
}
