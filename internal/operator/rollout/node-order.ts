/** Sorts by node names as people count: node-2 before node-10. */
export function sortByNodeName<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  // A key is made once for each item, because a sort compares each many times.
  const keyed = items.map((item) => ({ item, name: nameOf(item), key: sortKey(nameOf(item)) }));
  keyed.sort((a, b) => compare(a.key, b.key) || compare(a.name, b.name));
  return keyed.map(({ item }) => item);
}

function sortKey(name: string): string {
  return name.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
