/** A resource that manages sfc on nodes that load it themselves at boot. The CRD stands in for OpenShift's MachineConfig. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { sfcModuleLabel } from "../internal/api/names.ts";
import { MACHINE_CONFIGS } from "../internal/api/resources.ts";
import { applyMachineConfig } from "../internal/machineconfig/cluster.ts";
import { checkInputs } from "../internal/machineconfig/inputs.ts";
import { machineConfig } from "../internal/machineconfig/machine-config.ts";
import { imagesOf, onloadSpec, OperatorCluster } from "../internal/operator/testing/operator-cluster.ts";

setDefaultTimeout(600_000);

let cluster: OperatorCluster;
beforeAll(async () => {
  cluster = await OperatorCluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

const { group, version, plural, kind } = MACHINE_CONFIGS;
const crd = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    scope: "Cluster",
    names: { kind, plural },
    versions: [
      {
        name: version,
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
};

test("Onload comes without KMM's sfc, and the resource says why", async () => {
  await cluster.plane.apply(JSON.stringify(crd));
  await cluster.plane.kubectl(["wait", "--for=condition=Established", "--timeout=60s", `crd/${crd.metadata.name}`]);
  const inputs = {
    moduleImage: "registry/onload-module:v1",
    openshiftVersion: "4.14.0",
    role: "worker",
    name: "99-sfc",
  };
  const signal = AbortSignal.timeout(60_000);
  await applyMachineConfig(cluster.client, machineConfig(checkInputs(inputs)), { dryRun: false, signal });

  const namespace = await cluster.createNamespace();
  const [node = ""] = await cluster.kubelet.createNodes(1, "boot", {
    pool: "boot",
    "node-role.kubernetes.io/worker": "",
  });
  const images = imagesOf("v1");
  const kernelMappings = images.kernelMappings.map((mapping) => ({ ...mapping, sfc: {} }));
  await cluster.createOnload(namespace, onloadSpec("boot", "v1", { onload: { ...images, kernelMappings } }));
  await cluster.startOperator();

  await cluster.ready(namespace);
  const message = await cluster.condition(namespace, "Degraded", "True");
  expect(message).toContain('MachineConfig "99-sfc" loads sfc at boot on this node');
  const { problems } = (await cluster.status(namespace))!;
  expect(problems).toEqual([expect.objectContaining({ node, reason: "SfcLoadedAtBoot" })]);
  expect((await cluster.node(node)).metadata.labels).not.toHaveProperty(sfcModuleLabel({ namespace, name: "main" }));

  // There are no MachineConfigPools here.
  for (const command of ["status", "plan"]) {
    expect(await cluster.onloadctl([command, "-n", namespace])).toMatch(/is a guess, by the role .*\s"99-sfc"/);
  }

  // The message asks for this change.
  await cluster.editOnload(namespace, { onload: { kernelMappings: images.kernelMappings } });
  await cluster.condition(namespace, "Degraded", "False");
  await cluster.ready(namespace);
  expect(await cluster.onloadctl(["status", "-n", namespace])).not.toContain("guess");
});
