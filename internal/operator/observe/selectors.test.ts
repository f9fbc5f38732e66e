/** Which selector holds, and which version there is to go back to, from a status as it was stored. */
import { expect, test } from "bun:test";
import type { Onload } from "../../api/onload.ts";
import { lastReadyOnload } from "./last-ready.ts";
import { selectorsOf } from "./selectors.ts";

const [A, B, C] = [{ pool: "a" }, { pool: "b" }, { pool: "c" }];

test.each<[string, object | undefined, ReturnType<typeof selectorsOf>]>([
  ["there is no status", undefined, { holding: A, next: undefined, isHeldBack: false }],
  ["it holds already", { selector: A }, { holding: A, next: undefined, isHeldBack: false }],
  ["another one holds", { selector: B }, { holding: B, next: A, isHeldBack: false }],
  [
    "another one holds, and it was held back",
    { selector: B, selectorHeldBack: A },
    { holding: B, next: A, isHeldBack: true },
  ],
  [
    "another one holds, and a third was held back",
    { selector: B, selectorHeldBack: C },
    { holding: B, next: A, isHeldBack: false },
  ],
  ["what holds cannot be read", { selector: {} }, { holding: A, next: undefined, isHeldBack: false }],
])("spec.selector when %s", (_when, status, expected) => {
  expect(selectorsOf({ spec: { selector: A }, status })).toEqual(expected);
});

test("a selector is the same in whichever order its labels are", () => {
  const [one, other] = [
    { a: "1", b: "2" },
    { b: "2", a: "1" },
  ];
  expect(selectorsOf({ spec: { selector: one }, status: { selector: other } })?.next).toBeUndefined();
});

test("a version to go back to is what its own images say that it is", () => {
  const images = { userImage: "u", kernelMappings: [{ regexp: ".*", kernelModuleImage: "m" }], version: "v1" };
  const read = (lastReady: object | undefined) => lastReadyOnload({ status: { lastReady } } as unknown as Onload);
  expect(read({ version: "v1", time: "", onload: images })?.version).toBe("v1");
  expect(read({ version: "v2", time: "", onload: images })).toBeUndefined();
  expect(read({ version: "v1", time: "", onload: { version: "v1", userImage: 7 } })).toBeUndefined();
  expect(read(undefined)).toBeUndefined();
});
