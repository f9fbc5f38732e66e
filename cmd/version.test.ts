import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSION } from "../internal/cli/version.ts";
import { FakeApiServer } from "../internal/kube/testing/fake-api-server.ts";
import { run } from "../internal/testcluster/lib/command.ts";
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

test.each([
  ["99.0.0", true],
  [VERSION, false],
])("an operator of version %s beside this program is warned of: %p", async (version, isWarned) => {
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-version-"));
  await using server = await FakeApiServer.start();
  try {
    server.put("/apis/coordination.k8s.io/v1/leases", {
      kind: "Lease",
      metadata: {
        namespace: "ops",
        name: "daabde26.amd.com",
        annotations: { "onload.amd.com/holder": `op_1 ${version} *` },
      },
      spec: { holderIdentity: "op_1", leaseDurationSeconds: 600, renewTime: new Date().toISOString() },
    });
    const kubeconfig = join(folder, "config");
    await writeFile(
      kubeconfig,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "c",
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
        clusters: [{ name: "c", cluster: { server: server.url } }],
        users: [{ name: "u", user: {} }],
      }),
    );
    const program = [process.execPath, join(import.meta.dirname, "onloadctl.ts"), "version"];
    const { code, stdout, stderr } = await run([...program, `--kubeconfig=${kubeconfig}`, "-o", "json"], {
      allowFailure: true,
    });
    const { operator, warning } = JSON.parse(stdout);
    expect({ code, state: operator.state }).toEqual({ code: 0, state: "acts" });
    const text = "and the operator 99.0.0: what one of them knows, the other may not. Use onloadctl 99.0.0";
    expect([stderr.includes(text), warning?.includes(text) ?? false]).toEqual([isWarned, isWarned]);
    if (!isWarned) expect({ stderr, warning }).toEqual({ stderr: "", warning: undefined });
  } finally {
    await rm(folder, { recursive: true });
  }
});
