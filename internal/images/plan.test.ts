import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { kernelTag } from "../api/kernel-tag.ts";
import { DOCKERFILES } from "./dockerfile.ts";
import type { LocalImage } from "./engine.ts";
import { LABEL_BUILD_KEY, LABEL_CREATED, LABEL_KERNEL, LABEL_REVISION, LABEL_SOURCE, LABEL_VERSION } from "./labels.ts";
import { baseImages, imageName, makePlan, type Observed, type PlannedImage, type Request } from "./plan.ts";
import type { Source } from "./source.ts";

const source: Source = {
  kind: "tarball",
  location: "/onload-9.1.0.tgz",
  product: "onload",
  brand: "OpenOnload",
  version: "9.1.0",
  revision: "ef17681",
  digest: "sha256:aa",
};
const request: Request = {
  parts: ["source", "user", "module", "onloadctl"],
  registry: "r.example:5000/trading",
  kernels: [
    { version: "6.1.0-42-amd64", builder: "debian-builder:12" },
    { version: "5.14.0-427.el9.x86_64+rt", builder: "dtk:1" },
  ],
  bases: { user: "base:1" },
  buildParams: "",
  strip: true,
  buildArgs: [],
  noCache: false,
  dockerfiles: {},
  cores: 8,
};
const observed: Observed = {
  source,
  executable: { path: "/onloadctl", version: "0.1.0", digest: "sha256:bb" },
  images: new Map(),
  now: new Date("2026-01-02T03:04:05Z"),
};

function local(id: string, labels: Record<string, string> = {}): LocalImage {
  return { id, architecture: "amd64", os: "linux", labels, env: [], user: "", size: 1, digests: [] };
}

function label(image: PlannedImage | undefined, name: string): string | undefined {
  return image?.labels.find(([key]) => key === name)?.[1];
}

/** The world after everything of a plan was built and named. */
function built(plan: { images: PlannedImage[] }): Map<string, LocalImage> {
  return new Map(plan.images.map((image) => [image.tag, local(`id-${image.name}`, Object.fromEntries(image.labels))]));
}

describe("what is built", () => {
  test("all, in order, each module for its kernel, under the names that an Onload resource expects", () => {
    expect(makePlan(request, observed).images.map(({ name, tag, wanted }) => [name, tag, wanted])).toEqual([
      ["source", "r.example:5000/trading/onload-source:9.1.0", true],
      ["user", "r.example:5000/trading/onload-user:9.1.0", true],
      ["module-6.1.0-42-amd64", "r.example:5000/trading/onload-module:9.1.0-6.1.0-42-amd64", true],
      ["module-5.14.0-427.el9.x86_64_rt", "r.example:5000/trading/onload-module:9.1.0-5.14.0-427.el9.x86_64_rt", true],
      ["onloadctl", "r.example:5000/trading/onloadctl:0.1.0", true],
    ]);
  });

  const rows: Record<string, [Partial<Request>, Source["kind"], [string, boolean][]]> = {
    "user alone brings its source": [
      { parts: ["user"] },
      "checkout",
      [
        ["source", false],
        ["user", true],
      ],
    ],
    "user from a source image": [{ parts: ["user"] }, "image", [["user", true]]],
    "all from a source image": [
      { kernels: [{ version: "k", builder: "b" }] },
      "image",
      [
        ["user", true],
        ["module-k", true],
        ["onloadctl", true],
      ],
    ],
    "onloadctl alone needs no source": [{ parts: ["onloadctl"] }, "tree", [["onloadctl", true]]],
    "source alone": [{ parts: ["source"] }, "tree", [["source", true]]],
  };
  for (const [name, [change, kind, expected]] of Object.entries(rows)) {
    test(name, () => {
      const plan = makePlan({ ...request, ...change }, { ...observed, source: { ...source, kind } });
      expect(plan.images.map((image) => [image.name, image.wanted])).toEqual(expected);
    });
  }
});

describe("arguments", () => {
  const args = (change: Partial<Request>, name: string): Record<string, string> =>
    Object.fromEntries(makePlan({ ...request, ...change }, observed).images.find((image) => image.name === name)!.args);

  test("of the user image: bases, given or the Dockerfile's own, and its share of the CPUs", () => {
    expect(args({}, "user")).toEqual({
      BUILDER_IMAGE: "registry.access.redhat.com/ubi9/ubi-minimal",
      USER_BASE: "base:1",
      JOBS: "2",
    });
  });

  test("of a module image: the kernel and its builder under both names", () => {
    expect(args({ strip: false, buildParams: "--debug", buildArgs: [["X", "1"]] }, "module-6.1.0-42-amd64")).toEqual({
      DTK_AUTO: "debian-builder:12",
      BUILDER_IMAGE: "debian-builder:12",
      MODULE_BASE: "registry.access.redhat.com/ubi9/ubi-minimal",
      KERNEL_FULL_VERSION: "6.1.0-42-amd64",
      STRIP: "false",
      ONLOAD_BUILD_PARAMS: "--debug",
      X: "1",
      JOBS: "2",
    });
  });

  test("only those that a Dockerfile of the user's declares", () => {
    const dockerfile = "ARG ONLOAD_SOURCE\nARG USER_BASE=mine:1\nFROM $USER_BASE\n";
    expect(args({ dockerfiles: { user: dockerfile }, bases: {} }, "user")).toEqual({ USER_BASE: "mine:1" });
  });
});

test("bases that must be there are those the Dockerfiles and the request name", () => {
  expect(baseImages(request).sort()).toEqual([
    "base:1",
    "debian-builder:12",
    "dtk:1",
    "registry.access.redhat.com/ubi9/ubi-micro",
    "registry.access.redhat.com/ubi9/ubi-minimal",
  ]);
});

test("labels say what an image is and where it comes from", () => {
  const [, user, module, , own] = makePlan(request, observed).images;
  expect(label(user, LABEL_VERSION)).toBe("9.1.0");
  expect(label(user, LABEL_REVISION)).toBe("ef17681");
  expect(label(user, LABEL_SOURCE)).toBe("sha256:aa");
  expect(label(user, LABEL_CREATED)).toBe("2026-01-02T03:04:05.000Z");
  expect(label(user, LABEL_KERNEL)).toBeUndefined();
  expect(label(module, LABEL_KERNEL)).toBe("6.1.0-42-amd64");
  expect(label(own, LABEL_VERSION)).toBe("0.1.0");
  expect(label(own, LABEL_SOURCE)).toBeUndefined();
});

describe("a second run", () => {
  const first = makePlan(request, observed);
  const later = { ...observed, images: built(first), now: new Date("2027-01-01") };
  const rebuilt = (change: Partial<Request>, world: Partial<Observed> = {}): string[] =>
    makePlan({ ...request, ...change }, { ...later, ...world })
      .images.filter(({ reuse }) => reuse === undefined)
      .map(({ name }) => name);

  const rows: Record<string, [Partial<Request>, Partial<Observed>, string[]]> = {
    "nothing has changed": [{}, {}, []],
    "other CPUs change nothing": [{ cores: 2 }, {}, []],
    "no cache": [{ noCache: true, parts: ["source"] }, {}, ["source"]],
    "another user base": [{ bases: { user: "base:2" } }, {}, ["user"]],
    "a base of the same name with other content": [
      {},
      { images: new Map([...later.images, ["base:1", local("new")]]) },
      ["user"],
    ],
    "modules with debug information": [
      { strip: false },
      {},
      ["module-6.1.0-42-amd64", "module-5.14.0-427.el9.x86_64_rt"],
    ],
    "other source of the same version": [
      {},
      { source: { ...source, digest: "sha256:cc" } },
      ["source", "user", "module-6.1.0-42-amd64", "module-5.14.0-427.el9.x86_64_rt"],
    ],
    "another executable": [{}, { executable: { path: "/o", version: "0.1.0", digest: "sha256:dd" } }, ["onloadctl"]],
    "another Dockerfile": [{ dockerfiles: { onloadctl: `${DOCKERFILES.onloadctl}\n# mine\n` } }, {}, ["onloadctl"]],
    "another platform": [{ platform: "linux/arm64", parts: ["onloadctl"] }, {}, ["onloadctl"]],
  };
  for (const [name, [change, world, expected]] of Object.entries(rows)) {
    test(name, () => expect(rebuilt(change, world)).toEqual(expected));
  }

  test("an image of the same name that is not ours is not taken for ours", () => {
    const images = new Map([...later.images].map(([tag]) => [tag, local("x", { [LABEL_BUILD_KEY]: "sha256:other" })]));
    expect(rebuilt({}, { images })).toHaveLength(5);
  });
});

describe("builds side by side", () => {
  const kernels = ["a", "b", "c", "d", "e"].map((version) => ({ version, builder: "b" }));
  const rows: Record<string, [number, number, string | undefined]> = {
    "one CPU": [1, 1, "1"],
    "fewer CPUs than builds": [4, 4, "1"],
    "more CPUs than builds": [16, 6, "2"],
  };
  for (const [name, [cores, parallel, jobs]] of Object.entries(rows)) {
    test(name, () => {
      const plan = makePlan({ ...request, kernels, cores }, observed);
      expect(plan.parallel).toBe(parallel);
      expect(new Map(plan.images.find((image) => image.part === "module")!.args).get("JOBS")).toBe(jobs!);
    });
  }
});

describe("kernelTag", () => {
  const rows: Record<string, string> = {
    "6.1.0-42-amd64": "6.1.0-42-amd64",
    "6.8.0+": "6.8.0",
    "5.14.0+rt": "5.14.0_rt",
    "6~1": "6_1",
  };
  for (const [kernel, tag] of Object.entries(rows)) test(kernel, () => expect(kernelTag(kernel)).toBe(tag));

  test("always fits into a tag", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60 }), (kernel) => {
        expect(imageName({ registry: "r" }, "module", "9.1.0", kernel)).toMatch(/^r\/onload-module:[\w.-]{1,128}$/);
      }),
    );
  });

  test("a tag that would be too long is refused", () => {
    expect(() => imageName({ registry: "r" }, "module", "9".repeat(60), "k".repeat(70))).toThrow("128 characters");
  });
});
