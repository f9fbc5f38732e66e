import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { executableSources } from "./built.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "onloadctl-built-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("the executable is made from its sources and what they embed, not from tests and what serves them", async () => {
  const sources = [
    "cmd/plan.ts",
    "cmd/shared/engine.ts",
    "internal/images/dockerfiles/user.Dockerfile",
    "internal/manifests/crd/kustomization.yaml",
    "proto/deviceplugin/v1beta1/api.gen.ts",
  ];
  const others = [
    "cmd/plan.test.ts",
    "internal/kube/client.cluster.test.ts",
    "internal/kube/testing/fake-clock.ts",
    "internal/operator/testing/kmm2/index.ts",
    "internal/operator/testdata/daemonset.yaml",
    "internal/testcluster/lib/poll.ts",
    "scripts/bench/rest.ts",
  ];
  for (const file of [...sources, ...others]) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), "");
  }
  expect(executableSources(root).toSorted()).toEqual(
    [...sources, "bun.lock", "package.json", "scripts/build"].toSorted(),
  );
});
