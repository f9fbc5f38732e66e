import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  MAX_NAMESPACE_AND_NAME,
  devicePluginSelector,
  moduleReadyLabel,
  moduleVersionReadyLabel,
  onloadModuleLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleLabel,
  sfcModuleName,
} from "./names.ts";

test("names of a resource", () => {
  const key = { namespace: "onload-runtime", name: "onload" };
  expect(onloadModuleLabel(key)).toBe("kmm.node.kubernetes.io/version-module.onload-runtime.onload-module");
  expect(sfcModuleLabel(key)).toBe("kmm.node.kubernetes.io/version-module.onload-runtime.onload-sfcmod");
  expect(pluginLabel(key)).toBe("onload.amd.com/onload-runtime.onload");
  expect(devicePluginSelector(key)).toEqual({
    "app.kubernetes.io/managed-by": "onload-operator",
    "app.kubernetes.io/part-of": "onload",
    "app.kubernetes.io/instance": "onload-onload-runtime-onload",
    "app.kubernetes.io/component": "device-plugin",
    "onload.amd.com/name": "onload-onload-device-plugin-ds",
  });
});

describe("every name is a valid label while namespace and name fit", () => {
  const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,29}[a-z0-9])?$/);
  test("any namespace and name", () => {
    fc.assert(
      fc.property(label, label, (namespace, name) => {
        fc.pre(namespace.length + name.length <= MAX_NAMESPACE_AND_NAME);
        const key = { namespace, name };
        const keys = [
          onloadModuleLabel(key),
          sfcModuleLabel(key),
          pluginLabel(key),
          ...[onloadModuleName(name), sfcModuleName(name)].flatMap((module) => [
            moduleReadyLabel(namespace, module),
            moduleVersionReadyLabel(namespace, module),
          ]),
        ];
        for (const text of keys) expect(text).toMatch(/^[a-z.]+\/[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/);
        for (const value of Object.values(devicePluginSelector(key))) {
          expect(value).toMatch(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/);
        }
        // KMM takes at most 39 characters for namespace and Module name.
        expect(namespace.length + sfcModuleName(name).length).toBeLessThanOrEqual(39);
      }),
    );
  });
});
