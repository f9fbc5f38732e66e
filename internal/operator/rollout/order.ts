const collator = new Intl.Collator("en", { numeric: true });

/** Sorts node names as people count: node-2 before node-10. */
export function byNodeName(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : Number(a > b));
}
