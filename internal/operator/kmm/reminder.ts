/**
 * The reminder: a node label of ours without a meaning. KMM 1.1 leaves cordoned nodes out and is not woken when they are
 * uncordoned; any change of a node's labels wakes it (v1.1.0, controllers/module_reconciler.go).
 */
import { ONLOAD_GROUP, type OnloadKey } from "../../api/names.ts";

/** Name of the reminder. It has a prefix of its own, so that no Onload resource's plugin label equals it. */
export function reminderLabel({ namespace, name }: OnloadKey): string {
  return `reminder.${ONLOAD_GROUP}/${namespace}.${name}`;
}

/** A value that the label has not had before. */
export function reminderValue(now: number): string {
  return String(now);
}
