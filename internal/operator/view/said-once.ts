/** Shorter than this a text is read at once, and may stand twice. */
const LONG = 40;

/** Where a part of a sentence may begin: after what separates it from another. */
const BEGINS = /(?:^|[;:.] )(?=\S)/g;
/** Where it may end: before such a sign, or before what counts further nodes. */
const ENDS = /(?=[;:.] | \(and \d)|$/g;

/** A sentence about a resource without what a table below it tells of a node, word by word. Pure. */
export function saidOnce(sentence: string, below: readonly string[]): string {
  const ends = [...sentence.matchAll(ENDS)].map(({ index }) => index).toReversed();
  for (const { index, 0: before } of sentence.matchAll(BEGINS)) {
    const begin = index + before.length;
    const end = ends.find((at) => at - begin >= LONG && below.some((text) => text.includes(sentence.slice(begin, at))));
    if (end !== undefined) return `${sentence.slice(0, begin)}see below${sentence.slice(end)}`;
  }
  return sentence;
}
