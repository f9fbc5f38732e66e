/** Sorts by node names as people count: node-2 before node-10. */
export function sortByNodeName<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  // A key is made once for each item, because a sort compares each many times.
  const keyed = items.map((item) => ({ item, name: nameOf(item), key: sortKey(nameOf(item)) }));
  keyed.sort((a, b) => compare(a.key, b.key) || compare(a.name, b.name));
  return keyed.map(({ item }) => item);
}

/** Names come again with every plan, and a key costs more than all else of a sort. */
const keys = new Map<string, string>();
const MAX_KEYS = 20_000;

function sortKey(name: string): string {
  let key = keys.get(name);
  if (key === undefined) {
    key = name.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
    if (keys.size >= MAX_KEYS) keys.clear();
    keys.set(name, key);
  }
  return key;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
