/** --apply and --delete on a real API server. The CRD is a stand-in of OpenShift's MachineConfig: any spec is taken. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { startControlPlane, type ControlPlane } from "../testcluster/index.ts";
import { checkInputs } from "./inputs.ts";
import { machineConfig } from "./machine-config.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";

setDefaultTimeout(120_000);

const IMAGE = "registry.example.com/onload-module:v9.0-${KERNEL_FULL_VERSION}";
const COLLECTION = "/apis/machineconfiguration.openshift.io/v1/machineconfigs";
const NAME = "99-sfc-machineconfig";
const OTHER = "00-worker";

const crd = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "machineconfigs.machineconfiguration.openshift.io" },
  spec: {
    group: "machineconfiguration.openshift.io",
    scope: "Cluster",
    names: { kind: "MachineConfig", plural: "machineconfigs", singular: "machineconfig", shortNames: ["mc"] },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
          },
        },
      },
    ],
  },
};

// This control plane is not shared, because other tests must not see a cluster that looks like OpenShift.
let cluster: ControlPlane;
beforeAll(async () => {
  cluster = await startControlPlane();
  // Without the CRD the error says that this cluster is not OpenShift.
  const refused = await run(`--module-image=${IMAGE}`, "--apply");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toContain(`Cannot apply MachineConfig "${NAME}": this cluster has no MachineConfigs`);
  expect(refused.err).not.toContain("404");
  expect(refused.err.match(/Cannot apply/g)).toHaveLength(1);
  expect(refused.err).toContain("spec.config of the NodePool");
  await cluster.apply(JSON.stringify(crd));
  await cluster.kubectl(["wait", "--for=condition=Established", "--timeout=60s", `crd/${crd.metadata.name}`]);
}, 600_000);
afterAll(() => cluster[Symbol.asyncDispose]());

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn(
    [await builtExecutable(), "gen-machineconfig", `--kubeconfig=${cluster.kubeconfigPath}`, ...args],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err };
}

async function names(): Promise<string[]> {
  const { items } = await cluster.request<{ items: { metadata: { name: string } }[] }>("GET", COLLECTION);
  return items.map(({ metadata }) => metadata.name);
}

test("apply, apply anew, delete; each first as a dry run that changes nothing", async () => {
  const apply = [`--module-image=${IMAGE}`, "--apply"];
  expect(await run(...apply, "--dry-run=server")).toMatchObject({ code: 0, out: "" });
  expect(await names()).not.toContain(NAME);

  expect(await run(...apply)).toMatchObject({ code: 0, out: "" });
  const created = await cluster.request("GET", `${COLLECTION}/${NAME}`);
  const inputs = { moduleImage: IMAGE, openshiftVersion: "4.12.0", role: "worker", name: NAME };
  const wanted = machineConfig(checkInputs(inputs));
  expect(created.spec).toEqual(wanted.spec);
  expect(created.metadata.labels).toEqual(wanted.metadata.labels);
  expect(created.metadata.managedFields[0]).toMatchObject({ manager: "onloadctl", operation: "Apply" });

  expect((await run(...apply)).code).toBe(0);
  const same = await cluster.request("GET", `${COLLECTION}/${NAME}`);
  expect(same.metadata.resourceVersion).toBe(created.metadata.resourceVersion);
  expect((await run(...apply, "--openshift-version=4.19")).code).toBe(0);
  const changed = await cluster.request("GET", `${COLLECTION}/${NAME}`);
  expect(changed.spec.config.ignition.version).toBe("3.5.0");

  expect((await run("--delete", "--dry-run=server")).code).toBe(0);
  expect(await names()).toContain(NAME);
  expect((await run("--delete")).code).toBe(0);
  expect(await names()).not.toContain(NAME);
  const again = await run("--delete");
  expect(again.code).toBe(0);
  expect(again.err).toContain("Found no MachineConfig to delete");
});

test("it says when no pool takes the role, and when the one that does is paused", async () => {
  const definition = structuredClone(crd);
  definition.metadata.name = "machineconfigpools.machineconfiguration.openshift.io";
  definition.spec.names = {
    kind: "MachineConfigPool",
    plural: "machineconfigpools",
    singular: "machineconfigpool",
    shortNames: ["mcp"],
  };
  const properties = definition.spec.versions[0]!.schema.openAPIV3Schema.properties as Record<string, object>;
  properties["status"] = properties["spec"]!;
  await cluster.apply(JSON.stringify(definition));
  await cluster.kubectl(["wait", "--for=condition=Established", "--timeout=60s", `crd/${definition.metadata.name}`]);
  const pool = (name: string, machineCount: number, paused = false): object => ({
    apiVersion: "machineconfiguration.openshift.io/v1",
    kind: "MachineConfigPool",
    metadata: { name },
    spec: { paused, machineConfigSelector: { matchLabels: { "machineconfiguration.openshift.io/role": name } } },
    status: { machineCount },
  });
  for (const each of [pool("master", 3), pool("worker", 0)]) await cluster.apply(JSON.stringify(each));
  const apply = (role: string) => run(`--module-image=${IMAGE}`, "--apply", "--dry-run=server", `--role=${role}`);
  expect((await apply("worker")).err).toContain('which takes role "worker", has no nodes');
  expect((await apply("nobody")).err).toContain('No MachineConfigPool takes MachineConfigs of role "nobody"');
  expect((await apply("master")).err).not.toContain("MachineConfigPool");
  await cluster.apply(JSON.stringify(pool("master", 3, true)));
  expect((await apply("master")).err).toContain("MachineConfigPool master is paused");
});

test("a MachineConfig of another purpose is neither overwritten nor deleted", async () => {
  const other = {
    apiVersion: "machineconfiguration.openshift.io/v1",
    kind: "MachineConfig",
    metadata: { name: OTHER, labels: { "machineconfiguration.openshift.io/role": "worker" } },
    spec: { fips: true },
  };
  await cluster.apply(JSON.stringify(other));
  for (const args of [[`--module-image=${IMAGE}`, "--apply"], ["--delete"]]) {
    const { code, err } = await run(...args, `--name=${OTHER}`);
    expect(code).toBe(1);
    expect(err).toContain(`MachineConfig "${OTHER}": the one of that name is not the sfc boot service's`);
  }
  expect((await cluster.request("GET", `${COLLECTION}/${OTHER}`)).spec).toEqual({ fips: true });
});

test("the sample that stops chronyd is taken", async () => {
  const child = Bun.spawn([await builtExecutable(), "manifests", "sample", "sfptpd-openshift"], { stdout: "pipe" });
  await cluster.kubectl(["apply", "-f", "-"], { input: await new Response(child.stdout).text() });
  const { spec } = await cluster.request("GET", `${COLLECTION}/99-worker-sfptpd-disable-chronyd`);
  expect(spec.config.systemd.units).toEqual([{ name: "chronyd.service", enabled: false, mask: true }]);
});
