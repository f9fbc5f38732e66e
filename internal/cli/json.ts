/**
 * How deep objects and lists may lie within one another: as deep as the API server and all of Go's programs take
 * (encoding/json). Whoever compares, copies or prints what is deeper runs out of stack.
 */
const MAX_LEVELS = 10_000;

/**
 * The value of a JSON text that another program wrote. The only place that calls the runtime's parser on one, because its
 * errors say neither what was read nor from where.
 *
 * @throws Error "it is ..., which is not JSON" without any of the text, which may be a secret; the caller says what was read
 */
export function parseJson(text: string): unknown {
  if (hasMoreBrackets(text, MAX_LEVELS) && isDeeper(text, MAX_LEVELS))
    throw new Error(`it is nested more than ${MAX_LEVELS.toLocaleString("en")} levels deep`);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The cause would say the same less well, and quote the text.
    throw new Error(whatIsIt(text));
  }
}

/**
 * Whether a text has more than `max` opening brackets. Most texts have far fewer, and counting takes less time than finding
 * their depth.
 */
function hasMoreBrackets(text: string, max: number): boolean {
  if (text.length <= max) return false;
  let count = 0;
  for (const bracket of ["{", "["]) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) if (++count > max) return true;
  }
  return false;
}

/** Whether a JSON text has more levels than `max`. Of a text that is no JSON it may say anything. */
function isDeeper(text: string, max: number): boolean {
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x5b: // [
      case 0x7b: // {
        if (++level > max) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        level--;
        break;
      case 0x22: // "
        at = endOfString(text, at);
        break;
      default:
    }
  }
  return false;
}

/**
 * The place of the quotation mark that ends a string of JSON; the end of the text if there is none.
 *
 * @param start the place of the one with which it begins
 */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === 0x5c) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}

function whatIsIt(text: string): string {
  const start = text.trimStart().slice(0, 100);
  if (start === "") return "it is empty, which is not JSON";
  if (/^<(?:!doctype|html|\?xml|head|body)/i.test(start)) {
    return "it is a page in HTML or XML, which is not JSON: a proxy, a login or an error page may have answered";
  }
  return /^[{["]/.test(start) ? "it is broken or cut off, which is not JSON" : "it is other text, which is not JSON";
}

/** A JSON object's fields; undefined for lists, texts, numbers and null. */
export function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
