import { errorText } from "../cli/errors.ts";
import { isForbidden, type ApiError } from "../kube/errors.ts";

/** A refusal for the column of what was seen: a right that is missing is named without what was tried. */
export function refusalText(error: ApiError): string {
  return isForbidden(error) ? `Not allowed: ${error.detail}` : errorText(error);
}
