/** Taking over what somebody else has put into an object of ours, so that a server-side apply can take it out again. */
import type { DeepReadonly, ManagedFieldsEntry, ObjectMeta, OwnerReference } from "../../api/core.ts";
import { FIELD_MANAGER, ONLOAD_GROUP } from "../../api/names.ts";

/** What of an object's metadata must change for it to be ours alone; undefined if it is already. */
export function adopt({
  managedFields = [],
  ownerReferences = [],
}: DeepReadonly<ObjectMeta>): Pick<DeepReadonly<ObjectMeta>, "managedFields" | "ownerReferences"> | undefined {
  const fields = adoptSpec(managedFields);
  const owned = ownerReferences.some(isByOnload);
  if (!fields && !owned) return undefined;
  return {
    ...(fields ? { managedFields: fields } : {}),
    ...(owned ? { ownerReferences: ownerReferences.filter((owner) => !isByOnload(owner)) } : {}),
  };
}

/** Whether an owner is an Onload resource; objects.ts says why none may be. */
export function isByOnload({ kind, apiVersion }: DeepReadonly<OwnerReference>): boolean {
  return kind === "Onload" && apiVersion.startsWith(`${ONLOAD_GROUP}/`);
}

type Fields = { [field: string]: Fields };

/**
 * metadata.managedFields with everything in spec given to us; undefined if all of it is ours already.
 *
 * A server-side apply sets fields and takes away those that it set before, but it leaves what others have added: the
 * original operator's preStop hook, or a person's extra container. Once these are ours, the next apply removes them.
 * Our own entry of operation Update stays: it has what admission webhooks add to our requests, and they would only
 * add it again.
 */
export function adoptSpec(
  managedFields: DeepReadonly<ManagedFieldsEntry[]>,
): DeepReadonly<ManagedFieldsEntry>[] | undefined {
  const foreign = managedFields.filter(
    ({ manager, subresource, fieldsV1 }) =>
      manager !== FIELD_MANAGER && subresource === undefined && fieldsV1?.["f:spec"] !== undefined,
  );
  if (foreign.length === 0) return undefined;
  const isOurs = ({ manager, operation, subresource }: DeepReadonly<ManagedFieldsEntry>): boolean =>
    manager === FIELD_MANAGER && operation === "Apply" && subresource === undefined;
  const ours = managedFields.find(isOurs) ?? {
    manager: FIELD_MANAGER,
    operation: "Apply" as const,
    apiVersion: foreign[0]!.apiVersion!,
    fieldsType: "FieldsV1",
  };
  const fields = foreign.reduce(
    (sum, { fieldsV1 }) => merge(sum, { "f:spec": fieldsV1!["f:spec"] as Fields }),
    (ours.fieldsV1 ?? {}) as Fields,
  );
  const others = managedFields.flatMap((entry) => {
    if (isOurs(entry)) return [];
    if (!foreign.includes(entry)) return [entry];
    const rest = { ...(entry.fieldsV1 as Fields) };
    delete rest["f:spec"];
    return Object.keys(rest).length > 0 ? [{ ...entry, fieldsV1: rest }] : [];
  });
  return [...others, { ...ours, fieldsV1: fields }];
}

/** The union of two sets of fields, which are trees of names. */
function merge(a: Fields, b: Fields): Fields {
  const out = { ...a };
  for (const [field, below] of Object.entries(b)) out[field] = merge(out[field] ?? {}, below);
  return out;
}
