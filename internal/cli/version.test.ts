import { expect, test } from "bun:test";
import { isSemanticVersion, VERSION } from "./version.ts";

test("semantic versions, by the examples of semver.org", () => {
  const right = [
    "0.0.4",
    "1.2.3",
    "10.20.30",
    "1.0.0-alpha.1",
    "1.0.0-0A.is.legal",
    "1.0.0---RC.0-a",
    "1.2.3-rc.1",
    "0.0.0-test",
  ];
  const wrong = [
    "1",
    "1.2",
    "1.2.3.4",
    "01.1.1",
    "1.01.1",
    "1.2.3-01",
    "1.2.3-a.01",
    "1.2.3-",
    "1.2.3-a..b",
    "1.2.3+build",
    "v1.2.3",
    "1.2.3-\u00e9",
    "1.2.3\n",
    "",
  ];
  expect([...right, VERSION].filter((text) => !isSemanticVersion(text))).toEqual([]);
  expect(wrong.filter(isSemanticVersion)).toEqual([]);
});
