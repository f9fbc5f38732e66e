import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { withDefaults } from "./onload.ts";
import { onloadSpec } from "./schema.ts";
import { SPEC_FORM } from "./spec-form.gen.ts";
import { applySchema } from "./structural.ts";

const text = fc.string({ maxLength: 8 });
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

/** Specs of the right form, with any of the optional fields left out and fields that nobody knows put in. */
const specs = fc.record({
  selector: fc.dictionary(text, text),
  serviceAccountName: text,
  onload: fc.record({
    kernelMappings: fc.array(
      fc.record({
        regexp: text,
        kernelModuleImage: text,
        sfc: optional(fc.constant({})),
        build: optional(
          fc.record({
            dockerfileConfigMap: fc.record({ name: optional(text) }),
            buildArgs: optional(fc.array(fc.record({ name: text, value: text, unknown: optional(text) }))),
          }),
        ),
      }),
      { maxLength: 3 },
    ),
    userImage: text,
    version: text,
    controlPlane: optional(fc.record({ parameters: optional(fc.array(text)), crictlPath: optional(text) })),
  }),
  devicePlugin: optional(
    fc.record({
      maxPodsPerNode: optional(fc.integer()),
      setPreload: optional(fc.boolean()),
      libMounthPath: optional(text),
      resources: optional(fc.record({ limits: fc.dictionary(text, fc.oneof(text, fc.integer())) })),
      unknown: optional(fc.anything()),
    }),
  ),
  imagePullSecrets: optional(fc.array(fc.record({ name: optional(text) }))),
  upgrade: optional(
    fc.record({
      maxUnavailable: optional(fc.oneof(fc.integer(), text)),
      onFailure: optional(fc.constantFrom("Halt", "Rollback")),
      drain: optional(fc.record({ force: optional(fc.boolean()) })),
    }),
  ),
  unknown: optional(fc.anything()),
});

describe("applySchema", () => {
  test("gives the same as the schema that it was generated from", () => {
    fc.assert(
      fc.property(specs, (spec) => {
        // JSON has no undefined.
        const json: unknown = JSON.parse(JSON.stringify(spec));
        expect(applySchema(json, SPEC_FORM, "spec")).toEqual(onloadSpec.parse(json));
      }),
    );
  });

  const good = { selector: {}, serviceAccountName: "", onload: { kernelMappings: [], userImage: "", version: "" } };
  const bad: Record<string, [unknown, string]> = {
    "nothing at all": [undefined, "spec: Must be of type object, not undefined"],
    "a list for an object": [{ ...good, onload: [] }, "spec.onload: Must be of type object, not array"],
    "an object for a list": [
      { ...good, onload: { ...good.onload, kernelMappings: {} } },
      "spec.onload.kernelMappings: Must be of type array, not object",
    ],
    "a number for text": [
      { ...good, serviceAccountName: 3 },
      "spec.serviceAccountName: Must be of type string, not integer",
    ],
    "a fraction": [
      { ...good, devicePlugin: { maxPodsPerNode: 1.5 } },
      "spec.devicePlugin.maxPodsPerNode: Must be of type integer, not number",
    ],
    "text for truth": [
      { ...good, devicePlugin: { setPreload: "yes" } },
      "spec.devicePlugin.setPreload: Must be of type boolean, not string",
    ],
    "neither number nor text": [
      { ...good, upgrade: { maxUnavailable: true } },
      "spec.upgrade.maxUnavailable: Must be of type integer or string, not boolean",
    ],
    "a value that is none of those allowed": [
      { ...good, upgrade: { onFailure: "Ignore" } },
      'spec.upgrade.onFailure: Cannot be "Ignore": use one of Halt, Rollback',
    ],
    "a missing field": [
      { ...good, onload: { kernelMappings: [], version: "" } },
      "spec.onload.userImage: Required value",
    ],
    "null for a field that must be there": [{ ...good, selector: null }, "spec.selector: Required value"],
    "a wrong item": [
      { ...good, tolerations: [{}, { key: 1 }] },
      "spec.tolerations[1].key: Must be of type string, not integer",
    ],
  };
  for (const [name, [spec, message]] of Object.entries(bad)) {
    test(name, () => {
      expect(() => applySchema(spec, SPEC_FORM, "spec")).toThrow(message);
      expect(onloadSpec.safeParse(spec).success).toBe(false);
    });
  }

  test("null stands for nothing where there is a default", () => {
    const raw = { apiVersion: "", kind: "Onload", metadata: { name: "n" }, spec: { ...good, devicePlugin: null } };
    expect(withDefaults(raw).spec.devicePlugin.maxPodsPerNode).toBe(100);
  });
});
