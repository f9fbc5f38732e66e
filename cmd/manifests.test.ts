import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { run } from "../internal/testcluster/lib/command.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-manifests-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const call = (...args: string[]) =>
  run([process.execPath, join(checkout, "cmd/onloadctl.ts"), "manifests", ...args], {
    cwd: folder,
    allowFailure: true,
  });
const kinds = (yaml: string): string[] => parseAllDocuments(yaml).map((document) => document.toJS().kind);

describe("prints YAML, and nothing but YAML, on standard output", () => {
  const cases: Record<string, [string[], string]> = {
    install: [["install", "--image=r/onloadctl:1", "-n", "trading"], "Deployment"],
    "install with metrics for few": [["install", "--secure-metrics"], "NetworkPolicy"],
    crd: [["crd"], "CustomResourceDefinition"],
    "the sample": [["sample"], "Onload"],
    "a sample of its own": [["sample", "in-cluster-build"], "ConfigMap"],
    prometheus: [["prometheus"], "PrometheusRule"],
    openshift: [["openshift"], "ClusterRole"],
  };
  for (const [name, [args, kind]] of Object.entries(cases)) {
    test(name, async () => {
      const { code, stdout, stderr } = await call(...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(kinds(stdout)).toContain(kind);
    });
  }
});

test("bundle writes its files and tells of them on standard error", async () => {
  const { code, stdout } = await call("bundle", "--output=b", "--image=r/onloadctl:1", "--bundle-version=1.2.3");
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect((await readdir(join(folder, "b"))).sort()).toEqual(["bundle.Dockerfile", "manifests", "metadata", "tests"]);
});

describe("bad input is one line and exit code 2", () => {
  const cases: Record<string, [string[], string]> = {
    "an unknown part": [["instal"], 'Unknown command "instal": did you mean install?\n'],
    "an unknown sample": [
      ["sample", "nothing"],
      'Unknown sample "nothing": use one of namespace, onload, in-cluster-build, in-cluster-build-openshift, in-cluster-build-ubuntu, pod, pod-x4, pod-x3, profiles, networks, sfnettest, sfptpd-bond, sfptpd-link-local, sfptpd-system-clock, sfptpd-openshift, sfptpd-monitoring\n',
    ],
    "an image without a tag": [
      ["install", "--image=localhost:5000/onloadctl"],
      'Flag --image cannot be "localhost:5000/onloadctl": give an image with its tag or digest\n',
    ],
    "a namespace that is none": [
      ["install", "--namespace=No_Such"],
      'Flag --namespace cannot be "No_Such": use at most',
    ],
    "a bundle without an image": [["bundle", "--output=b"], "Flag --image is missing: give --image=IMAGE\n"],
    "a bundle's version that is none": [
      ["bundle", "--output=c", "--image=r/x:1", "--bundle-version=one"],
      'Flag --bundle-version cannot be "one": give a version such as 0.1.0\n',
    ],
  };
  for (const [name, [args, message]] of Object.entries(cases)) {
    test(name, async () => {
      const { code, stdout, stderr } = await call(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toStartWith(message);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    });
  }
});
