import { describe, expect, test } from "bun:test";
import { parseReadme, versionProblem } from "./readme.ts";

describe("parseReadme", () => {
  test("the trailer of a release", () => {
    const text =
      "Title\n=====\n\n==========\n version: enterpriseonload-9.0.2.40\nrevision: ef17681\n    date: Wed Jul 22\n";
    expect(parseReadme(text)).toEqual({ product: "enterpriseonload", version: "9.0.2.40", revision: "ef17681" });
  });

  const none: Record<string, string> = {
    "no trailer": "version: onload-9.1.0\n",
    "the template of a checkout": "==========\n version: ONLOAD_VERSION\nrevision: ONLOAD_TAG\n",
    "a longer line of equals signs": "================\n version: onload-9.1.0\n",
  };
  for (const [name, text] of Object.entries(none)) test(name, () => expect(parseReadme(text)).toBeUndefined());
});

describe("versionProblem", () => {
  const rows: Record<string, boolean> = {
    "9.1.0": true,
    ef17681: true,
    "10.0.0-rc1": true,
    "9.1.0_x": true,
    "-9": false,
    "9.": false,
    "9,1": false,
    "9+1": false,
    "": false,
    ["x".repeat(63)]: true,
    ["x".repeat(64)]: false,
  };
  for (const [version, good] of Object.entries(rows)) {
    test(JSON.stringify(version), () => expect(versionProblem(version) === undefined).toBe(good));
  }
});
