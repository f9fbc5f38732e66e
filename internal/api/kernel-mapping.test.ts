import { describe, expect, test } from "bun:test";
import { chooseKernelMapping, kernelMappingFor } from "./kernel-mapping.ts";

describe("kernelMappingFor", () => {
  const mappings = [
    { regexp: "^5\\.14.*el9", id: "el9" },
    { regexp: "el8", id: "el8" },
    { regexp: "el", id: "any el" },
    { regexp: "^6\\.1\\.0$", id: "exact" },
    { regexp: "", id: "empty" },
    { literal: "6.6.0-rt", id: "literal" },
    { literal: "", regexp: "(?i)-RT[[:digit:]]+$", id: "RE2" },
  ];
  const cases: Record<string, string | undefined> = {
    "5.14.0-1.el9.x86_64": "el9",
    "4.18.0-372.el8_6.x86_64": "el8",
    "6.0.el10": "any el",
    "6.1.0+": "exact",
    "6.1.0++": undefined,
    "3.10": undefined,
    "6.6.0-rt": "literal",
    "6.6.0-rt+": "literal",
    "6.6.0-rt7": "RE2",
    "": undefined,
  };
  for (const [kernel, want] of Object.entries(cases)) {
    test(kernel || "no kernel", () => expect(kernelMappingFor(mappings, kernel)?.id).toBe(want!));
  }
});

describe("an expression that cannot be evaluated", () => {
  const mappings = [{ regexp: "el8" }, { regexp: "el9(?!_2)" }, { regexp: ".*" }, { literal: "6.1" }];
  test("does not matter to a kernel of an earlier mapping", () => {
    expect(chooseKernelMapping(mappings, "4.18.el8")).toEqual({ mapping: mappings[0]!, problem: undefined });
  });
  test.each(["5.14.el9", "6.1"])("leaves every other kernel without a mapping: %s", (kernel) => {
    expect(chooseKernelMapping(mappings, kernel)).toEqual({
      mapping: undefined,
      problem: "kernelMappings[1].regexp cannot be evaluated: invalid or unsupported Perl syntax",
    });
  });
  test("one that was never meant for KMM says why", () => {
    const problems = [".*x", "x{3}{4}", "(?:[0-9.]{9}){900}", "a".repeat(2049), "[z-a]"].map(
      (regexp) => chooseKernelMapping([{ regexp }], "5").problem,
    );
    expect(problems).toEqual([
      undefined,
      "kernelMappings[0].regexp cannot be evaluated: invalid nested repetition operator",
      "kernelMappings[0].regexp cannot be evaluated: it is too large: repeat less, and use a shorter expression",
      "kernelMappings[0].regexp cannot be evaluated: it has more than 1024 characters",
      "kernelMappings[0].regexp cannot be evaluated: invalid character class range",
    ]);
  });
  test("so does a kernel version that no kernel has", () => {
    expect(chooseKernelMapping([{ regexp: "." }], "5".repeat(100_000)).problem).toEndWith("more than 256 characters");
  });
});
