import { describe, expect, spyOn, test } from "bun:test";
import { RE2JS } from "re2js";
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

describe("a long list of large expressions", () => {
  const KERNEL = "5.14.0-570.58.1.rt14.343.el9_6.x86_64";
  /** As many as the CRD accepts, each about as large as one may be, which match no kernel. */
  const largest = (id: string): { regexp: string }[] =>
    Array.from({ length: 128 }, (_, i) => ({
      regexp: `(?:${"a?".repeat(60)}){5}${".*".repeat(240)}z${id}${i}`,
    }));
  /** The instructions of the programs that run meanwhile, however fast this machine is. */
  const evaluated = (run: () => void): number => {
    const spy = spyOn(RE2JS.prototype, "matcher");
    try {
      run();
      return (spy.mock.contexts as RE2JS[]).reduce((sum, program) => sum + program.programSize(), 0);
    } finally {
      spy.mockRestore();
    }
  };

  test("costs no more than a few of them, and nothing at the next node with that kernel", () => {
    const mappings = largest("once");
    const first = evaluated(() => chooseKernelMapping(mappings, KERNEL));
    expect(first).toBeGreaterThan(2000);
    expect(first).toBeLessThan(16_000);
    expect(evaluated(() => chooseKernelMapping(mappings, KERNEL))).toBe(0);
    expect(evaluated(() => chooseKernelMapping(structuredClone(mappings), KERNEL))).toBe(0);
    expect(evaluated(() => chooseKernelMapping(mappings, "4.18"))).toBe(first);
  });
  test("costs nothing at the next node, however many resources have one", () => {
    const resources = Array.from({ length: 6 }, (_, i) => largest(`of${i}-`));
    const scan = (): void => resources.forEach((mappings) => chooseKernelMapping(mappings, KERNEL));
    expect(evaluated(scan)).toBeGreaterThan(0);
    expect(evaluated(scan)).toBe(0);
  });
  test("says so, but not to a kernel of an earlier mapping", () => {
    const mappings = [{ regexp: "el8" }, ...largest("")];
    expect(chooseKernelMapping(mappings, "4.18.el8").mapping).toBe(mappings[0]!);
    const { mapping, problem } = chooseKernelMapping(mappings, KERNEL);
    expect(mapping).toBeUndefined();
    expect(problem).toMatch(
      /^kernelMappings\[\d+\]\.regexp cannot be evaluated: it is too large with those before it: repeat less, and use fewer or shorter expressions$/,
    );
  });
  test("is not one of 128 that name a kernel each, nor is one that names 240", () => {
    const release = (i: number): string => `5\\.14\\.0-570\\.${i}\\.1\\.rt14\\.343\\.el9_6\\.x86_64`;
    const each = Array.from({ length: 128 }, (_, i) => ({ regexp: `^${release(i)}$` }));
    expect(kernelMappingFor(each, "5.14.0-570.127.1.rt14.343.el9_6.x86_64")).toBe(each[127]);
    const some = Array.from({ length: 12 }, (_, i) => ({
      regexp: `^(?:${Array.from({ length: 20 }, (__, j) => release(20 * i + j)).join("|")})$`,
    }));
    expect(kernelMappingFor(some, "5.14.0-570.239.1.rt14.343.el9_6.x86_64")).toBe(some[11]);
  });
});
