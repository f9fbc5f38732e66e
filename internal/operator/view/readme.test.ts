/** What README shows of status and plan is what the program prints of that moment. */
import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "../../api/core.ts";
import { withDefaults, type Onload, type OnloadStatus } from "../../api/onload.ts";
import { checkout } from "../../testcluster/lib/paths.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { RawOnload } from "../cache/caches.ts";
import { statusOf } from "../report/conditions.ts";
import { planRollout } from "../rollout/plan.ts";
import { bare, holder, module, NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import { KMM_2 } from "../testing/kmm.ts";
import { describePlan, planText, type Outlook } from "./plan-view.ts";
import type { Serving } from "./serving.ts";
import type { ObservedResource } from "./session.ts";
import { describeStatus, statusText } from "./status-view.ts";

const readme = await readFile(join(checkout, "README.md"), "utf8");
const acts: Serving = { state: "acts", message: "The operator holds its Lease", elected: true };
const OLD = "9.2.0";
const NEW = "9.2.1";

function observed(nodes: NodeFacts[]): ObservedResource {
  const raw = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: {
      name: "onload",
      namespace: "onload-runtime",
      generation: 3,
      creationTimestamp: new Date(NOW - 7_200_000).toISOString(),
    },
    spec: {
      selector: { onload: "yes" },
      serviceAccountName: "onload",
      onload: { version: NEW, userImage: "r/u:1", kernelMappings: [{ regexp: ".*", kernelModuleImage: "r/m:1" }] },
    },
  };
  const lastReady = { version: OLD, time: "2026-01-01T00:00:00Z", onload: {} };
  const onload = { ...withDefaults(raw), status: { lastReady } } as unknown as Onload;
  const plan = planRollout(nodes, policy, NOW);
  const rest = { selector: undefined, problems: [], rollback: undefined, lastReady, now: NOW };
  const status = JSON.parse(JSON.stringify(statusOf({ onload, plan, version: NEW, ...rest } as never))) as OnloadStatus;
  const force = { asked: false, mayIn: (): boolean => false };
  const live = { onload: undefined, sfc: undefined, daemonSet: undefined };
  const planned = { kmm: KMM_2, effective: onload, live, desired: undefined, policy, force, plan };
  const common = { problem: undefined, heldBack: undefined, attention: [], serving: acts };
  return { raw: { ...raw, status } as unknown as RawOnload, onload: { ...onload, status }, planned, ...common };
}

const node = (name: string, version: string, changes: Partial<NodeFacts> = {}): NodeFacts =>
  whole(version, { name, want: NEW, ...changes });

/** Node `compute-1` is being emptied, and has been for twelve seconds. */
const draining = bare({
  name: "compute-1",
  want: NEW,
  labels: { plugin: undefined, onload: OLD, sfc: undefined },
  onload: module(OLD),
  holders: [holder({ namespace: "apps", name: "trader-0" })],
  stepRecord: stepRecord("Evict", 12_000),
});

test("status", () => {
  const hour = stepRecord("LabelPlugin", 3_600_000);
  const nodes = [
    node("compute-0", NEW, { stepRecord: hour }),
    draining,
    node("compute-2", OLD, { stepRecord: hour, plugin: plugin() }),
  ];
  const text = statusText(describeStatus([observed(nodes)], NOW), acts, false, NOW);
  expect(readme).toContain(text);
});

const pod = (name: string): Pod =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "apps", name, uid: name, ownerReferences: [{ controller: true, kind: "ReplicaSet" }] },
    spec: { containers: [{ name: "app", resources: { limits: { "amd.com/onload": "1" } } }] },
    status: { phase: "Running" },
  }) as unknown as Pod;

test("plan -f", () => {
  const nodes = ["compute-0", "compute-1", "compute-2"].map((name) => node(name, OLD));
  const outlook: Outlook = {
    holders: new Map([
      ["compute-0", [pod("feed-0")]],
      ["compute-1", [pod("trader-0")]],
    ]),
    budgets: [],
    evictions: {
      refusals: new Map([
        ["feed-0", ""],
        ["trader-0", "The disruption budget trading-hours needs 1 healthy pods and has 1 currently"],
      ]),
      gap: undefined,
    } as never,
  };
  const plan = describePlan(observed(nodes), outlook);
  const warnings = ["3 nodes that serve are taken out of service, and 2 pods are evicted"];
  expect(readme).toContain(planText([{ ...plan, warnings }]));
});
