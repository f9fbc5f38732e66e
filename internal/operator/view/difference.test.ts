import { expect, test } from "bun:test";
import { changeLines, resourceChanges } from "./difference.ts";

test("each field that differs is one line", () => {
  const before = {
    metadata: { annotations: { a: "1" } },
    spec: { list: [{ x: 1 }, { x: 2 }], gone: { deep: true }, same: {} },
  };
  const after = {
    metadata: { annotations: { a: "1", "example.com/b": "2" }, labels: {} },
    spec: { list: [{ x: 3 }], same: {}, kind: "text" },
  };
  expect(changeLines(resourceChanges(before, after))).toEqual([
    '+ metadata.annotations["example.com/b"]: "2"',
    "~ spec.list[0].x: 1 -> 3",
    "- spec.list[1].x: 2",
    "- spec.gone.deep: true",
    '+ spec.kind: "text"',
  ]);
  expect(resourceChanges(before, before)).toEqual([]);
});
