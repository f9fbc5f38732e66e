/** The operator if things are missing, if several run, and if it is killed again and again. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { poll } from "../testcluster/lib/poll.ts";
import { MODULES } from "../api/resources.ts";
import type { Lease } from "../kube/kinds.ts";
import { LEASES, NODES } from "../kube/resource.ts";
import { onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";

setDefaultTimeout(1_200_000);

let cluster: OperatorCluster;
beforeAll(async () => {
  cluster = await OperatorCluster.start({ kmm: false });
});
afterAll(() => cluster[Symbol.asyncDispose]());

test("without KMM it says so, and goes on by itself when KMM comes", async () => {
  const namespace = await cluster.createNamespace();
  const [node] = await cluster.kubelet.createNodes(1, "late", { pool: "late" });
  const operator = await cluster.startOperator();
  await cluster.createOnload(namespace, onloadSpec("late", "v1"));
  const why = await cluster.condition(namespace, "Degraded", "True", "KmmNotInstalled");
  expect(why).toContain("install KMM");
  expect(await cluster.differences(namespace, "KmmNotInstalled")).toEqual([]);
  expect(await cluster.traces(node!)).toEqual([]);
  expect((await cluster.status(namespace))!.problems).toEqual([]);
  await cluster.installKmm();
  await cluster.ready(namespace);
  await cluster.condition(namespace, "Degraded", "False");
  expect(operator.running).toBeTrue();
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  expect(await operator.stop()).toBe(0);
});

test("looks after the namespaces that it is told to", async () => {
  await cluster.installKmm();
  const [mine, other] = [await cluster.createNamespace(), await cluster.createNamespace()];
  await cluster.kubelet.createNodes(1, "mine", { pool: "mine" });
  const [untouched] = await cluster.kubelet.createNodes(1, "other", { pool: "other" });
  await cluster.startOperator([`--watch-namespaces=${mine}`]);
  await cluster.createOnload(other, onloadSpec("other", "v1"));
  await cluster.createOnload(mine, onloadSpec("mine", "v1"));
  await cluster.ready(mine);
  expect(await cluster.status(other)).toMatchObject({ observedGeneration: -1 });
  expect(await cluster.traces(untouched!)).toEqual([]);
  for (const namespace of [mine, other]) await cluster.deleteOnload(namespace);
  await cluster.gone(mine);
  await cluster.gone(other);
  await cluster.stopOperators();
});

test("of two replicas one acts, and the other takes over when it is killed", async () => {
  await cluster.installKmm();
  const namespace = await cluster.createNamespace();
  const args = await cluster.allowLeases(namespace);
  const replicas = await Promise.all([cluster.startOperator(args), cluster.startOperator(args)]);
  const leader = await poll(
    async () => {
      const leading = await Promise.all(replicas.map((replica) => replica.leads()));
      return leading.filter(Boolean).length === 1 && replicas[leading.indexOf(true)];
    },
    { what: "One leader", timeoutMs: PATIENCE_MS },
  );
  const [standby] = replicas.filter((replica) => replica !== leader);
  await cluster.kubelet.createNodes(2, "pair", { pool: "pair" });
  await cluster.createOnload(namespace, onloadSpec("pair", "v1"));
  await cluster.ready(namespace);
  expect(await standby!.leads()).toBeFalse();
  await leader.kill();
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  expect(await standby!.leads()).toBeTrue();
  expect(await standby!.stop()).toBe(0);
});

test("while the original operator leads it waits, and leads when that one has ended", async () => {
  await cluster.installKmm();
  const namespace = await cluster.createNamespace();
  const args = await cluster.allowLeases(namespace);
  const [node] = await cluster.kubelet.createNodes(1, "original", { pool: "original" });
  // As its controller-runtime writes it, which does not release it at its end.
  const ref = { namespace, name: "daabde26.amd.com" };
  const now = (): string => new Date().toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: "onload-operator_1", leaseDurationSeconds: 15, acquireTime: now(), renewTime: now() };
  await cluster.client.create<Lease>(LEASES, { metadata: ref, spec: { ...spec, leaseTransitions: 0 } });
  const writes = (): string[] =>
    cluster
      .requests()
      .filter(({ verb }) => !["get", "list", "watch"].includes(verb))
      // Who may hold the Leases of earlier tests is asked, which changes nothing.
      .filter(({ objectRef }) => objectRef?.resource !== "subjectaccessreviews")
      .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
  const before = writes().length;
  const operator = await cluster.startOperator(args);
  await cluster.createOnload(namespace, onloadSpec("original", "v1"));
  const began = performance.now();
  let renewedAt = began;
  await poll(
    async () => {
      renewedAt = performance.now();
      await cluster.client.mergePatch<Lease>(LEASES, ref, { spec: { renewTime: now() } });
      return performance.now() - began > 20_000;
    },
    { what: "Renewals of the original", timeoutMs: PATIENCE_MS, intervalMs: 2000 },
  );
  expect(writes().slice(before)).toEqual([]);
  expect(await operator.isReady()).toBeTrue();
  await cluster.ready(namespace);
  expect(performance.now() - renewedAt).toBeGreaterThan(14_000);
  expect(await cluster.versionOn(node!, namespace)).toBe("v1");
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  expect(await operator.stop()).toBe(0);
});

test("killed 50 times at random moments of install and delete, it comes to the same end", async () => {
  await cluster.installKmm();
  const namespace = await cluster.createNamespace();
  const nodes = await cluster.kubelet.createNodes(6, "crash", { pool: "crash" });
  let kills = 0;
  let seed = 20260101;
  /** Deterministic, so that a failure can be looked at again; what it meets is random enough. */
  const random = (): number => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;

  /** Starts operators and kills each a moment after it began to act, until `done`. */
  async function crashUntil(atLeast: number, done: () => Promise<boolean>): Promise<void> {
    for (const first = kills; kills < first + atLeast || !(await done());) {
      const operator = await cluster.launchOperator();
      const before = cluster.requests().length;
      // Long enough to start, then a random share of a second into its work; or at once when there is nothing left.
      const writes = Math.floor(random() * 12);
      await poll(
        async () => {
          const wrote = cluster
            .requests()
            .slice(before)
            .filter(({ verb }) => !["get", "list", "watch"].includes(verb));
          if (wrote.length >= writes || ((await operator.isReady()) && (await done()))) return true;
          throw new Error(`it wrote ${wrote.length} of ${writes} times; ${await cluster.describe(namespace)}`);
        },
        { what: "Writes of the operator", timeoutMs: PATIENCE_MS, intervalMs: 5 },
      );
      await operator.kill();
      kills++;
    }
  }

  const installed = async (): Promise<boolean> => {
    const status = await cluster.status(namespace);
    return status?.nodes?.ready === nodes.length;
  };
  const gone = async (): Promise<boolean> => (await cluster.onload(namespace)) === undefined;
  for (let round = 0; kills < 50; round++) {
    await cluster.createOnload(namespace, onloadSpec("crash", `v${round}`));
    await crashUntil(5, installed);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe(`v${round}`);
    await cluster.deleteOnload(namespace);
    await crashUntil(5, gone);
    for (const node of nodes) expect(await cluster.traces(node)).toEqual([]);
    expect((await cluster.client.list(MODULES, { namespace })).items).toEqual([]);
  }
  expect(kills).toBeGreaterThanOrEqual(50);
  expect(cluster.kubelet.violations).toEqual([]);
  for (const node of (await cluster.client.list(NODES)).items) expect(node.metadata.deletionTimestamp).toBeUndefined();
});
