/**
 * `kubectl get onload`, `onloadctl status`, `onloadctl plan`, events and metrics say the same of the same moment, in every
 * situation of a resource.
 */
import { expect, test } from "bun:test";
import { Registry } from "../../probes/prom-client.ts";
import { onloadCrd } from "../../api/crd.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import type { RawOnload } from "../cache/caches.ts";
import { eventsOfStatus } from "../report/event-texts.ts";
import { OperatorMetrics } from "../report/metrics.ts";
import { isTrue, untouchedStatus } from "../report/status.ts";
import { NOW, whole } from "../testing/facts.ts";
import { acts, moment, SITUATIONS, type Situation } from "../testing/moments.ts";
import { NO_ANSWERS } from "./evictions.ts";
import { describePlan, planText } from "./plan-view.ts";
import type { Serving } from "./serving.ts";
import { describeStatus, statusText } from "./status-view.ts";

const silent: Serving = { state: "silent", message: "No operator acts", elected: true };
const columns = onloadCrd().spec.versions[0]!.additionalPrinterColumns as { name: string; jsonPath: string }[];

/** What the API server puts into the columns of `kubectl get onload -o wide`: paths here are of plain fields. */
function kubectlRow(object: object): Record<string, unknown> {
  const value = (path: string): unknown => {
    expect(path).toMatch(/^(?:\.[A-Za-z]+)+$/);
    const step = (at: unknown, field: string): unknown => (at as Record<string, unknown> | undefined)?.[field];
    return path.slice(1).split(".").reduce<unknown>(step, object);
  };
  return Object.fromEntries(columns.map(({ name, jsonPath }) => [name, value(jsonPath)]));
}

/** A headline stands whole in a text, but for the long message of a node that the table below it has. */
function expectOnce(text: string, before: string, message: string, { problems = [] }: OnloadStatus): void {
  const [first] = problems.filter((problem) => problem.message.length > 60 && message.includes(problem.message));
  const [head, tail] = first ? message.split(first.message) : [message, ""];
  const line = text.split("\n").find((each) => each.startsWith(before + head)) ?? "";
  expect(line).toEndWith(tail!);
  if (!first) return;
  const nodes = problems.filter((problem) => problem.message === first.message);
  expect(text.split(first.message)).toHaveLength(nodes.length + 1);
}

test.each(Object.entries(SITUATIONS))("%s: every place says the same", async (_name, situation) => {
  const [reason, words, desired, ready] = situation.says;
  const { status, observed } = moment(situation);
  const row = kubectlRow(observed.raw);
  expect(row).toMatchObject({ Version: "v2", Desired: desired, Ready: ready, Status: reason });
  expect(row["Message"]).toContain(words);

  for (const serving of [acts, silent]) {
    if (situation.deleting && serving === silent) continue;
    const [seen] = describeStatus([{ ...observed, serving }], NOW);
    const { version, status: word, message } = seen!;
    expect({ version, Desired: seen!.desired, Ready: seen!.ready, word, message }).toEqual({
      version: "v2",
      Desired: desired,
      Ready: ready,
      word: reason,
      message: row["Message"] as string,
    });
    const plan = describePlan(
      { ...observed, serving },
      { holders: new Map(), budgets: [], evictions: NO_ANSWERS },
      true,
    );
    expect([plan.version, plan.status, plan.message]).toEqual(["v2", reason, message]);
    expectOnce(planText([plan]), `${reason}: `, message, status);
  }
  const text = statusText(describeStatus([observed], NOW), acts, false, NOW);
  expect(text.split("\n")[1]!.split(/ {2,}/).slice(2, 7)).toEqual(["v2", `${desired}`, `${ready}`, "-", reason]);

  expectOnce(text, "trading/onload: ", row["Message"] as string, status);

  // Every condition is told once it changes, in the same words.
  const changed = status.conditions!.map((each) => ({ ...each, reason: "Before" }));
  const notes = eventsOfStatus({ conditions: changed }, status).map(({ note, reason: why }) => `${why} ${note}`);
  expect(
    notes.some((note) => note.startsWith(`${reason} `) && note.endsWith(`: ${status.headline!.message}`)),
  ).toBeTrue();

  const registry = new Registry();
  const metrics = new OperatorMetrics(registry, "1");
  const key = { namespace: "trading", name: "onload" };
  const flags = {
    ready: isTrue(status, "Ready"),
    degraded: isTrue(status, "Degraded"),
    status: status.headline!.reason,
  };
  metrics.planned(key, [], { ...flags, status: "Before" });
  await registry.metrics();
  metrics.planned(key, observed.planned!.plan.nodes, flags);
  const value = async (metric: string): Promise<number | undefined> =>
    (await registry.getSingleMetric(metric)?.get())?.values[0]?.value;
  expect(await value("onload_operator_nodes_failed")).toBe(row["Failed"] as number);
  expect(await value("onload_operator_onload_ready")).toBe(reason === "AllNodesReady" || flags.ready ? 1 : 0);
  const told = (await registry.metrics())
    .split("\n")
    .filter((line) => line.startsWith("onload_operator_onload_status{"));
  expect(told).toEqual([
    `onload_operator_onload_status{onload_namespace="trading",onload_name="onload",status="${reason}"} 1`,
  ]);
  const fine = ["AllNodesReady", "Installing", "LettingGo", "Upgrading", "Paused", "NoMatchingNodes", "Deleting"];
  if (fine.includes(reason)) expect(await value("onload_operator_degraded")).toBe(0);
});

test("a resource that no operator has looked at has the headline that the CRD gives it", () => {
  const { observed } = moment({ says: ["", "", 0, 0] });
  const schema = onloadCrd().spec.versions[0]!.schema!.openAPIV3Schema!.properties!["status"] as { default: object };
  const raw = { ...observed.raw, status: schema.default };
  const row = kubectlRow(raw);
  const [seen] = describeStatus([{ ...observed, raw }], NOW);
  expect([seen!.status, seen!.message]).toEqual([row["Status"] as string, row["Message"] as string]);
  const [old] = describeStatus([{ ...observed, raw: { ...observed.raw, status: undefined } as never }], NOW);
  expect([old!.status, old!.message]).toEqual([seen!.status, seen!.message]);
});

test("a spec that cannot be read is told in every place", () => {
  const { observed } = moment({ says: ["", "", 0, 0] });
  const problem = { reason: REASON.InvalidSpec, message: "spec.selector is empty" };
  const raw = { ...observed.raw, status: untouchedStatus(observed.raw, problem, NOW) } as unknown as RawOnload;
  const row = kubectlRow(raw);
  expect([row["Status"], row["Message"]]).toEqual(["InvalidSpec", "spec.selector is empty"]);
  const unread = { ...observed, raw, onload: undefined, planned: undefined, problem: problem.message };
  const [seen] = describeStatus([unread], NOW);
  expect([seen!.status, seen!.message]).toEqual(["InvalidSpec", "spec.selector is empty"]);
  expect(seen!.attention).toEqual([]);
});

test("a spec that cannot work has kubectl's message, and its own only until the operator has told it", () => {
  const message = "spec.selector has a wrong key";
  const invalid = { reason: REASON.InvalidSpec, message };
  const missing = { reason: REASON.ServiceAccountMissing, message: "create it" };
  const says: Situation["says"] = ["InvalidSpec", "spec.selector has a wrong key. create it", 0, 0];
  const { observed } = moment({ input: { problems: [invalid, missing] }, says });
  const row = kubectlRow(observed.raw);
  const [seen] = describeStatus([{ ...observed, problem: message }], NOW);
  expect([seen!.status, seen!.message]).toEqual([row["Status"] as string, row["Message"] as string]);
  expect(seen!.message).toContain("create it");
  expect(seen!.attention).toEqual([]);
  const before = { ...observed.raw, status: undefined } as never;
  const [early] = describeStatus([{ ...observed, raw: before, problem: message }], NOW);
  expect(early!.attention).toEqual([message]);
});

test("while the status is a moment behind, the headline fits the nodes below it", () => {
  const before = moment({ nodes: [whole("v1")], says: ["", "", 0, 0] });
  const after = moment({ nodes: [whole("v2")], says: ["", "", 0, 0] });
  const observed = { ...after.observed, raw: { ...after.observed.raw, status: before.status } as never };
  expect(describeStatus([observed], NOW)[0]).toMatchObject({ status: "AllNodesReady", ready: 1 });
  // Nobody brings it further: what was written last stands.
  expect(describeStatus([{ ...observed, serving: silent }], NOW)[0]).toMatchObject({ status: "Installing", ready: 0 });
});
