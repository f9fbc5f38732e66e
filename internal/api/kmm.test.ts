import { describe, expect, test } from "bun:test";
import type { CustomResourceDefinition, JsonSchema } from "./core.ts";
import { kmmCapabilities } from "./kmm.ts";

/** A CRD of KMM whose schema has just these fields, given as dotted paths; `[]` stands for the items of a list. */
function crd(kind: string, ...paths: string[]): CustomResourceDefinition {
  const root: JsonSchema = { type: "object", properties: {} };
  for (const path of paths) {
    let here = root;
    for (const part of path.split(".")) {
      const field = part.replace("[]", "");
      const next = ((here.properties ??= {})[field] ??= { type: "object" });
      here = part.endsWith("[]") ? (next.items ??= { type: "object" }) : next;
    }
  }
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.toLowerCase()}s.kmm.sigs.x-k8s.io` },
    spec: {
      group: "kmm.sigs.x-k8s.io",
      scope: "Namespaced",
      names: { kind, plural: `${kind.toLowerCase()}s` },
      versions: [{ name: "v1beta1", served: true, storage: true, schema: { openAPIV3Schema: root } }],
    },
  };
}

const loader = "spec.moduleLoader.container";
const singular = crd("Module", "spec.selector", `${loader}.inTreeModuleToRemove`);
const plural = crd("Module", "spec.selector", `${loader}.inTreeModuleToRemove`, `${loader}.inTreeModulesToRemove`);
const tolerant = crd("Module", "spec.tolerations", `${loader}.inTreeModulesToRemove`);
const none = {
  tolerations: false,
  pluralInTree: false,
  nodeModulesConfig: false,
  moduleImagesConfig: false,
};

describe("kmmCapabilities", () => {
  const status = "status.modules[]";
  const cases: Record<string, [CustomResourceDefinition[], object | undefined]> = {
    "not installed": [[], undefined],
    "another group's CRD of the same kind": [
      [{ ...singular, spec: { ...singular.spec, group: "example.com" } }],
      undefined,
    ],
    "1.1": [[singular], none],
    "2.0": [[singular, crd("NodeModulesConfig", `${status}.name`)], { ...none, nodeModulesConfig: true }],
    "2.1": [
      [plural, crd("NodeModulesConfig", `${status}.name`)],
      { ...none, nodeModulesConfig: true, pluralInTree: true },
    ],
    "2.3": [
      [tolerant, crd("NodeModulesConfig", `${status}.name`)],
      { ...none, nodeModulesConfig: true, pluralInTree: true, tolerations: true },
    ],
    "2.4 and later": [
      [tolerant, crd("NodeModulesConfig", `${status}.bootId`), crd("ModuleImagesConfig", "spec.images")],
      { nodeModulesConfig: true, pluralInTree: true, tolerations: true, moduleImagesConfig: true },
    ],
  };
  for (const [version, [crds, want]] of Object.entries(cases)) {
    test(version, () => expect(kmmCapabilities(crds) as object | undefined).toEqual(want));
  }

  test("a version that is not served does not count", () => {
    const versions = singular.spec.versions.map((version) => ({ ...version, served: false }));
    expect(kmmCapabilities([{ ...singular, spec: { ...singular.spec, versions } }])).toBeUndefined();
  });
});
