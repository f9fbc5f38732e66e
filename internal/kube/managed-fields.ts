/** The record of who manages which field: it is half of most objects, and nobody who watches them reads it. */
import { endOfString } from "../cli/json.ts";

/** The comma is a part of it: something always comes before, at least the object's name. */
const START = Buffer.from(',"managedFields":[{');
const METADATA = '"metadata":';

const LIST_END = 0x5d;
const OBJECT_END = 0x7d;

/**
 * The JSON of a watch's event without object.metadata.managedFields, so that those need not be decoded and parsed.
 *
 * The record ends at the first closing bracket, or the result is no JSON: a bracket in one of its strings leaves an odd
 * number of quotation marks, and that of a list within it leaves brackets without their other half. The whole event is
 * to be parsed then.
 *
 * @returns undefined if there is no record, or it may have another end
 */
export function withoutManagedFields(json: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  const start = text.indexOf(START);
  if (start < 0 || !isInMetadata(text.toString("latin1", 0, start))) return undefined;
  const end = text.indexOf(LIST_END, start);
  if (end < 0 || text[end - 1] !== OBJECT_END) return undefined;
  return Buffer.concat([text.subarray(0, start), text.subarray(end + 1)]);
}

/**
 * Whether an event goes on in object.metadata itself: a custom resource may have a field of any name.
 *
 * @param begun its beginning, a sign for each byte
 */
function isInMetadata(begun: string): boolean {
  const open: number[] = [];
  for (let at = 0; at < begun.length; at++) {
    const sign = begun[at];
    if (sign === '"') at = endOfString(begun, at);
    else if (sign === "{" || sign === "[") open.push(at);
    else if (sign === "}" || sign === "]") open.pop();
  }
  const [, , metadata = 0] = open;
  const before = begun.slice(0, metadata).slice(-METADATA.length - 1);
  return open.length === 3 && (before === `{${METADATA}` || before === `,${METADATA}`);
}
