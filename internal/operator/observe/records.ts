/** The annotations that the operator writes on a node. */
import type { OnloadKey } from "../../api/names.ts";
import { failureRecordAnnotation } from "./failure-record.ts";
import { stepRecordAnnotation } from "./step-record.ts";

/** All of them. A node that has any still concerns the resource, and the last step removes them. */
export function recordAnnotations(key: OnloadKey): string[] {
  return [stepRecordAnnotation(key), failureRecordAnnotation(key)];
}
