import { expect, test } from "bun:test";
import { join } from "node:path";
import { parse } from "yaml";
import type { CustomResourceDefinition } from "../../api/core.ts";
import { Store } from "../../kube/store.ts";
import { trimCrd } from "../cache/trim.ts";
import { crdProblem, keepsPaused } from "./crd.ts";

/** The CRD as it is shipped. */
const SHIPPED = await Bun.file(join(import.meta.dirname, "../../manifests/crd/onload.amd.com_onloads.yaml")).text();

/** The problem of the CRD that is shipped, as it is kept in memory, after a change. */
function problemAfter(change: (properties: any) => void): string | undefined {
  return crdProblem({ crds: { store: storeAfter(change) } })?.message;
}

function storeAfter(change: (properties: any) => void): Store<CustomResourceDefinition> {
  const crd = parse(SHIPPED) as CustomResourceDefinition;
  change(crd.spec.versions[0]!.schema!.openAPIV3Schema!.properties);
  const store = new Store<CustomResourceDefinition>();
  store.set(trimCrd(crd));
  return store;
}

test("the CRD that is shipped, and a newer one, have no problem", () => {
  expect(problemAfter(() => undefined)).toBeUndefined();
  expect(
    problemAfter(({ spec, status }) => {
      spec.properties.next = { type: "string" };
      status.properties.next = { type: "string" };
    }),
  ).toBeUndefined();
});

test("no CRD in the cache is no problem of the resource", () => {
  expect(crdProblem({ crds: { store: new Store<CustomResourceDefinition>() } })).toBeUndefined();
});

test.each<[string, (properties: any) => void]>([
  ["status.selector", ({ status }) => delete status.properties.selector],
  ["spec.upgrade", ({ spec }) => delete spec.properties.upgrade],
  ["spec.upgrade.drain.force", ({ spec }) => delete spec.properties.upgrade.properties.drain.properties.force],
  [
    "spec.onload.kernelMappings[].sfc",
    ({ spec }) => delete spec.properties.onload.properties.kernelMappings.items.properties.sfc,
  ],
])("a CRD without %s is named, with the remedy", (field, change) => {
  const message = problemAfter(change);
  expect(message).toContain(`drops ${field}: onloadctl manifests crd | kubectl apply`);
});

test("whether a resource is paused is not known if the API server drops that", () => {
  const known = (change: (properties: any) => void): boolean => keepsPaused({ crds: { store: storeAfter(change) } });
  expect(known(() => undefined)).toBe(true);
  expect(known(({ spec }) => delete spec.properties.upgrade.properties.drain)).toBe(true);
  const withoutPaused = ({ spec }: any): unknown => delete spec.properties.upgrade.properties.paused;
  const withoutUpgrade = ({ spec }: any): unknown => delete spec.properties.upgrade;
  for (const change of [withoutPaused, withoutUpgrade]) {
    expect(known(change)).toBe(false);
    expect(problemAfter(change)).toContain("; no node is upgraded until then: look at spec.upgrade afterwards");
  }
  expect(keepsPaused({ crds: { store: new Store<CustomResourceDefinition>() } })).toBe(true);
});

test("of many missing fields only some are named", () => {
  const message = problemAfter(({ status }) => (status.properties = {}));
  expect(message).toContain("drops status.conditions, status.headline, status.lastReady and 8 more: ");
});
