/** Upgrades on a real node: real kubelet, containerd and KMM 1.1.0, the operator in its pod, and a pod that holds amd.com/onload. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { AuditEvent } from "../testcluster/index.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { freePorts } from "../testcluster/lib/ports.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { RETRY_ANNOTATION } from "../api/names.ts";
import type { Onload } from "../api/onload.ts";
import { buildBrokenModule, MODPROBE_ERROR, reboot } from "./testing/node-faults.ts";
import { NodeStory } from "./testing/node-story.ts";
import { OperatorProcess } from "./testing/operator-process.ts";
import { PATIENCE_MS, UpgradeOnNode } from "./testing/upgrade-on-node.ts";

setDefaultTimeout(300_000);

const OLD = "9.2.0";
const NEW = "9.2.1";
/** Its modprobe fails, until it is mended. */
const BROKEN = "9.3.0";
/** Its images are not there, until they are pushed. */
const MISSING = "9.4.0";
const NODE = "compute-0";

let onNode: UpgradeOnNode;
beforeAll(async () => {
  onNode = await UpgradeOnNode.install([OLD, NEW]);
  await buildBrokenModule(onNode.cluster, BROKEN);
}, 600_000);
afterAll(() => onNode?.uninstall(), PATIENCE_MS);

const kubectl = (...args: string[]): Promise<string> => onNode.cluster.plane.kubectl(args);

/** Where a test starts, whatever the one before has left: a version on the node, and the pod running. */
async function begin(version: string): Promise<{ pod: string; journal: () => Promise<string[]> }> {
  await onNode.apply(version);
  await onNode.ready(version);
  const pod = await onNode.trader.runsWith(version);
  const past = (await onNode.cluster.node.moduleJournal()).length;
  return { pod, journal: async () => (await onNode.cluster.node.moduleJournal()).slice(past) };
}

/** The message of a condition. */
function messageOf({ status }: Onload, condition: string): string {
  return status?.conditions?.find(({ type }) => type === condition)?.message ?? "";
}

const READS = new Set(["get", "list", "watch"]);

/** The steps on nodes: an upgrade has four changes of labels, and the mark of when the eviction began. */
function stepsOf(requests: AuditEvent[]): AuditEvent[] {
  const done = requests.filter(({ responseStatus }) => (responseStatus?.code ?? 500) < 300);
  return done.filter(({ verb, objectRef }) => verb === "patch" && objectRef?.resource === "nodes");
}

test("an upgrade takes plugin, pod and module away in order, and brings them back on the new version", async () => {
  const { pod, journal } = await begin(OLD);
  const requests = onNode.requests().length;
  const events = (await onNode.events()).length;
  await kubectl("taint", "node", NODE, "example.com/planned=yes:PreferNoSchedule");
  await kubectl("label", "node", NODE, "example.com/rack=7");
  await kubectl("annotate", "node", NODE, "example.com/owner=desk-3");
  try {
    await using story = await NodeStory.follow(onNode.client, onNode.key, NODE);
    // Whatever looks like a failure on the way would turn it back.
    await onNode.apply(NEW, { onFailure: "Rollback" });
    await onNode.ready(NEW);
    const next = await onNode.trader.runsWith(NEW);
    expect(next).not.toBe(pod);
    expect(await onNode.allocatable()).toBe(100);
    expect(await journal()).toEqual([`unload onload ${OLD}`, `load onload ${NEW}`]);

    // The ReplicaSet makes the next pod as soon as the first one leaves; it cannot run before all is there.
    const lines = await poll(
      () => {
        const all = story.pods.filter((line) => line !== "trader made");
        return all.includes("trader ready") && all.includes(`plugin ${NEW} ready`) && all;
      },
      { what: "Readiness in the story" },
    );
    expect(lines.slice(0, -2)).toEqual([
      `plugin ${OLD} leaving`,
      `plugin ${OLD} ended`,
      "trader leaving",
      "trader ended",
      `loader ${OLD} leaving`,
      `loader ${OLD} ended`,
      `loader ${NEW} made`,
      `loader ${NEW} ready`,
      `plugin ${NEW} made`,
    ]);
    // The kubelet may give out devices before it calls the plugin's pod ready.
    expect(lines.slice(-2).toSorted()).toEqual([`plugin ${NEW} ready`, "trader ready"]);
    expect([...story.foreign].map((text) => JSON.parse(text))).toEqual([
      expect.objectContaining({
        taints: [{ key: "example.com/planned", value: "yes", effect: "PreferNoSchedule" }],
        unschedulable: false,
      }),
    ]);
    expect([...story.foreign][0]).toContain('"example.com/rack":"7"');

    const asked = onNode.requests().slice(requests);
    const changes = asked.filter(({ verb, objectRef }) => objectRef?.resource === "pods" && !READS.has(verb));
    const evictions = changes.map(({ verb, objectRef }) => `${verb} ${objectRef?.name}/${objectRef?.subresource}`);
    // Asked to leave only when the kubelet has told that there are no devices: the next pod does not come back too early.
    expect(evictions).toEqual([`create ${pod}/eviction`]);
    expect((await onNode.trader.pods()).filter(({ status }) => status?.phase === "Failed")).toEqual([]);
    expect(stepsOf(asked)).toHaveLength(5);

    const told = await poll(
      async () => {
        const all = (await onNode.events()).slice(events).filter((line) => line.includes(`Node ${NODE}: `));
        return all.some((line) => line.startsWith("NodeReady")) ? all : undefined;
      },
      { what: "The end of the events" },
    );
    const reasons = told.map((line) => line.split(" ")[0]);
    expect(reasons.filter((reason, i) => reason !== reasons[i - 1])).toEqual([
      "PluginRemoved",
      "PodEvicted",
      "ModuleUnloading",
      "ModuleLoading",
      "ModuleReady",
      "NodeReady",
    ]);
    // kubectl sorts by seconds.
    const described = await kubectl("describe", "onload", "-n", onNode.key.namespace, "onload");
    const places = [`stopping device plugin ${OLD}`, `loading onload ${NEW}`, `runs ${NEW} and offers`];
    const order = places.map((place) => described.indexOf(place));
    expect(order[0]).toBeGreaterThan(0);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  } finally {
    await kubectl("taint", "node", NODE, "example.com/planned-");
    await kubectl("label", "node", NODE, "example.com/rack-");
    await kubectl("annotate", "node", NODE, "example.com/owner-");
  }
});

test("a budget that holds the pod is named, and the upgrade goes on by itself when it is relaxed", async () => {
  const { pod, journal } = await begin(NEW);
  await onNode.trader.protect(1);
  try {
    await onNode.apply(OLD, { drain: { timeoutSeconds: 2 } });
    // The problem is told with the first refusal, and Degraded once the time for the drain is over.
    const held = await onNode.statusThat("The status of a held pod", (onload) =>
      messageOf(onload, "Degraded").includes("trading-hours"),
    );
    expect(held.status!.problems).toMatchObject([{ node: NODE, step: "Draining", reason: "EvictionBlocked" }]);
    const { message } = held.status!.problems![0]!;
    expect(message).toContain(`${onNode.key.namespace}/${pod}`);
    expect(message).toContain("relax the budget");
    expect(messageOf(held, "Degraded")).toContain(message);
    expect(await onNode.trader.runsWith(NEW)).toBe(pod);
    expect(await journal()).toEqual([]);

    await onNode.trader.protect(0);
    await onNode.ready(OLD);
    expect(await onNode.trader.runsWith(OLD)).not.toBe(pod);
  } finally {
    await onNode.trader.unprotect();
  }
});

test("a module that does not load halts the upgrade and says why; another version brings the node back", async () => {
  const { journal } = await begin(OLD);
  await onNode.apply(BROKEN);
  const failed = await onNode.statusThat("The failure in the status", ({ status }) => {
    return status?.problems?.some(({ message }) => message.includes(MODPROBE_ERROR));
  });
  expect(failed.status!.problems).toMatchObject([{ node: NODE, step: "LoadingOnload", reason: "ModuleLoadFailed" }]);
  expect(failed.status!.nodes).toMatchObject({ desired: 1, ready: 0, failed: 1 });
  const why = messageOf(failed, "Degraded");
  expect(why).toContain(`Node "${NODE}" failed at LoadingOnload: Pod onload-module-`);
  expect(why).toContain(MODPROBE_ERROR);
  expect(why).toContain("see the kernel log of the node");
  await onNode.statusThat("A halt", (_, conditions) => conditions.includes("Progressing=False Halted"));
  const described = await poll(
    async () => {
      const text = await kubectl("describe", "onload", "-n", onNode.key.namespace, "onload");
      return /Warning +ModuleLoadFailed .*Node compute-0: at LoadingOnload/.test(text) ? text : undefined;
    },
    { what: "The failure in kubectl describe" },
  );
  expect(described).toContain(MODPROBE_ERROR);
  expect(await journal()).toEqual([`unload onload ${OLD}`]);

  await onNode.apply(NEW);
  await onNode.ready(NEW);
  await onNode.trader.runsWith(NEW);
  expect(await journal()).toEqual([`unload onload ${OLD}`, `load onload ${NEW}`]);
});

test("an image that is missing is named, and the upgrade goes on by itself once it is pushed", async () => {
  await begin(NEW);
  await onNode.apply(MISSING);
  const failed = await onNode.statusThat("The failure in the status", ({ status }) => {
    return status?.problems?.some(({ reason }) => reason === "ModuleImageMissing");
  });
  expect(failed.status!.problems).toMatchObject([{ node: NODE, step: "LoadingOnload" }]);
  expect(failed.status!.problems![0]!.message).toContain(`/onload-module:${MISSING}-`);
  expect(failed.status!.problems![0]!.message).toContain("build and push the image");
  await onNode.buildImages(MISSING);
  await onNode.ready(MISSING);
  await onNode.trader.runsWith(MISSING);
});

test("a rollback goes back to the last version that was Ready; once mended, the new one is tried again", async () => {
  const { journal } = await begin(NEW);
  // Pulled at every try, because a node keeps an image under its name.
  await onNode.apply(BROKEN, { onFailure: "Rollback" }, "Always");
  const back = await onNode.statusThat("A rollback", (_, conditions) => conditions.includes("Ready=False RolledBack"));
  expect(back.status).toMatchObject({ version: NEW, rollback: { fromVersion: BROKEN, toVersion: NEW } });
  expect(back.status!.rollback!.message).toContain(`Node "${NODE}" failed at LoadingOnload`);
  expect(messageOf(back, "Ready")).toBe(`1 of 1 node is ready with version ${NEW}, after version ${BROKEN} failed`);
  await onNode.trader.runsWith(NEW);
  expect(await journal()).toEqual([`unload onload ${NEW}`, `load onload ${NEW}`]);

  await onNode.buildImages(BROKEN);
  await kubectl("annotate", "onload", "-n", onNode.key.namespace, "onload", `${RETRY_ANNOTATION}=mended`);
  const done = await onNode.ready(BROKEN);
  expect(done.status!.rollback).toBeUndefined();
  await onNode.trader.runsWith(BROKEN);
});

test("a node that reboots in the middle of its upgrade ends on the new version", async () => {
  const { journal } = await begin(NEW);
  const bootId = (await onNode.node()).status?.nodeInfo?.bootID;
  await onNode.trader.protect(1);
  await onNode.apply(OLD);
  await onNode.stepTaken("Evict");
  // The operator's own pod is among what goes down.
  await reboot(onNode.cluster.node);
  // The kubelet may be Ready before it has said which boot it runs in.
  await poll(async () => (await onNode.node()).status?.nodeInfo?.bootID !== bootId, { what: "another boot id" });
  await onNode.trader.unprotect();
  await onNode.ready(OLD);
  await onNode.trader.runsWith(OLD);
  const [first, ...rest] = await journal();
  expect(first).toBe("reboot");
  expect(rest.at(-1)).toBe(`load onload ${OLD}`);
  // KMM may have loaded the former version anew before the operator was back; then it was unloaded again.
  const between = rest.slice(0, -1);
  expect(between).toEqual(between.length > 0 ? [`load onload ${NEW}`, `unload onload ${NEW}`] : []);
});

test("an operator that is killed after every step takes none twice", async () => {
  const { journal } = await begin(OLD);
  const kubeconfig = await onNode.operatorKubeconfig();
  const env = { DEVICE_PLUGIN_IMG: onNode.operatorImage };
  const start = async (): Promise<OperatorProcess> =>
    OperatorProcess.start(
      { kubeconfig, env, executable: await builtExecutable() },
      (await freePorts(2)) as [number, number],
    );
  await onNode.scaleOperator(0);
  const before = onNode.requests().length;
  let operator = await start();
  try {
    let last = await onNode.lastStep();
    await onNode.apply(NEW);
    const steps: string[] = [];
    for (;;) {
      const step = await poll(
        async () => {
          const { status, metadata } = await onNode.onload();
          const ready = status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True");
          const now = await onNode.lastStep();
          if (now !== last) return now;
          if (ready && status?.version === NEW && status.observedGeneration === metadata.generation) return "done";
          throw new Error(`operator ${operator.running ? "runs" : "has exited"}, status ${JSON.stringify(status)}`);
        },
        { what: `A step after "${last}"`, timeoutMs: PATIENCE_MS, intervalMs: 25 },
      );
      if (step === "done") break;
      last = step;
      steps.push(step.split(" ")[0]!);
      await operator.kill();
      operator = await start();
    }
    // Two quick steps may have been seen as one.
    expect(steps.length).toBeGreaterThanOrEqual(4);
    expect(stepsOf(onNode.requests().slice(before))).toHaveLength(5);
    expect(await journal()).toEqual([`unload onload ${OLD}`, `load onload ${NEW}`]);
    await onNode.trader.runsWith(NEW);
  } finally {
    await operator.kill();
    await onNode.scaleOperator(1);
  }
});
