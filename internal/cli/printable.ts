/**
 * A text from elsewhere (a resource, a node, a log, a server), fit for a terminal: on one line, without characters that
 * move the cursor, colour or reorder what is printed, and with an end.
 *
 * @param max number of characters; what is longer ends in "..."
 */
export function printable(text: string, max = 500): string {
  // The format characters (\p{Cf}) include those that reverse the direction of writing.
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  return plain.length > max ? `${plain.slice(0, max - 3)}...` : plain;
}
