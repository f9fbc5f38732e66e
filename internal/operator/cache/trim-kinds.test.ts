/** What of each kind of object is kept, but for those of which anybody may make large ones; see trim.test.ts. */
import { expect, test } from "bun:test";
import type { DaemonSet, KubeObject } from "../../api/core.ts";
import {
  trimAdmissionPolicy,
  trimCrd,
  trimDaemonSet,
  trimModule,
  trimNamespace,
  trimNodeModulesConfig,
  trimPolicyBinding,
  trimPool,
  trimToLabels,
} from "./trim.ts";

const identity = { name: "x", uid: "u", resourceVersion: "7" };
const managedFields = [{ manager: "kubelet", operation: "Update" }];
const ALLOWED = { "onload.amd.com/allow-deletion": "true" };
const noise = { managedFields, annotations: { ...ALLOWED, other: "x" }, labels: { l: "v" } };
const kept = { ...identity, annotations: ALLOWED };
const openApi = (properties: object): object => ({ description: "d", type: "object", properties });

/** Each kind of object: what the API server has, and what is read of it. */
test.each<[string, (object: never) => object, object, object]>([
  [
    "namespace: whether force may take pods away, and whether it may be deleted",
    trimNamespace,
    {
      metadata: {
        ...identity,
        ...noise,
        annotations: { ...noise.annotations, "onload.amd.com/allow-force-drain": "true" },
      },
    },
    { metadata: { ...identity, annotations: { ...ALLOWED, "onload.amd.com/allow-force-drain": "true" } } },
  ],
  [
    "binding of a policy: of which, what it does, and where",
    trimPolicyBinding,
    {
      metadata: { ...identity, ...noise },
      spec: { policyName: "p", validationActions: ["Deny"], matchResources: { a: 1 }, paramRef: {} },
    },
    { metadata: identity, spec: { policyName: "p", validationActions: ["Deny"], matchResources: { a: 1 } } },
  ],
  [
    "policy: all on which it depends what is refused",
    trimAdmissionPolicy,
    {
      metadata: { ...identity, ...noise },
      spec: {
        failurePolicy: "Ignore",
        paramKind: { kind: "K" },
        matchConstraints: { matchPolicy: "Exact" },
        matchConditions: [{ name: "c", expression: "false" }],
        variables: [{ name: "v", expression: "1" }],
        validations: [{ expression: "true", message: "m" }],
        auditAnnotations: [],
      },
    },
    {
      metadata: identity,
      spec: {
        failurePolicy: "Ignore",
        paramKind: { kind: "K" },
        matchConstraints: { matchPolicy: "Exact" },
        matchConditions: [{ name: "c", expression: "false" }],
        variables: [{ name: "v", expression: "1" }],
        validations: [{ expression: "true" }],
      },
    },
  ],
  [
    "Module: all but who manages which field, and KMM's counts",
    trimModule,
    { metadata: { ...identity, ...noise }, spec: { selector: { a: "b" } }, status: { moduleLoader: {} } },
    { metadata: { ...identity, annotations: noise.annotations, labels: noise.labels }, spec: { selector: { a: "b" } } },
  ],
  [
    "NodeModulesConfig: all but metadata, and whether it may be deleted",
    trimNodeModulesConfig,
    { metadata: { ...identity, ...noise }, spec: { modules: [1] }, status: { modules: [2] } },
    { metadata: kept, spec: { modules: [1] }, status: { modules: [2] } },
  ],
  [
    "CRD of KMM: which fields its versions have, five levels down, and whether it may be deleted",
    trimCrd,
    {
      metadata: { ...identity, ...noise },
      spec: {
        group: "kmm.sigs.x-k8s.io",
        scope: "Namespaced",
        names: { kind: "Module", plural: "modules", shortNames: ["m"] },
        versions: [
          {
            name: "v1beta1",
            served: true,
            storage: true,
            schema: {
              openAPIV3Schema: openApi({
                spec: openApi({ a: openApi({ b: openApi({ c: { items: openApi({ d: {} }) } }) }) }),
              }),
            },
          },
        ],
        conversion: {},
      },
    },
    {
      metadata: kept,
      spec: {
        group: "kmm.sigs.x-k8s.io",
        scope: "Namespaced",
        names: { kind: "Module", plural: "modules" },
        versions: [
          {
            name: "v1beta1",
            served: true,
            storage: true,
            schema: {
              openAPIV3Schema: {
                properties: {
                  spec: {
                    properties: {
                      a: { properties: { b: { properties: { c: { items: { properties: { d: {} } } } } } } },
                    },
                  },
                },
              },
            },
          },
        ],
      },
    },
  ],
  [
    "MachineConfig: its labels",
    trimToLabels,
    { metadata: { ...identity, ...noise }, spec: { config: { files: ["large"] } } },
    { metadata: { ...identity, labels: noise.labels } },
  ],
  [
    "MachineConfigPool: its nodes, and the MachineConfigs that they have and get",
    trimPool,
    {
      metadata: { ...identity, ...noise },
      spec: {
        nodeSelector: { matchLabels: { a: "" } },
        configuration: { name: "rendered-b", source: [{ kind: "MachineConfig", name: "99-sfc" }] },
        paused: true,
      },
      status: { configuration: { name: "rendered-a", source: [{ name: "00-worker" }] }, machineCount: 3 },
    },
    {
      metadata: identity,
      spec: {
        nodeSelector: { matchLabels: { a: "" } },
        configuration: { name: "rendered-b", source: [{ name: "99-sfc" }] },
      },
      status: { configuration: { name: "rendered-a", source: [{ name: "00-worker" }] } },
    },
  ],
])("of a %s", (_what, trim, object, expected) => {
  const kind = { apiVersion: "g/v1", kind: "K" };
  expect(trim({ ...kind, ...object } as KubeObject as never)).toEqual({ ...kind, ...expected } as never);
});

test("of a DaemonSet: who owns it, whether it may be deleted, whether it goes, and no annotation else", () => {
  const owner = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", name: "main", uid: "1" };
  const metadata = { ...identity, ...noise, deletionTimestamp: "2026-01-01T00:01:00Z", ownerReferences: [owner] };
  const spec = { selector: {}, template: { metadata: {}, spec: {} } };
  expect(trimDaemonSet({ metadata, spec } as unknown as DaemonSet).metadata).toEqual({
    ...kept,
    deletionTimestamp: "2026-01-01T00:01:00Z",
    labels: {},
    ownerReferences: [owner],
  });
});
