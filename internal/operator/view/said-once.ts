/** Shorter than this a text is read at once, and may stand twice. */
const LONG = 40;

/**
 * A sentence about a resource without what a table below it tells of a node, word by word. Pure.
 *
 * @param below what the table tells, each as `Reason: message`
 */
export function saidOnce(sentence: string, below: readonly string[]): string {
  const messages = below.map((text) => text.replace(/^[A-Za-z]+: /, ""));
  const told = messages.find((message) => message.length >= LONG && sentence.includes(message));
  return told === undefined ? sentence : sentence.replace(told, () => "see below");
}
