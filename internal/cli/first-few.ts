/** `node-1, node-2, node-3 and 4 more`: the first `most` of some things, for one sentence. */
export function firstFew<T>(all: readonly T[], most: number, text: (each: T) => string = String): string {
  const named = all.slice(0, most).map((each) => text(each));
  return named.join(", ") + (all.length > most ? ` and ${all.length - most} more` : "");
}
