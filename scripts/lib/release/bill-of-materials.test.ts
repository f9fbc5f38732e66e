import { expect, test } from "bun:test";
import { billOfMaterials } from "./bill-of-materials.ts";

const facts = {
  version: "1.2.3",
  platform: "linux-arm64",
  sha256: "0".repeat(64),
  packages: [],
  bun: "1.0.0",
  date: "",
};
const bill = (more: object = {}): any => billOfMaterials({ ...facts, ...more }); // oxlint-disable-line typescript/no-explicit-any -- JSON

test("the bill of an image names the C library, as Debian's package and as what the image depends on", () => {
  const cLibrary = { name: "libc6", version: "2.36-9+deb12u14", suite: "bookworm" };
  const { components, dependencies, metadata } = bill({ cLibrary });
  const purl = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=arm64&distro=bookworm";
  expect(components).toContainEqual({
    type: "library",
    "bom-ref": purl,
    name: "libc6",
    version: "2.36-9+deb12u14",
    purl,
    licenses: [{ expression: "LGPL-2.1-or-later" }],
  });
  expect(dependencies[0].dependsOn).toContain(purl);
  expect(metadata.component.type).toBe("container");
});

test("the bill of an executable has no C library, which is not in it", () => {
  const { components, metadata } = bill();
  expect(components.map(({ name }: { name: string }) => name)).toEqual(["bun"]);
  expect(metadata.component.type).toBe("application");
});
