import { describe, expect, test } from "bun:test";
import { UsageError } from "../cli/errors.ts";
import { PARTS } from "./dockerfile.ts";
import { readOptions, readParts, registryAccess, type BuildFlags } from "./options.ts";

const flags: BuildFlags = {
  parts: PARTS,
  registry: "r.example",
  onload: "/onload",
  kernels: [],
  openshiftVersions: ["4.14.12"],
  toolkitImages: [],
  "build-params": "",
  strip: true,
  buildArgs: ["A=b=c"],
  dockerfiles: {},
  cores: 2,
};

test("a command line that makes sense", () => {
  expect(readOptions({ ...flags, kernels: ["6.1.0-1", "6.1.0-1"] })).toMatchObject({
    kernels: ["6.1.0-1"],
    buildArgs: [["A", "b=c"]],
    push: false,
    access: { insecure: [] },
  });
});

test("a source image is not built again", () => {
  const { onload: _, ...rest } = flags;
  expect(readOptions({ ...rest, "source-image": "s:1" }).parts).toEqual(["user", "module", "onloadctl"]);
});

describe("command lines that make none", () => {
  const rows: Record<string, [Partial<BuildFlags>, string]> = {
    "no source": [{ onload: undefined }, "give --onload=PATH or --source-image=IMAGE"],
    "two sources": [{ "source-image": "s:1" }, "not both"],
    "a source image from a source image": [
      { onload: undefined, "source-image": "s:1", parts: ["source"] },
      "is built from --onload",
    ],
    "no kernel": [{ openshiftVersions: [] }, "No kernel to build modules for"],
    "a kernel without builder": [{ openshiftVersions: [], kernels: ["6.1.0"] }, "give --builder-image=IMAGE"],
    "a kernel that is none": [{ kernels: ["6.1 0; rm"] }, 'Flag --kernel cannot be "6.1 0; rm"'],
    "a kernel of two parts": [
      { kernels: ["6.1"] },
      'Flag --kernel cannot be "6.1": KMM needs a version of three parts',
    ],
    "a release that is none": [
      { openshiftVersions: ["--image-for=x"] },
      'Flag --openshift-version cannot be "--image-for=x"',
    ],
    "push to nowhere": [{ push: true, registry: "localhost" }, "Flag --push needs a registry"],
    "a registry with scheme": [{ registry: "https://r" }, "Flag --registry cannot be"],
    "a registry in capitals": [{ registry: "r/Trading" }, "in lower case"],
    "a platform that is none": [{ platform: "arm64" }, "such as linux/arm64"],
    "a build argument without value": [{ buildArgs: ["A"] }, "give NAME=VALUE"],
  };
  for (const [name, [change, expected]] of Object.entries(rows)) {
    test(name, () => {
      expect(() => readOptions({ ...flags, ...change })).toThrow(expected);
      expect(() => readOptions({ ...flags, ...change })).toThrow(UsageError);
    });
  }

  test("an image that there is none of", () =>
    expect(() => readParts("modules")).toThrow("source, user, module, onloadctl, all"));
});

test("registries without TLS are named one by one", () => {
  const access = { authfile: undefined, insecure: ["r.example:5000", "10.0.0.1", "[::1]:5000"] };
  expect(registryAccess({ "insecure-registry": access.insecure })).toEqual(access);
  for (const wrong of ["", "https://r.example", "r.example/x", "*"])
    expect(() => registryAccess({ "insecure-registry": [wrong] })).toThrow("give HOST[:PORT]");
});
