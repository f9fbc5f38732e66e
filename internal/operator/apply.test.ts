import { expect, test } from "bun:test";
import { isTooEarly } from "./apply.ts";

const early = new Error(
  'Cannot apply Module "a/b": cannot set blockOwnerDeletion in this case because cannot find RESTMapping for Kind Onload',
);
const other = new Error('Cannot apply Module "a/b": forbidden');

test.each<[string, Error, number, boolean]>([
  ["a kind that the API server does not know yet", early, 1000, true],
  ["the same for both objects", new AggregateError([early, early], "Cannot apply objects"), 1000, true],
  ["the same for long", early, 60_000, false],
  ["another reason", other, 1000, false],
  ["another reason beside it", new AggregateError([early, other], "Cannot apply objects"), 1000, false],
  ["a resource of unknown age", early, Number.NaN, false],
])("%s", (_, error, ageMs, want) => {
  expect(isTooEarly(error, ageMs)).toBe(want);
});
