import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { controlPlaneParameters, managesSfc, nameProblem, withDefaults } from "./onload.ts";
import type { KubeObject } from "./core.ts";

const minimal = {
  selector: { "node-role.kubernetes.io/worker": "" },
  serviceAccountName: "onload",
  onload: { kernelMappings: [{ regexp: ".*", kernelModuleImage: "r/m:1" }], userImage: "r/u:1", version: "1" },
};

function resource(spec: unknown): KubeObject & { spec: unknown } {
  return { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { namespace: "ns", name: "onload" }, spec };
}

describe("withDefaults", () => {
  test("fills in what the original fills in, and that what is new is off", () => {
    expect(withDefaults(resource(minimal)).spec.devicePlugin).toEqual({
      maxPodsPerNode: 100,
      setPreload: true,
      mountOnload: false,
      hostOnloadPath: "/opt/onload/",
      kubeletDir: "/var/lib/kubelet/device-plugins",
      baseMountPath: "/opt/onload",
      binMountPath: "/usr/bin",
      libMountPath: "/usr/lib64",
      stackMetrics: false,
    });
    expect(controlPlaneParameters(withDefaults(resource(minimal)).spec)).toEqual(["-K"]);
  });

  test("rolls out one node at a time and halts on failure", () => {
    expect(withDefaults(resource(minimal)).spec.upgrade).toEqual({
      maxUnavailable: 1,
      paused: false,
      drain: { timeoutSeconds: 300, force: false },
      stepTimeoutSeconds: 900,
      onFailure: "Halt",
    });
  });

  const libraries: Record<string, [object, string]> = {
    neither: [{}, "/usr/lib64"],
    "former spelling": [{ libMounthPath: "/lib" }, "/lib"],
    "present spelling": [{ libMountPath: "/lib" }, "/lib"],
    "both: the present one counts": [{ libMountPath: "/lib", libMounthPath: "/usr/lib64" }, "/lib"],
  };
  for (const [name, [devicePlugin, want]] of Object.entries(libraries)) {
    test(`libMountPath: ${name}`, () => {
      expect(withDefaults(resource({ ...minimal, devicePlugin })).spec.devicePlugin.libMountPath).toBe(want);
    });
  }

  test("changes nothing that is already there, and nothing twice", () => {
    const once = withDefaults(resource({ ...minimal, upgrade: { maxUnavailable: "10%" } }));
    expect(once.spec.upgrade.maxUnavailable).toBe("10%");
    expect(withDefaults(once)).toEqual(once);
  });

  test("does not change its argument", () => {
    const raw = resource(structuredClone(minimal));
    withDefaults(raw);
    expect(raw.spec).toEqual(minimal);
  });

  test("names the resource and the field that has not the right form", () => {
    const spec = { ...minimal, onload: { ...minimal.onload, kernelMappings: [{ regexp: 3 }] } };
    expect(() => withDefaults(resource(spec))).toThrow(
      "Cannot read Onload ns/onload: spec.onload.kernelMappings[0].regexp: Must be of type string, not integer",
    );
  });
});

describe("managesSfc", () => {
  const of = (...mappings: object[]): boolean =>
    managesSfc(withDefaults(resource({ ...minimal, onload: { ...minimal.onload, kernelMappings: mappings } })).spec);
  const mapping = { regexp: ".*", kernelModuleImage: "r/m:1" };
  test("one mapping is enough", () => expect(of(mapping, { ...mapping, sfc: {} })).toBe(true));
  test("none has it", () => expect(of(mapping)).toBe(false));
});

describe("nameProblem", () => {
  test("a dot", () => expect(nameProblem({ namespace: "a", name: "b.c" })).toContain("must have no dots"));
  test("room for 32 characters", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (namespace, name) => {
        const problem = nameProblem({ namespace: "n".repeat(namespace), name: "o".repeat(name) });
        expect(problem === undefined).toBe(namespace + name <= 32);
      }),
    );
  });
});
