import { describe, expect, test } from "bun:test";
import { literalMapping, mappingFor, mayMap } from "./module-config.ts";

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
  test("a kernel may get something if one matches, or if that cannot be told", () => {
    expect([["5"], ["^6"], ["(?!6)"], []].map((regexps) => mayMap(module(...regexps), "5.14.0"))).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(mayMap(undefined, "5.14.0")).toBeFalse();
  });
  test("one for a kernel alone has the same image, which is not built again, and the name that KMM compares", () => {
    const build = { dockerfileConfigMap: { name: "d" } };
    const mapping = { regexp: "^5", containerImage: "i", build, registryTLS: { insecure: true } };
    expect(literalMapping(mapping as never, "5.14.0+") as object).toEqual({
      literal: "5.14.0",
      containerImage: "i",
      registryTLS: { insecure: true },
    });
    expect(mapping).toHaveProperty("build", build);
  });
});
