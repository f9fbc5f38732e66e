import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hostOnloadPathProblem, kubeletDirProblem, podResourcesDirProblem, SYSTEM_FOLDERS } from "./host-paths.ts";
import {
  BAD_HOST_ONLOAD_PATHS,
  BAD_KUBELET_DIRS,
  BAD_POD_RESOURCES_DIRS,
  GOOD_HOST_ONLOAD_PATHS,
  GOOD_KUBELET_DIRS,
  GOOD_POD_RESOURCES_DIRS,
} from "./testing/host-paths.ts";

// The rules of the CRD are tried with the same paths on a real API server (crd.cluster.test.ts).
describe("hostOnloadPathProblem", () => {
  for (const [path, message] of Object.entries(BAD_HOST_ONLOAD_PATHS)) {
    test(`refuses ${JSON.stringify(path)}`, () => expect(hostOnloadPathProblem(path)).toContain(message));
  }
  for (const path of GOOD_HOST_ONLOAD_PATHS) {
    test(`accepts ${path}`, () => expect(hostOnloadPathProblem(path)).toBeUndefined());
  }
});

describe("kubeletDirProblem", () => {
  for (const path of BAD_KUBELET_DIRS) {
    test(`refuses ${JSON.stringify(path)}`, () => expect(kubeletDirProblem(path)).toContain("named device-plugins"));
  }
  for (const path of GOOD_KUBELET_DIRS) {
    test(`accepts ${path}`, () => expect(kubeletDirProblem(path)).toBeUndefined());
  }
});

describe("podResourcesDirProblem", () => {
  for (const path of BAD_POD_RESOURCES_DIRS) {
    test(`refuses ${JSON.stringify(path)}`, () =>
      expect(podResourcesDirProblem(path)).toContain("named pod-resources"));
  }
  for (const path of GOOD_POD_RESOURCES_DIRS) {
    test(`accepts ${path}`, () => expect(podResourcesDirProblem(path)).toBeUndefined());
  }
});

test("the operator's rights end at the same folders of the system", () => {
  const policy = readFileSync(join(import.meta.dirname, "../manifests/admission/own-objects.yaml"), "utf8");
  for (const { source } of SYSTEM_FOLDERS) {
    expect(policy).toContain(`!volume.hostPath.path.matches('${source.replaceAll("\\/", "/")}')`);
  }
});
