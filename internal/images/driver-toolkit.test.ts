import { describe, expect, test } from "bun:test";
import { matchKernels, parseToolkit, releaseOf, toolkitOfRelease } from "./driver-toolkit.ts";
import type { Runner, RunResult } from "./runner.ts";

const el9 = { image: "dtk:414", kernel: "5.14.0-284.x86_64", realTimeKernel: "5.14.0-284.rt14.x86_64" };
const el8 = { image: "dtk:412", kernel: "4.18.0-372.x86_64" };

describe("matchKernels", () => {
  test("without wish each toolkit builds for its own kernel", () => {
    expect(matchKernels([el9, el8], [])).toEqual([
      { version: "5.14.0-284.x86_64", builder: "dtk:414" },
      { version: "4.18.0-372.x86_64", builder: "dtk:412" },
    ]);
  });

  test("wishes find the toolkit that has their headers, real-time ones too", () => {
    expect(matchKernels([el9, el8], ["4.18.0-372.x86_64", "5.14.0-284.rt14.x86_64"])).toEqual([
      { version: "4.18.0-372.x86_64", builder: "dtk:412" },
      { version: "5.14.0-284.rt14.x86_64", builder: "dtk:414" },
    ]);
  });

  test("a toolkit that leaves +rt out of the name of its real-time kernel has the headers all the same", () => {
    const kernel = "5.14.0-427.18.1.el9_4.x86_64";
    const toolkit = { image: "dtk:416", kernel, realTimeKernel: kernel };
    expect(matchKernels([toolkit], [`${kernel}+rt`, kernel])).toEqual([
      { version: `${kernel}+rt`, builder: "dtk:416" },
      { version: kernel, builder: "dtk:416" },
    ]);
    expect(matchKernels([{ ...toolkit, realTimeKernel: `${kernel}+rt` }], [`${kernel}+rt`])).toHaveLength(1);
    expect(() => matchKernels([el9], [`${el9.kernel}+rt`])).toThrow("Cannot build for kernel");
    expect(() => matchKernels([{ image: "dtk:416", kernel }], [`${kernel}+rt`])).toThrow("Cannot build for kernel");
  });

  test("a toolkit for arm64 has the headers of the kernel with pages of 64 kB, and does not name it", () => {
    for (const kernel of ["5.14.0-284.41.1.el9_2.aarch64", "6.12.0-55.9.1.el10_0.aarch64"]) {
      const toolkit = { image: "dtk:arm64", kernel };
      expect(matchKernels([toolkit], [`${kernel}+64k`, kernel])).toEqual([
        { version: `${kernel}+64k`, builder: "dtk:arm64" },
        { version: kernel, builder: "dtk:arm64" },
      ]);
      for (const other of ["+64k-debug", "+rt", "+rt-64k"]) {
        expect(() => matchKernels([toolkit], [kernel + other])).toThrow("Cannot build for kernel");
      }
    }
    expect(() => matchKernels([el9], [`${el9.kernel}+64k`])).toThrow("Cannot build for kernel");
  });

  test("a toolkit for another kernel is refused", () => {
    expect(() => matchKernels([el9], ["6.1.0"])).toThrow(
      "Cannot build for kernel 6.1.0: the Driver Toolkit dtk:414 is for 5.14.0-284.x86_64 and 5.14.0-284.rt14.x86_64",
    );
  });
});

test("parseToolkit", () => {
  expect(parseToolkit('{"KERNEL_VERSION":"5.14.0","RT_KERNEL_VERSION":"","RHEL_VERSION":"9.2"}')).toEqual({
    kernel: "5.14.0",
  });
  expect(() => parseToolkit('{"RHEL_VERSION":"9.2"}')).toThrow("names no KERNEL_VERSION");
});

describe("toolkitOfRelease", () => {
  /** oc is not installed here: its command line and its answers stand in for it. */
  function oc(result: Partial<RunResult> | Error): { runner: Runner; asked: string[][] } {
    const asked: string[][] = [];
    const runner: Runner = {
      async run(command) {
        asked.push([...command]);
        if (result instanceof Error) throw result;
        return { code: 0, stdout: "", output: "", ...result };
      },
      read: () => Promise.reject(new Error("nothing is read")),
    };
    return { runner, asked };
  }

  test("asks oc with the registry's credentials", async () => {
    const { runner, asked } = oc({ stdout: "quay.io/x@sha256:ab\n" });
    expect(await toolkitOfRelease("4.14.12", { runner, registry: { authfile: "/a.json" } })).toBe(
      "quay.io/x@sha256:ab",
    );
    expect(asked).toEqual([
      "oc adm release info 4.14.12 --image-for=driver-toolkit --registry-config /a.json".split(" "),
    ]);
  });

  test.each([
    ["4.14.12", "4.14.12"],
    ["v4.14.3", "4.14.3"],
    ["4.16.0-rc.3", "4.16.0-rc.3"],
    ["4.10.0-0.okd-2022-03-07-131213", "quay.io/openshift/okd:4.10.0-0.okd-2022-03-07-131213"],
    ["4.13.0-0.okd-scos-2023-05-04-192252", "quay.io/okd/scos-release:4.13.0-0.okd-scos-2023-05-04-192252"],
    ["v4.17.0-okd-scos.0", "quay.io/okd/scos-release:4.17.0-okd-scos.0"],
    ["mirror.example.com/release@sha256:ab", "mirror.example.com/release@sha256:ab"],
  ])("%s is asked for as %s", (version, release) => {
    expect(releaseOf(version)).toBe(release);
  });

  const rows: Record<string, [Partial<RunResult> | Error, string]> = {
    "oc is missing": [new Error("Cannot run oc: spawn oc ENOENT"), "spawn oc ENOENT; see that oc is installed"],
    "the release is unknown": [
      { code: 1, output: "error: image does not exist\n" },
      "error: image does not exist; see",
    ],
    "oc prints nothing": [{ code: 0, output: "" }, "oc exits with 0"],
  };
  for (const [name, [result, expected]] of Object.entries(rows)) {
    test(name, () => {
      const { runner } = oc(result);
      expect(toolkitOfRelease("4.99", { runner, registry: {} })).rejects.toThrow(expected);
    });
  }
});
