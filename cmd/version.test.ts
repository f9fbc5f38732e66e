import { expect, test } from "bun:test";
import { kmmText } from "./version.ts";

const REFUSED =
  'Cannot list customresourcedefinitions: customresourcedefinitions.apiextensions.k8s.io is forbidden: User "jane" cannot list resource "customresourcedefinitions" in API group "apiextensions.k8s.io" at the cluster scope';
const image = "quay.io/kmm/operator:2.4.0";
const unknown = { version: undefined, series: undefined, images: [], problem: undefined };

test.each([
  ["it is not installed", unknown, "KMM: not installed\n"],
  ["nothing may be read, which is said once for all", { ...unknown, problem: REFUSED }, "KMM: unknown\n"],
  ["nothing could be read", { ...unknown, problem: "etcd is away" }, "KMM: etcd is away\n"],
  [
    "CRDs may not be read, and its Deployment may",
    { version: "2.4.0", series: undefined, images: [image], problem: REFUSED },
    `KMM: 2.4.0, ${image}\n`,
  ],
  [
    "Deployments may not be read, and CRDs may",
    { ...unknown, series: "2.4 or later", problem: REFUSED },
    "KMM: 2.4 or later, by its CRDs\n",
  ],
])("KMM's version, if %s", (_what, found, text) => {
  expect(kmmText(found)).toBe(text);
});
