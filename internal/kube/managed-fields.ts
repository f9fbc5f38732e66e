/** The record of who manages which field: it is half of most objects, and nobody who watches them reads it. */

/** The comma is a part of it: something always comes before, at least the object's name. */
const START = Buffer.from(',"managedFields":[{');
const METADATA = '"metadata":';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [LIST_START, LIST_END, OBJECT_START, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];

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
  if (start < 0 || !isInMetadata(text, start)) return undefined;
  const end = text.indexOf(LIST_END, start);
  if (end < 0 || text[end - 1] !== OBJECT_END) return undefined;
  return Buffer.concat([text.subarray(0, start), text.subarray(end + 1)]);
}

/** Whether a place of an event is in object.metadata itself: a custom resource may have a field of any name. */
function isInMetadata(text: Buffer, place: number): boolean {
  const open: number[] = [];
  for (let at = 0; at < place; at++) {
    const sign = text[at];
    if (sign === QUOTE) at = endOfString(text, at);
    else if (sign === OBJECT_START || sign === LIST_START) open.push(at);
    else if (sign === OBJECT_END || sign === LIST_END) open.pop();
  }
  const [, , metadata = 0] = open;
  const before = text.toString("latin1", metadata - METADATA.length - 1, metadata);
  return open.length === 3 && (before === `{${METADATA}` || before === `,${METADATA}`);
}

/** The place of the quotation mark that ends a string; the end of the text if there is none. */
function endOfString(text: Buffer, start: number): number {
  for (let end = text.indexOf(QUOTE, start + 1); end >= 0; end = text.indexOf(QUOTE, end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
