/** Sorts node names as people count: node-2 before node-10. */
export function byNodeName(a: string, b: string): number {
  const [left, right] = [sortKey(a), sortKey(b)];
  return left < right ? -1 : left > right ? 1 : a < b ? -1 : Number(a > b);
}

/** Keys are kept, because every plan sorts all nodes. */
const keys = new Map<string, string>();
const MOST_KEYS = 20_000;

function sortKey(name: string): string {
  let key = keys.get(name);
  if (key === undefined) {
    if (keys.size >= MOST_KEYS) keys.clear();
    key = name.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
    keys.set(name, key);
  }
  return key;
}
