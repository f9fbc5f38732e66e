import { isIP } from "node:net";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { onloadCrd } from "./crd.ts";
import { IMAGE, MODULE_IMAGE, REGISTRY_PATH, SERVER_ADDRESS } from "./references.ts";

const digest = `sha256:${"0".repeat(64)}`;

/** What `podman image inspect` takes for a reference (it says "invalid reference format" of the rest), and [IPv6]. */
const IMAGES: Record<"good" | "bad", string[]> = {
  good: [
    "a",
    "a:1",
    "a:A_b.c-D",
    "a/b/c:1",
    "localhost/a",
    "localhost:5000/a:1",
    "Registry.Example.com:5000/a/b_c/d__e/f--g.h:1",
    "UPPER/a",
    "[fd00::1]:5000/a:1",
    `a@${digest}`,
    `registry.example.com/a:1@${digest}`,
    `a:${"b".repeat(128)}`,
    "docker.io/library/debian:12",
  ],
  bad: [
    "",
    " ",
    "A",
    "a/B",
    "registry.example.com/UPPER CASE",
    "a b",
    "a:1 ",
    " a:1",
    "a:1\n",
    "https://a/b:1",
    "docker://a",
    "a:",
    "a:-1",
    `a:${"b".repeat(129)}`,
    "a@sha256:1",
    `a@md5:${"0".repeat(32)}`,
    "a//b",
    "/a",
    "a/",
    "a..b",
    "a___b",
    "-a",
    "a-",
    "é",
    "a:${KERNEL_FULL_VERSION}",
    "registry.example.com:port/a",
  ],
};

test("images are told from what is none", () => {
  expect(IMAGES.good.filter((image) => !IMAGE.test(image))).toEqual([]);
  expect(IMAGES.bad.filter((image) => IMAGE.test(image))).toEqual([]);
  expect(IMAGES.good.filter((image) => !MODULE_IMAGE.test(image))).toEqual([]);
  const variables = ["a:${KERNEL_FULL_VERSION}", "a:1-$KERNEL_XYZ", "r.io/a-${KERNEL_X}/b:v${KERNEL_XYZ:-5.14}_x"];
  expect(variables.filter((image) => !MODULE_IMAGE.test(image))).toEqual([]);
  expect(["a:${}", "a:$", "a:${A B}", "A:${B}"].filter((image) => MODULE_IMAGE.test(image))).toEqual([]);
});

test("every IP address that Node knows is one, and hardly anything else", () => {
  const expression = new RegExp(`^${SERVER_ADDRESS}$`);
  const text = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address);
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      if (isIP(address) !== 0) expect(expression.test(text(address))).toBe(true);
    }),
  );
  const wrong = [
    "300.1.1.1",
    "1.2.3",
    "1.2.3.4.5",
    "[::1",
    "::1",
    "[:::]",
    "[1:2:3:4:5:6:7]",
    "[g::]",
    "[1.2.3.4]",
    "",
  ];
  expect(wrong.filter((address) => expression.test(address))).toEqual([]);
});

/** What CEL of Kubernetes 1.25 has of functions and macros, as far as rules here need it. */
const CEL_1_25 = ["all", "contains", "endsWith", "exists", "has", "matches", "size", "startsWith", "type"];

test("rules use only what the oldest API servers know", () => {
  const found = new Set<string>();
  JSON.stringify(onloadCrd(), (key, value: unknown) => {
    if (key !== "rule" || typeof value !== "string") return value;
    const plain = value.replace(/r?'[^']*'/g, "''");
    for (const [, name] of plain.matchAll(/\b([A-Za-z]+)\(/g)) found.add(name!);
    expect(plain).not.toContain("optional");
    return value;
  });
  expect([...found].filter((name) => !CEL_1_25.includes(name))).toEqual([]);
});

// The grammar of github.com/distribution/reference: a host may have capital letters and be an IPv6 address.
test.each<[string, boolean]>([
  ["localhost", true],
  ["localhost:5000/x", true],
  ["Registry.Example.com:5000/a/b_c", true],
  ["[fd00::1]:5000/onload", true],
  ["[fd00::1]", true],
  ["10.0.0.1/x", true],
  ["xn--bcher-kva.example/x", true],
  ["r:5000/A", false],
  ["r:5000/a//b", false],
  ["r/a/", false],
  ["r/a:1", false],
  ["r/a@sha256", false],
  ["https://r/a", false],
  ["fd00::1/x", false],
  ["-r/a", false],
  ["r/..", false],
  ["r:/a", false],
  ["", false],
])("%s before an image's name: %p", (text, good) => {
  expect(REGISTRY_PATH.test(text)).toBe(good);
  expect(IMAGE.test(`${text}/onload-user:1`)).toBe(good);
});
