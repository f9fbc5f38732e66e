import { expect, test } from "bun:test";
import type { JsonSchema } from "./core.ts";
import { onloadCrd } from "./crd.ts";

test("kubectl explain tells every default that is one value", () => {
  let seen = 0;
  const walk = ({ properties = {}, items }: JsonSchema): void => {
    for (const each of [...Object.values(properties), ...(items ? [items] : [])]) {
      const { default: value, description = "" } = each;
      if (value !== undefined && typeof value !== "object") {
        seen++;
        expect(description).toEndWith(` Default: ${value as string}.`);
      }
      walk(each);
    }
  };
  walk(onloadCrd().spec.versions[0]!.schema!.openAPIV3Schema!.properties!["spec"]!);
  expect(seen).toBeGreaterThan(10);
});
