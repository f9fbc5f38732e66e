/**
 * Two operators at once, on a real API server that logs every request. A leader that is stopped in the middle of an
 * upgrade and goes on after another took over writes nothing more; `DEPOSED_ROUNDS` plays more rounds. And of two that
 * lead through Leases in two namespaces one alone acts, that of the older Lease.
 */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { LEASE_NAME } from "../api/names.ts";
import type { AuditEvent } from "../testcluster/index.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";
import { watchOutage } from "./testing/outage.ts";
import type { OperatorProcess } from "./testing/operator-process.ts";

const ROUNDS = Number(process.env["DEPOSED_ROUNDS"] ?? 3);
const NODES = 6;
/** Moments in the upgrade at which the leader is stopped, as patches of nodes. */
const PATCHES = [1, 4, 7, 9, 12, 15];

setDefaultTimeout(300_000 + ROUNDS * 120_000);

let cluster: OperatorCluster;
beforeAll(async () => {
  cluster = await OperatorCluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());
// Whoever of them runs on would be one more operator.
afterEach(() => cluster.stopOperators());

/** What changes nothing, or is how an operator finds out about others. */
const HARMLESS = new Set(["leases", "subjectaccessreviews"]);

/** Requests that change something, the Lease's own aside. */
function writesOf(user: string): AuditEvent[] {
  return cluster.plane
    .auditEvents(user)
    .filter(
      ({ verb, objectRef }) => !["get", "list", "watch"].includes(verb) && !HARMLESS.has(objectRef?.resource ?? ""),
    );
}

test("it writes nothing, ends, and the other finishes the upgrade", async () => {
  const namespace = await cluster.createNamespace();
  const args = await cluster.allowLeases(namespace);
  let serial = 0;
  const start = async (): Promise<{ user: string; operator: OperatorProcess }> => {
    const user = await cluster.addOperatorUser(`replica-${serial++}`);
    return { user: user.name, operator: await cluster.startOperator(args, user) };
  };
  const nodes = await cluster.kubelet.createNodes(NODES, "deposed", { pool: "deposed" });
  let leader = await start();
  await cluster.createOnload(namespace, onloadSpec("deposed", "v0", { upgrade: { maxUnavailable: 2 } }));
  await cluster.ready(namespace);

  for (let round = 1; round <= ROUNDS; round++) {
    const standby = await start();
    expect([await leader.operator.leads(), await standby.operator.leads()]).toEqual([true, false]);
    const patches = (): number =>
      writesOf(leader.user).filter(({ verb, objectRef }) => verb === "patch" && objectRef?.resource === "nodes").length;
    const before = patches();
    await cluster.editOnload(namespace, { onload: imagesOf(`v${round}`) });
    const most = PATCHES[round % PATCHES.length]!;
    await poll(() => Promise.resolve(patches() >= before + most), {
      what: "The upgrade being under way",
      timeoutMs: PATIENCE_MS,
      intervalMs: 1,
    });
    leader.operator.freeze();
    await poll(() => standby.operator.leads(), { what: "The takeover", timeoutMs: PATIENCE_MS });
    const wrote = writesOf(leader.user).length;
    leader.operator.thaw();
    expect(await leader.operator.ended()).toBe(1);
    // Requests on their way when it ended, if there were any.
    await cluster.ready(namespace);
    expect(writesOf(leader.user).slice(wrote)).toEqual([]);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe(`v${round}`);
    leader = standby;
  }
  expect(cluster.kubelet.violations).toEqual([]);
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
});

test("of two that lead through Leases of two namespaces, that of the older Lease acts alone", async () => {
  const namespace = await cluster.createNamespace();
  const [older, younger] = [await cluster.createNamespace(), await cluster.createNamespace()];
  const start = async (lease: string, user: string): Promise<OperatorProcess> => {
    const operator = await cluster.startOperator(args.get(lease), users.get(user));
    await poll(() => operator.leads(), { what: `${user} leading`, timeoutMs: PATIENCE_MS });
    return operator;
  };
  const args = new Map([
    [older, await cluster.allowLeases(older)],
    [younger, await cluster.allowLeases(younger)],
  ]);
  const names = ["first", "second", "third"];
  const users = new Map<string, Awaited<ReturnType<typeof cluster.addOperatorUser>>>();
  for (const name of names) users.set(name, await cluster.addOperatorUser(name));
  const nodes = await cluster.kubelet.createNodes(NODES, "rival", { pool: "rival" });
  const upgrade = async (version: string): Promise<void> =>
    cluster.editOnload(namespace, { onload: imagesOf(version) });
  const upgraded = async (version: string): Promise<void> => {
    await cluster.ready(namespace);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe(version);
  };

  const first = await start(older, "first");
  await cluster.createOnload(namespace, onloadSpec("rival", "v0", { upgrade: { maxUnavailable: 1 } }));
  await cluster.ready(namespace);
  const outage = await watchOutage(cluster.client, "rival", { namespace, name: "main" });
  const second = await start(younger, "second");
  const told = await cluster.condition(namespace, "Degraded", "True", "AnotherOperator");
  expect(told).toContain(`the younger Lease "${younger}/${LEASE_NAME}"`);
  const seen = await cluster.onloadctl(["status", "-n", namespace]);
  expect(seen.replaceAll(/\s+/g, " ")).toContain("2 operators have namespace");
  const listed = new RegExp(`^ok\nAnother operator: .*${older}/\\S+ of \\S+ \\(older, has all namespaces\\)`);
  expect(await second.readyText()).toMatch(listed);
  await upgrade("v1");
  await upgraded("v1");
  expect([outage.most(), writesOf("second")]).toEqual([1, []]);

  // The first one dies in the middle, and its Lease runs out.
  await upgrade("v2");
  const isUnderWay = async (): Promise<boolean> => {
    const versions = await Promise.all(nodes.map((node) => cluster.versionOn(node, namespace)));
    return versions.includes("v2");
  };
  await poll(isUnderWay, { what: "The upgrade being under way", timeoutMs: PATIENCE_MS, intervalMs: 20 });
  await first.kill();
  await upgraded("v2");
  expect(writesOf("second").length).toBeGreaterThan(0);
  expect(outage.most()).toBe(1);

  // Another takes the older Lease while the younger's holder upgrades.
  await upgrade("v3");
  const third = await start(older, "third");
  const before = writesOf("second").length;
  await upgraded("v3");
  expect(outage.most()).toBe(1);
  await cluster.condition(namespace, "Degraded", "True", "AnotherOperator");
  expect(writesOf("third").length).toBeGreaterThan(0);
  // What the second was about when it noticed, and no upgrade.
  const late = writesOf("second").slice(before);
  await upgrade("v4");
  await upgraded("v4");
  expect(writesOf("second").length - before).toBe(late.length);
  expect(outage.most()).toBe(1);

  await second.stop();
  await cluster.condition(namespace, "Degraded", "False");
  await outage.stop();
  expect(cluster.kubelet.violations).toEqual([]);
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  await third.stop();
});
