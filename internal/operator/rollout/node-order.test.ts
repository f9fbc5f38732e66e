import { expect, test } from "bun:test";
import fc from "fast-check";
import { sortByNodeName } from "./node-order.ts";

const sorted = (names: readonly string[]): string[] => sortByNodeName(names, (name) => name);

test.each([
  [
    ["n10", "n9", "n1"],
    ["n1", "n9", "n10"],
  ],
  [
    ["rack2-node10", "rack10-node1", "rack2-node9"],
    ["rack2-node9", "rack2-node10", "rack10-node1"],
  ],
  [
    ["b", "a", "a1"],
    ["a", "a1", "b"],
  ],
  [
    ["n1", "n01", "n001"],
    ["n001", "n01", "n1"],
  ],
])("%p are sorted as people count", (names, expected) => {
  expect(sorted(names)).toEqual(expected);
});

test("the order is the same whatever the order before, and nothing is lost", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "n", "0", "1", "9", "-"), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.uniqueArray(name), fc.infiniteStream(fc.nat()), (names, draws) => {
      const shuffled = names
        .map((each) => [draws.next().value, each] as const)
        .toSorted(([a], [b]) => Number(a) - Number(b));
      const result = sorted(shuffled.map(([, each]) => each));
      expect(result).toEqual(sorted(names));
      expect(result.toSorted()).toEqual(names.toSorted());
    }),
  );
});
