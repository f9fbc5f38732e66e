/**
 * The life of an installation on an API server without admission policies: what Kubernetes 1.25 to 1.29 are, and others on
 * which they are switched off. kubectl judges.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { HOLDER_ANNOTATION, LEASE_NAME } from "../internal/api/names.ts";
import { sleep } from "../internal/kube/clock.ts";
import { connect } from "../internal/kube/connect.ts";
import type { Lease } from "../internal/kube/kinds.ts";
import { holderText } from "../internal/kube/lease-holder.ts";
import { LEASES } from "../internal/kube/resource.ts";
import { microTime } from "../internal/kube/times.ts";
import { onloadSpec, OperatorCluster, PATIENCE_MS } from "../internal/operator/testing/operator-cluster.ts";
import { serviceAccountUser } from "../internal/testcluster/index.ts";
import { builtExecutable } from "../internal/testcluster/lib/built.ts";
import { run, type CommandResult } from "../internal/testcluster/lib/command.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";

setDefaultTimeout(600_000);

const MANIFESTS = join(import.meta.dirname, "../internal/manifests");
const OPS = "onload-operator-system";

let cluster: OperatorCluster;
beforeAll(async () => {
  cluster = await OperatorCluster.start({ admissionPolicies: false });
});
afterAll(() => cluster[Symbol.asyncDispose]());

async function onloadctl(...args: string[]): Promise<CommandResult> {
  const env = { KUBECONFIG: cluster.plane.kubeconfigPath, NO_COLOR: "1" };
  return run([await builtExecutable(), ...args], { env, allowFailure: true });
}

/**
 * The admin of a namespace makes an operator's Lease there, and renews it, as if an operator of this version held it.
 *
 * @returns ends it
 */
async function pretendToOperate(namespace: string): Promise<() => Promise<void>> {
  const user = await cluster.plane.addUser("tenant");
  await cluster.plane.bind({ role: "admin", subject: { kind: "User", name: "tenant" }, namespace });
  const client = await connect({ kubeconfig: user.kubeconfigPath });
  const ref = { namespace, name: LEASE_NAME };
  const annotations = { [HOLDER_ANNOTATION]: holderText("tenant_1", { version: "1.0.0", scope: [] }) };
  const now = (): object => ({ holderIdentity: "tenant_1", renewTime: microTime(Date.now()) });
  await client.create<Lease>(LEASES, { metadata: { ...ref, annotations }, spec: now() });
  const stop = new AbortController();
  const renewing = (async () => {
    while (!stop.signal.aborted) {
      await client.mergePatch<Lease>(LEASES, ref, { spec: now() });
      await sleep(2000, stop.signal).catch(() => undefined);
    }
  })();
  return async () => {
    stop.abort();
    await renewing;
  };
}

test("is found out from the cluster: everything applies, what is not enforced is said, and uninstall leaves nothing", async () => {
  const { plane } = cluster;
  const { code, stdout, stderr } = await onloadctl("manifests", "install", "--image=registry/onloadctl:1");
  expect(code).toBe(0);
  expect(stderr).toContain("serves no admission policies (ValidatingAdmissionPolicy v1), so they are left out");
  expect(stderr).toContain("give such rights only to people who may administer the nodes");
  await poll(() => plane.apply(stdout).then(() => true), { what: "The installation", timeoutMs: PATIENCE_MS });
  // The same YAML by its tree and by the flag; and what would happen with a newer cluster's.
  await plane.kubectl([
    "apply",
    "--server-side",
    "--force-conflicts",
    "--dry-run=server",
    "-k",
    join(MANIFESTS, "before-1.30"),
  ]);
  const given = await onloadctl("manifests", "install", "--image=registry/onloadctl:1", "--kubernetes-version=1.29");
  expect(given.stdout).toBe(stdout);
  const newest = await onloadctl("manifests", "install", "--image=registry/onloadctl:1", "--kubernetes-version=1.30");
  await expect(plane.apply(newest.stdout)).rejects.toThrow('no matches for kind "ValidatingAdmissionPolicy"');
  await plane.apply(stdout);

  const tenants = await cluster.createNamespace();
  const endPretence = await pretendToOperate(tenants);
  const name = "onload-operator-controller-manager";
  const kubeconfigPath = await plane.serviceAccountKubeconfig(OPS, name);
  const user = { name: serviceAccountUser(OPS, name), kubeconfigPath };
  await cluster.startOperator(["--leader-elect", `--leader-election-namespace=${OPS}`], user);
  const namespace = await cluster.createNamespace();
  const [node = ""] = await cluster.kubelet.createNodes(1, "old", { pool: "old" });
  await cluster.createOnload(namespace, onloadSpec("old", "v1"));
  await cluster.ready(namespace);
  // The tenant's Lease is the older one. It is not an operator's: none has rights there.
  await endPretence();
  const told = await cluster.condition(namespace, "Protected", "False", "PoliciesMissing");
  expect(told).toContain("on Kubernetes 1.30 and later run");
  const status = await onloadctl("status");
  expect(status.stdout + status.stderr).toContain("Admission policies are not installed");
  // What the rules of the CRD refuse, they refuse there too.
  const spec = onloadSpec("old", "v1", { devicePlugin: { setPreload: true, mountOnload: true } });
  await expect(cluster.createOnload(namespace, spec, "wrong")).rejects.toThrow("mutually exclusive");

  const done = await onloadctl("uninstall", "--yes", "--crd", "--timeout=2m");
  expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
  expect(await cluster.traces(node)).toEqual([]);
  const left = "crd,clusterrole,clusterrolebinding,namespace";
  await poll(
    async () => !/\/onload-operator|\/onloads\.onload/.test(await plane.kubectl(["get", left, "-o", "name"])),
    {
      what: "The end of the installation",
      timeoutMs: PATIENCE_MS,
    },
  );
});
