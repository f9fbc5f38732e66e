import { expect, test } from "bun:test";
import { join } from "node:path";

test("the licences of the runtime and of every direct dependency that runs are printed", async () => {
  const root = join(import.meta.dir, "..");
  const { stdout, exitCode } = Bun.spawnSync(["bun", join(root, "cmd/onloadctl.ts"), "licenses"]);
  const text = stdout.toString();
  expect(exitCode).toBe(0);
  const { dependencies } = (await Bun.file(join(root, "package.json")).json()) as {
    dependencies: Record<string, string>;
  };
  // These two are there for their types and for generating files.
  const { zod: _, citty: __, ...running } = dependencies;
  for (const [name, version] of Object.entries(running)) expect(text).toContain(`\n${name} ${version}\nLicence: `);
  expect(text).toContain("JavaScriptCore");
  expect(text).toContain("GNU LIBRARY GENERAL PUBLIC LICENSE");
});

// A holder of the copyright, or words that no other licence has. Binary forms must repeat these texts.
test.each([
  ["boringssl", "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"],
  ["brotli", "2013-2016 by the Brotli Authors"],
  ["libarchive", "The libarchive distribution as a whole is Copyright by Tim Kientzle"],
  ["lol-html", "Copyright (C) 2019, Cloudflare, Inc."],
  ["ls-hpack", "Copyright (C) 2012-2014, Yann Collet"],
  ["ls-qpack", "LiteSpeed Technologies Inc"],
  ["lsquic", "The Chromium Authors"],
  ["mimalloc", "Daan Leijen"],
  ["picohttp", "Kazuho Oku, Tokuhiro Matsuno, Daisuke Murase"],
  ["zstd", "Meta Platforms, Inc. and affiliates"],
  ["zlib-ng", "Jean-loup Gailly and Mark Adler"],
  ["c-ares", "Daniel Stenberg with many contributors"],
  ["libicu", "UNICODE LICENSE V3"],
  ["libbase64", "Copyright (c) 2013-2022, Alfred Klomp"],
  ["libdeflate", "Copyright 2016 Eric Biggers"],
  ["libjpeg-turbo", "The libjpeg-turbo Project"],
  ["libspng", "The PNG Reference Library Authors"],
  ["libwebp", "Copyright (c) 2010, Google Inc."],
  ["HdrHistogram_c", "Copyright (c) 2012, 2013, 2014 Gil Tene"],
])("the licence of %s, which Bun links, has its text", async (name, words) => {
  const { NOTICES } = await import("../internal/licenses/notices.ts");
  const section = NOTICES.split(`${"=".repeat(80)}\n`).find((part) =>
    part.startsWith(`${name}, a library that Bun links\n`),
  );
  expect(section).toContain(words);
  expect(section).toMatch(/warrant(y|ies)/i);
});
