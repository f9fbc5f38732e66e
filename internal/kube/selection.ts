import { URLSearchParams } from "node:url";

/** Which objects of a resource. */
export interface Selection {
  /** Left out: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

/** Query parameters of a selection. */
export function selectionQuery(selection: Selection): URLSearchParams {
  const query = new URLSearchParams();
  if (selection.labelSelector) query.set("labelSelector", selection.labelSelector);
  if (selection.fieldSelector) query.set("fieldSelector", selection.fieldSelector);
  return query;
}
