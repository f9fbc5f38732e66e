import { describe, expect, test } from "bun:test";
import { mappingFor } from "./module-config.ts";

describe("kernel mappings", () => {
  const module = (...regexps: string[]) =>
    ({
      spec: {
        moduleLoader: { container: { kernelMappings: regexps.map((regexp) => ({ regexp, containerImage: regexp })) } },
      },
    }) as never;
  test.each([
    ["the first that matches, not anchored", ["^6", "14"], "5.14.0", "14"],
    ["one trailing + does not count", ["^5\\.14\\.0$"], "5.14.0+", "^5\\.14\\.0$"],
    ["none", ["^6"], "5.14.0", undefined],
    ["beyond JavaScript: KMM decides", ["(?P<a>5)"], "5.14.0", "(?P<a>5)"],
  ])("%s", (_name, regexps, kernel, image) => {
    expect(mappingFor(module(...regexps), kernel)?.containerImage).toBe(image);
  });
});
