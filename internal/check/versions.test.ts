import { describe, expect, test } from "bun:test";
import type { Deployment } from "../api/core.ts";
import type { Lease } from "../kube/kinds.ts";
import { operatorVersion, skewText, versionOfImage } from "./versions.ts";

function deployment(image: string): Deployment {
  const containers = [
    { name: "kube-rbac-proxy", image: "proxy:v0.13.0" },
    { name: "manager", image },
  ];
  return {
    kind: "Deployment",
    metadata: { namespace: "ops", name: "m" },
    spec: { template: { spec: { containers } } },
  };
}

function lease(note: string, holderIdentity = "pod-1_uid", renewTime = "2026-01-01T00:00:00.000000Z"): Lease {
  const annotations = { "onload.amd.com/holder": note };
  return { metadata: { namespace: "ops", name: "l", annotations }, spec: { holderIdentity, renewTime } };
}

test.each([
  ["onloadctl:0.1.0", "0.1.0"],
  ["registry.example:5000/trading/onloadctl:v1.2.3", "1.2.3"],
  [`r/onloadctl:1.2.3-rc.1@sha256:${"0".repeat(64)}`, "1.2.3-rc.1"],
  ["quay.io/edge-infrastructure/kernel-module-management-operator:20240618-v2.1.1", "2.1.1"],
  ["gcr.io/k8s-staging-kmm/kernel-module-management-operator:v1.1.0", "1.1.0"],
  ["onloadctl:latest", undefined],
  ["registry.example:5000/onloadctl", undefined],
  [`r/onloadctl@sha256:${"0".repeat(64)}`, undefined],
  ["onloadctl:1.2", undefined],
  [`onloadctl:1.2.3-${"a".repeat(100)}`, undefined],
  ["", undefined],
])("an image %s is of version %s", (image, version) => {
  expect(versionOfImage(deployment(image))).toBe(version!);
});

describe("the operator's version", () => {
  const of = (leases: Lease[], images: string[] = ["onloadctl:0.9.0"]): string | undefined =>
    operatorVersion({
      leases: { items: leases, problem: undefined },
      deployments: { items: images.map(deployment), problem: undefined },
    });
  test("is what the holder of the Lease says", () => expect(of([lease("pod-1_uid 0.2.0")])).toBe("0.2.0"));
  test("is that of the latest holder", () => {
    const earlier = lease("pod-2_uid 0.1.0", "pod-2_uid", "2025-01-01T00:00:00.000000Z");
    expect(of([earlier, lease("pod-1_uid 0.2.0")])).toBe("0.2.0");
  });
  test.each<[string, Lease[]]>([
    ["another holder has left it behind", [lease("pod-2_uid 0.2.0")]],
    ["nobody holds the Lease", [lease("pod-1_uid 0.2.0", "")]],
    ["the note is empty", [lease("", "")]],
    ["the note is no version", [lease("pod-1_uid \u001b[31m0.2.0")]],
    ["there is no Lease", []],
  ])("is that of the image if %s", (_what, leases) => expect(of(leases)).toBe("0.9.0"));
  test("is not that of the original's image, which counts otherwise", () => {
    const original = deployment("docker.io/onload/onload-operator:3.0.0");
    original.spec!.template!.spec!.containers![1]!.args = ["--leader-elect"];
    const leases = { items: [], problem: undefined };
    expect(operatorVersion({ leases, deployments: { items: [original], problem: undefined } })).toBeUndefined();
  });
  test("is unknown if nothing tells it", () => {
    expect(of([], [])).toBeUndefined();
    expect(of([], ["onloadctl:latest"])).toBeUndefined();
  });
});

test.each([
  ["0.1.0", "0.1.0", undefined],
  ["0.1.0", "0.1.9", undefined],
  ["1.4.0-rc.1", "1.4.0", undefined],
  ["0.2.0", "0.1.0", "upgrade the operator"],
  ["1.0.0", "0.10.0", "upgrade the operator"],
  ["0.9.0", "0.10.0", "Use onloadctl 0.10.0$"],
  ["1.9.0", "2.0.0", "Use onloadctl 2.0.0$"],
  ["0.1.0", undefined, undefined],
] as const)("%s beside an operator of %s", (client, operator, warning) => {
  const text = skewText(client, operator);
  if (warning === undefined) expect(text).toBeUndefined();
  else expect(text).toMatch(new RegExp(warning));
});
