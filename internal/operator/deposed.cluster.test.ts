/**
 * A leader that is stopped in the middle of an upgrade and goes on after another took over: it writes nothing more, on a
 * real API server that logs every request. `DEPOSED_ROUNDS` plays more rounds.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { AuditEvent } from "../testcluster/index.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";
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

/** Requests that change something, the Lease's own aside: it is how the one who was deposed finds out. */
function writesOf(user: string): AuditEvent[] {
  return cluster.plane
    .auditEvents(user)
    .filter(({ verb, objectRef }) => !["get", "list", "watch"].includes(verb) && objectRef?.resource !== "leases");
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
