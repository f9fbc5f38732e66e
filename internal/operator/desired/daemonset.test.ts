import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import type { KubeObject } from "../../api/core.ts";
import { withDefaults, type Onload, type OnloadSpecInput } from "../../api/onload.ts";
import golden from "../testdata/daemonset.yaml" with { type: "text" };
import { desiredDaemonSet, devicePluginImage } from "./daemonset.ts";

function onload(change: (spec: OnloadSpecInput) => void = () => undefined): Onload {
  const spec: OnloadSpecInput = {
    selector: { "node-role.kubernetes.io/worker": "" },
    serviceAccountName: "onload-operator-sa",
    onload: {
      kernelMappings: [{ regexp: ".*", kernelModuleImage: "registry/onload-module:8.1" }],
      userImage: "registry/onload-user:8.1",
      version: "8.1",
    },
  };
  change(spec);
  const raw: KubeObject = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { namespace: "onload-runtime", name: "onload", uid: "u-1" },
  };
  return withDefaults({ ...raw, spec });
}

interface PodSpec {
  containers: {
    name: string;
    args: string[];
    imagePullPolicy?: string;
    resources: object;
    volumeMounts: object[];
    ports?: object[];
  }[];
  initContainers: { name: string; args: string[]; imagePullPolicy?: string }[];
  volumes: { name: string; hostPath?: { path: string } }[];
  tolerations?: object[];
  imagePullSecrets?: object[];
}
const podOf = (onload: Onload): PodSpec =>
  desiredDaemonSet(onload, "registry/onloadctl:1").spec.template.spec as PodSpec;
const argsOf = (onload: Onload, name: string): string[] =>
  podOf(onload).containers.find((container) => container.name === name)!.args;

describe("desiredDaemonSet", () => {
  test("a resource with nothing but what it must have", () => {
    expect(desiredDaemonSet(onload(), "registry/onloadctl:1") as unknown).toEqual(parse(golden));
  });

  test("Onload's files in the folder of the boot service's status are mounted once", () => {
    const pod = podOf(onload((spec) => (spec.devicePlugin = { hostOnloadPath: "/var/lib/onload/" })));
    const paths = pod.containers[0]!.volumeMounts.map((each) => (each as { mountPath: string }).mountPath);
    expect(paths).toHaveLength(new Set(paths).size);
    expect(paths).toContain("/host/var/lib/onload");
    expect(pod.volumes.map(({ name }) => name)).not.toContain("boot-status");
  });

  test("a new version changes only the template and a label: the controller leaves running pods alone", () => {
    const before = desiredDaemonSet(onload(), "image");
    const after = desiredDaemonSet(
      onload((spec) => (spec.onload.version = "9")),
      "image",
    );
    expect(after.spec.selector).toEqual(before.spec.selector);
    expect(after.spec.updateStrategy).toEqual({ type: "OnDelete" });
    expect((after.spec.template.spec as { affinity: object }).affinity).toEqual(
      (before.spec.template.spec as { affinity: object }).affinity,
    );
    expect(after.spec.template.metadata.labels["onload.amd.com/version"]).toBe("9");
  });

  test("passes every setting of the device plugin on", () => {
    const args = argsOf(
      onload((spec) => {
        spec.devicePlugin = {
          maxPodsPerNode: 7,
          setPreload: false,
          mountOnload: true,
          hostOnloadPath: "/var/onload/",
          baseMountPath: "/base",
          binMountPath: "/bin",
          libMounthPath: "/lib",
          metricsBindAddress: "[fd00::1]:9999",
          stackMetrics: true,
        };
      }),
      "device-plugin",
    );
    expect(args).toEqual([
      "device-plugin",
      "--onload-version=8.1",
      "--host-onload-path=/var/onload",
      "--host-root=/host",
      "--kubelet-dir=/var/lib/kubelet/device-plugins",
      "--pod-resources-dir=/host/var/lib/kubelet/pod-resources",
      "--look-socket=/onloadctl-look/look.sock",
      "--max-pods=7",
      "--set-preload=false",
      "--mount-onload=true",
      "--base-mount-path=/base",
      "--bin-mount-path=/bin",
      "--lib-mount-path=/lib",
      "--metrics-bind-address=[fd00::1]:9999",
      "--stack-metrics=true",
    ]);
  });

  test("paths that the original joined whatever slashes they had", () => {
    const args = argsOf(
      onload((spec) => (spec.devicePlugin = { baseMountPath: "", binMountPath: "bin", libMountPath: "" })),
      "device-plugin",
    );
    expect(args.filter((arg) => /^--(base|bin|lib)-mount-path=/.test(arg))).toEqual([
      "--base-mount-path=/",
      "--bin-mount-path=/bin",
      "--lib-mount-path=/",
    ]);
  });

  test("mounts the host folder where the flags say that it is", () => {
    const pod = podOf(onload((spec) => (spec.devicePlugin = { hostOnloadPath: "/var/onload/" })));
    expect(pod.volumes.find(({ name }) => name === "host-onload")?.hostPath?.path).toBe("/var/onload");
    expect(pod.containers[0]!.volumeMounts).toContainEqual({ name: "host-onload", mountPath: "/host/var/onload" });
  });

  test.each([
    ["10.0.0.1:9999", [{ name: "metrics", containerPort: 9999, protocol: "TCP" }]],
    [":80", [{ name: "metrics", containerPort: 80, protocol: "TCP" }]],
    ["0", undefined],
  ])("monitoring finds metrics served at %s", (metricsBindAddress, ports) => {
    const pod = podOf(onload((spec) => (spec.devicePlugin = { metricsBindAddress })));
    expect(pod.containers[0]!.ports).toEqual(ports!);
  });

  test("parameters of the control plane", () => {
    const args = argsOf(
      onload((spec) => (spec.onload.controlPlane = { parameters: ["-K", "--log", "x"] })),
      "onload-worker",
    );
    expect(args).toContain("--parameters=-K --log x");
  });

  test("crictl and the container runtime, if the resource names them", () => {
    const args = (controlPlane: OnloadSpecInput["onload"]["controlPlane"]) =>
      argsOf(
        onload((spec) => (spec.onload.controlPlane = controlPlane)),
        "onload-worker",
      );
    expect(args({ crictlPath: "/srv/crictl" })).toEqual([
      "control-plane",
      "--host-root=/host",
      "--parameters=-K",
      "--crictl-path=/srv/crictl",
      "--look-socket=/onloadctl-look/look.sock",
    ]);
    expect(args({ runtimeEndpoint: "unix:///x.sock" })).toContain("--runtime-endpoint=unix:///x.sock");
  });

  test("pull policies, pull secrets, tolerations and resources of the resource", () => {
    const tolerations = [{ key: "trading", operator: "Exists" as const }];
    const resources = { limits: { memory: "128Mi" } };
    const pod = podOf(
      onload((spec) => {
        spec.onload.imagePullPolicy = "Always";
        spec.devicePlugin = { imagePullPolicy: "Never", resources };
        spec.imagePullSecrets = [{ name: "a" }, { name: "b" }];
        spec.tolerations = tolerations;
      }),
    );
    const policies = [...pod.initContainers, ...pod.containers].map(({ name, imagePullPolicy }) => [
      name,
      imagePullPolicy,
    ]);
    expect(policies).toEqual([
      ["copy-onloadctl", "Never"],
      ["install-host-files", "Always"],
      ["device-plugin", "Never"],
      ["onload-worker", "Always"],
    ]);
    expect(pod.imagePullSecrets).toEqual([{ name: "a" }, { name: "b" }]);
    expect(pod.tolerations).toEqual(tolerations);
    expect(pod.containers[0]!.resources).toEqual(resources);
  });
});

describe("devicePluginImage", () => {
  const own = onload((spec) => (spec.devicePlugin = { devicePluginImage: "of-the-resource" }));
  const cases: Record<string, [Onload, string | undefined, string | undefined, string | undefined]> = {
    "the resource's own goes first": [own, "of-the-environment", "of-the-pod", "of-the-resource"],
    "then DEVICE_PLUGIN_IMG": [onload(), "of-the-environment", "of-the-pod", "of-the-environment"],
    "an empty variable is none": [onload(), "", "of-the-pod", "of-the-pod"],
    "then the operator's own pod": [onload(), undefined, "of-the-pod", "of-the-pod"],
    "none is known": [onload(), undefined, undefined, undefined],
  };
  for (const [name, [resource, fromEnvironment, ownImage, want]] of Object.entries(cases)) {
    test(name, () => expect(devicePluginImage(resource, { fromEnvironment, ownImage })).toBe(want!));
  }
});
