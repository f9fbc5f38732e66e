/**
 * Alerts and dashboard in a real Prometheus, which scrapes what the two programs serve, by our monitors and with the labels
 * that the Prometheus operator gives to their targets. Each alert fires once for what it is for, says whose it is, and goes
 * away. A minute of the rules takes half a second: every duration in them is made shorter, and what happens once a minute
 * happens as much more often.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { render } from "../internal/manifests/render.ts";
import { run } from "../internal/testcluster/lib/command.ts";
import { requirePackages } from "../internal/testcluster/lib/debian.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { Operator, Plugin, SITUATIONS, type Situation } from "./testing/alert-situations.ts";
import { inOtherTime, Prometheus, type ActiveAlert, type Matrix } from "./testing/prometheus.ts";

const MINUTE_MS = 500;
const SCRAPE = "400ms";
const EVALUATION = "250ms";
/** Of a wait for one alert. The longest that any alert takes is an hour, in its time. */
const PATIENCE_MS = 75_000;

interface Rule {
  alert: string;
  expr: string;
  for?: string;
}
interface Panel {
  title: string;
  targets: { expr: string; legendFormat: string }[];
}

const documents = parseAllDocuments(render("prometheus")).map((document) => document.toJS());
const groups: { name: string; rules: Rule[] }[] = documents.find(({ kind }) => kind === "PrometheusRule").spec.groups;
const rules = groups.flatMap((group) => group.rules);
const dashboard: { panels: Panel[]; templating: { list: { name: string; type: string; query: string }[] } } =
  JSON.parse(documents.find(({ kind }) => kind === "ConfigMap").data["onload.json"]);
const panels = dashboard.panels.flatMap(({ title, targets }) => targets.map((target) => [title, target] as const));

/** How our monitors have their targets scraped. */
const [operatorEndpoint] = documents.find(({ kind }) => kind === "ServiceMonitor").spec.endpoints;
const [pluginEndpoint] = documents.find(({ kind }) => kind === "PodMonitor").spec.podMetricsEndpoints;

const operator = new Operator();
/** Of the node of each situation, and of one where all is well. */
const plugins = [...SITUATIONS, undefined].map((_, index) => new Plugin(index));
const healthy = plugins.at(-1)!;
const pluginOf = (situation: Situation): Plugin => plugins[SITUATIONS.indexOf(situation)]!;

interface Outcome {
  /** When it began, in Unix seconds. */
  began: number;
  /** What fires while it lasts. */
  firing: ActiveAlert[];
  /** What is left of it at the end. */
  left: ActiveAlert[];
}
const outcomes = new Map<string, Outcome>();
/** When the first situation began, in Unix seconds. */
let began: number;
/** All that has fired since, by the series that Prometheus itself keeps of its alerts. */
let everFired: Matrix[];

let server: Server;
let prometheus: Prometheus;
let clock: ReturnType<typeof setInterval>;
const present = new Set<Situation>();

beforeAll(async () => {
  await requirePackages(["prometheus"]);
  const address = await serve();
  prometheus = await Prometheus.start(configuration(address), scaled());
  let last = performance.now();
  clock = setInterval(() => {
    const now = performance.now();
    operator.works();
    healthy.works();
    for (const situation of present) situation.happens(operator, pluginOf(situation), (now - last) / 1000);
    last = now;
  }, MINUTE_MS);
  // An increase is seen only of a series that was there before.
  await poll(
    async () => {
      const samples = await prometheus.samples("up[5m]");
      const scraped = samples.filter(({ values }) => values.filter(([, value]) => value === "1").length >= 3);
      // Before the first scrape of the operator it was absent.
      return scraped.length === plugins.length + 2 && (await prometheus.alerts()).length === 0;
    },
    { what: "Prometheus having scraped everything", timeoutMs: PATIENCE_MS },
  );
  began = Date.now() / 1000;
  await Promise.all(SITUATIONS.filter(({ alone }) => !alone).map(play));
  for (const situation of SITUATIONS.filter(({ alone }) => alone)) await play(situation);
  everFired = await prometheus.samples(`ALERTS{alertstate="firing"}[${Math.round(Date.now() - began * 1000)}ms]`);
}, 5 * PATIENCE_MS);

afterAll(async () => {
  clearInterval(clock);
  await prometheus?.[Symbol.asyncDispose]();
  server?.close();
});

/** Begins a situation, ends it once its alert fires, and waits until the alert has gone. */
async function play(situation: Situation): Promise<void> {
  const plugin = pluginOf(situation);
  const outcome: Outcome = { began: Date.now() / 1000, firing: [], left: [] };
  outcomes.set(situation.alert, outcome);
  const seen = async (state?: "firing"): Promise<ActiveAlert[]> => {
    const alerts = await prometheus.alerts();
    return alerts.filter(
      (each) => each.labels["alertname"] === situation.alert && each.state === (state ?? each.state),
    );
  };
  // What does not come in time is missed by the tests, which say what was there.
  const wait = (attempt: () => Promise<boolean>): Promise<unknown> =>
    poll(attempt, { what: situation.alert, timeoutMs: PATIENCE_MS, intervalMs: MINUTE_MS / 2 }).catch(() => undefined);
  present.add(situation);
  await wait(async () => {
    outcome.firing = await seen("firing");
    return outcome.firing.length >= situation.fires(plugin).length;
  });
  present.delete(situation);
  situation.ends?.(operator, plugin);
  await wait(async () => {
    outcome.left = await seen();
    return outcome.left.length === 0;
  });
}

/** Serves `/metrics?of=operator`, of each node, and of kube-state-metrics. Gives host and port. */
async function serve(): Promise<string> {
  server = createServer((request, response) => {
    const of = new URL(request.url ?? "", "http://localhost").searchParams.get("of");
    const plugin = plugins.find(({ node }) => node === of);
    if (of === "operator" && !operator.up) response.writeHead(503).end();
    else if (of === "kube-state-metrics") response.setHeader("content-type", "text/plain").end(kubePodLabels());
    else {
      const source = plugin === undefined ? operator.controller : plugin.metrics.registry;
      void source.metrics().then((text) => response.setHeader("content-type", source.contentType).end(text));
    }
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As kube-state-metrics has labels of pods, where its flag `--metric-labels-allowlist` names `app`. */
function kubePodLabels(): string {
  return plugins
    .map(
      ({ holder: { namespace, pod } }) =>
        `kube_pod_labels{namespace="${namespace}",pod="${pod}",uid="u",label_app="trading"} 1\n`,
    )
    .join("");
}

function configuration(address: string): object {
  const job = (
    of: string,
    endpoint: { path: string; honorLabels?: boolean; relabelings?: { sourceLabels: string[]; targetLabel: string }[] },
    labels: Record<string, string>,
  ) => ({
    job_name: of,
    metrics_path: endpoint.path,
    params: { of: [of] },
    honor_labels: endpoint.honorLabels ?? false,
    static_configs: [{ targets: [address], labels }],
    relabel_configs: (endpoint.relabelings ?? []).map(({ sourceLabels, targetLabel }) => ({
      source_labels: sourceLabels,
      target_label: targetLabel,
    })),
  });
  const service = "onload-operator-controller-manager-metrics-service";
  const names = { namespace: "onload-operator-system", service, pod: "manager-0", container: "manager" };
  return {
    global: { scrape_interval: SCRAPE, scrape_timeout: SCRAPE, evaluation_interval: EVALUATION },
    scrape_configs: [
      job("operator", operatorEndpoint, { job: service, endpoint: "metrics", instance: "10.0.0.1:8080", ...names }),
      ...plugins.map((plugin) =>
        job(plugin.node, pluginEndpoint, { ...plugin.target, __meta_kubernetes_pod_node_name: plugin.node }),
      ),
      // As kube-prometheus has it.
      job("kube-state-metrics", { path: "/metrics", honorLabels: true }, { namespace: "monitoring", pod: "ksm-0" }),
    ],
  };
}

/** Our rules in the test's time. */
function scaled(): object[] {
  const factor = MINUTE_MS / 60_000;
  return groups.map((group) => ({
    ...group,
    rules: group.rules.map((rule) => ({
      ...rule,
      expr: inOtherTime(rule.expr, factor),
      ...(rule.for === undefined ? {} : { for: inOtherTime(rule.for, factor) }),
    })),
  }));
}

test.each([
  ["10m", "5000ms"],
  ["1h30m", "45000ms"],
  ['rate(m1_5m{a="10m"}[1h:5m] offset 2d) > 100', 'rate(m1_5m{a="10m"}[30000ms:2500ms] offset 1440000ms) > 100'],
])("durations of %s are made shorter", (text, expected) => {
  expect(inOtherTime(text, 0.5 / 60)).toBe(expected);
});

test("every alert has a situation", () => {
  expect(SITUATIONS.map(({ alert }) => alert).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
});

test("no label of ours is one that a target has", async () => {
  expect((await prometheus.labels()).filter((label) => label.startsWith("exported_"))).toEqual([]);
});

describe("an alert fires for what it is for, and goes away", () => {
  test.each(SITUATIONS.map((each) => [each.alert, each] as const))("%s", (alert, situation) => {
    const { began: since, firing, left } = outcomes.get(alert)!;
    const expected = situation.fires(pluginOf(situation));
    const labels = expected.map((each) => ({ alertname: alert, ...each.labels }));
    expect(inOrder(firing.map((each) => each.labels))).toEqual(inOrder(labels));
    for (const { labels: those, says } of expected) {
      const { annotations } = firing.find((each) => Bun.deepEquals(each.labels, { alertname: alert, ...those }))!;
      const text = Object.values(annotations).join("\n");
      for (const words of says) expect(text).toMatch(words);
    }
    expect(left).toEqual([]);
    const first = everFired.filter(({ metric }) => metric["alertname"] === alert).map(({ values }) => values[0]![0]);
    const minutes = (Math.min(...first) - since) / (MINUTE_MS / 1000);
    expect(minutes).toBeGreaterThanOrEqual(situation.firesAfter - 1);
  });
});

test("nothing else has fired meanwhile", () => {
  const expected = SITUATIONS.flatMap((situation) =>
    situation.fires(pluginOf(situation)).map(({ labels }) => ({ alertname: situation.alert, ...labels })),
  );
  const fired = everFired.map(({ metric: { __name__: _name, alertstate: _state, ...labels } }) => labels);
  expect(inOrder(fired)).toEqual(inOrder(expected));
});

/** In one order, whatever the order of the keys. */
function inOrder(labels: Record<string, string>[]): Record<string, string>[] {
  const text = (each: Record<string, string>): string => JSON.stringify(Object.entries(each).toSorted());
  return labels.toSorted((a, b) => text(a).localeCompare(text(b)));
}

describe("a panel has data, with the labels of its legend", () => {
  test.each(panels.map(([title, target]) => [title, target.expr, target] as const))(
    "%s: %s",
    async (_, expr, target) => {
      const series = await prometheus.range(await filledIn(expr), began);
      const shown = series.filter(({ values }) => values.some(([, value]) => Number.isFinite(Number(value))));
      const isAbove0 = ({ values }: Matrix): boolean => values.some(([, value]) => Number(value) > 0);
      expect(shown.filter(isAbove0)).not.toEqual([]);
      for (const [, label = ""] of target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        for (const { metric } of shown) expect(Object.keys(metric)).toContain(label);
      }
    },
  );
});

/** A query as Grafana sends it when all values of all variables are chosen. */
async function filledIn(query: string): Promise<string> {
  let text = query;
  for (const { name, type, query: values } of dashboard.templating.list) {
    if (type !== "query") continue;
    const [, metric = "", label = ""] = /^label_values\((\w+), (\w+)\)$/.exec(values) ?? [];
    text = text.replaceAll(`$${name}`, `(${(await prometheus.labelValues(metric, label)).join("|")})`);
  }
  return text;
}

test("README's query joins metrics of pods with those of kube-state-metrics", async () => {
  const readme = await readFile(join(checkout, "README.md"), "utf8");
  const [query = ""] = /^onload_pod_\w+.* on \(.*$/m.exec(readme) ?? [];
  const series = await prometheus.range(query, began);
  const { holder } = pluginOf(SITUATIONS.find(({ alert }) => alert === "OnloadPodNotAccelerated")!);
  expect(series.map(({ metric: { namespace, pod } }) => ({ namespace, pod }))).toEqual([
    { namespace: holder.namespace, pod: holder.pod },
  ]);
});

test("OnloadStackNoFilter tells of what has happened before the first sample of a stack, for an hour", async () => {
  const { expr } = rules.find(({ alert }) => alert === "OnloadStackNoFilter")!;
  const series = 'onload_stack_no_filter_total{stack="3"}';
  const at = (minutes: number, value?: number) => ({
    expr,
    eval_time: `${minutes}m`,
    exp_samples: value === undefined ? [] : [{ labels: '{stack="3"}', value }],
  });
  const tests = [
    {
      interval: "1m",
      input_series: [{ series, values: "_x9 2x99" }],
      promql_expr_test: [at(8), at(10, 2), at(68, 2), at(72)],
    },
  ];
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-promtool-"));
  const file = join(folder, "first-sample.yaml");
  await writeFile(file, stringify({ evaluation_interval: "1m", tests }));
  const { code, stdout, stderr } = await run(["promtool", "test", "rules", file], { allowFailure: true });
  await rm(folder, { recursive: true, force: true });
  expect(code === 0 ? "" : `${stdout}\n${stderr}`).toBe("");
});
