/**
 * The value of a JSON text that another program wrote. The only place that calls the runtime's parser on one, because its
 * errors say neither what was read nor from where.
 *
 * @throws Error "it is ..., which is no JSON" without any of the text, which may be a secret; the caller says what was read
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The cause would say the same less well, and quote the text.
    throw new Error(whatIsIt(text));
  }
}

function whatIsIt(text: string): string {
  const start = text.trimStart().slice(0, 100);
  if (start === "") return "it is empty, which is no JSON";
  if (/^<(?:!doctype|html|\?xml|head|body)/i.test(start)) {
    return "it is a page in HTML or XML, which is no JSON: a proxy, a login or an error page may have answered";
  }
  return /^[{["]/.test(start) ? "it is broken or cut off, which is no JSON" : "it is other text, which is no JSON";
}

/** A JSON object's fields; undefined for lists, texts, numbers and null. */
export function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
