import { expect, test } from "bun:test";
import { notices, packageFolders, type Bundled } from "./third-party.ts";

const STANDARD = {
  MIT: "MIT text",
  "LGPL-2.0": "LGPL text",
  "LGPL-2.1": "LGPL 2.1 text",
  "Apache-2.0": "Apache text",
  "BSD-3-Clause": "BSD text",
};
const BUN = {
  version: "1.0.0",
  license: [
    "---\ntitle: x\n---\nBun's words",
    "## Linked libraries",
    "| Library | License |",
    "| ------- | ------- |",
    "| [`lib-a`](https://a.example/) | [several licenses](https://a.example/LICENSE) |",
    "| [`lib-b`](https://b.example/) 78 | BSD 2-Clause |",
    "| [`lib-c`](https://c.example/) (on Windows) | MIT |",
    "| A fork of [`lib-d`](https://d.example/) | Apache 2.0 licensed |",
    "| [`lib-e`](https://e.example/) (on Linux and Windows) | [public domain](https://e.example/) |",
    "## Polyfills",
    "| [`f`](https://f.example/) | MIT |",
  ].join("\n"),
  libraries: { "lib-a": "A's authors", "lib-b": "B's authors" },
};
const one = (more: Partial<Bundled>): Bundled => ({
  name: "a",
  version: "1.2.3",
  license: "MIT",
  texts: ["a's text"],
  ...more,
});

test("each package is there with its version, licence and texts, and so is Bun with all that it links", () => {
  const text = notices(
    [one({}), one({ name: "b", license: "(MIT OR Apache-2.0)", texts: ["one", "two"] })],
    STANDARD,
    BUN,
  );
  for (const part of ["a 1.2.3\nLicence: MIT\n\na's text", "b 1.2.3\nLicence: (MIT OR Apache-2.0)\n\none\n\ntwo"]) {
    expect(text).toContain(part);
  }
  for (const part of ["Bun 1.0.0", "Bun's words", "LGPL text", "LGPL 2.1 text", "MIT text"])
    expect(text).toContain(part);
  expect(text).not.toContain("title: x");
  for (const part of [
    "lib-a, a library that Bun links\n\nA's authors",
    "lib-b, a library that Bun links\n\nB's authors",
  ])
    expect(text).toContain(part);
});

test("a library that Bun links has a text of its own, if its licence asks for one", () => {
  expect(() => notices([], STANDARD, { ...BUN, libraries: { "lib-a": "A's authors" } })).toThrow(
    "Cannot bundle Bun: there is no licence text of lib-b, which it links",
  );
});

test("a package without a text gets the standard one, with its copyright", () => {
  const text = notices(
    [one({ name: "@bufbuild/protobuf", license: "(Apache-2.0 AND BSD-3-Clause)", texts: [] })],
    STANDARD,
    BUN,
  );
  expect(text).toMatch(/Copyright 2008 Google[^=]*\n\nApache text\n\nBSD text/);
});

test.each<[string, Partial<Bundled>, string]>([
  ["an unknown licence", { license: "GPL-3.0-only" }, "Cannot bundle a 1.2.3: its licence is GPL-3.0-only"],
  ["one unknown licence of two", { license: "(MIT AND SSPL-1.0)" }, "its licence is SSPL-1.0"],
  ["no licence", { license: undefined as unknown as string }, "its licence is none"],
  ["neither text nor copyright", { texts: [] }, "it has no licence text"],
])("a package with %s is refused", (_, more, message) => {
  expect(() => notices([one(more)], STANDARD, BUN)).toThrow(message);
});

test("a file belongs to the innermost package", () => {
  const files = [
    "cmd/a.ts",
    "../x/node_modules/@a/b/c.js",
    "../x/node_modules/@a/b/d.js",
    "node_modules/e/node_modules/f/g.js",
  ];
  expect(packageFolders(files)).toEqual(["../x/node_modules/@a/b", "node_modules/e/node_modules/f"]);
});
