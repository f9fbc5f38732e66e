import { describe, expect, test } from "bun:test";
import { parser } from "@prometheus-io/lezer-promql";
import type { Registry } from "../internal/probes/prom-client.ts";
import { parseAllDocuments } from "yaml";
import { ControllerMetrics } from "../internal/controller/metrics.ts";
import { PluginMetrics } from "../internal/deviceplugin/metrics.ts";
import { PodMetrics } from "../internal/deviceplugin/pod-metrics.ts";
import { StackMetrics } from "../internal/deviceplugin/stack-metrics.ts";
import { OperatorMetrics } from "../internal/operator/report/metrics.ts";
import { NODE_STATES } from "../internal/operator/rollout/states.ts";
import { render } from "../internal/manifests/render.ts";

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}
interface Panel {
  id: number;
  title: string;
  targets: { expr: string; refId: string }[];
}

const objects = parseAllDocuments(render("prometheus")).map((document) => document.toJS());
const rules: Rule[] = objects
  .find(({ kind }) => kind === "PrometheusRule")
  .spec.groups.flatMap((group: { rules: Rule[] }) => group.rules);
const dashboard = JSON.parse(objects.find(({ kind }) => kind === "ConfigMap").data["onload.json"]);
const panels: Panel[] = dashboard.panels;
const queries: [string, string][] = [
  ...rules.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }): [string, string] => [title, expr])),
];

/** A selector of a query: the metric's name, and the labels that it is selected or grouped by. */
interface Use {
  metric: string;
  labels: string[];
}

/** Every metric that a query reads. Throws if the query is not PromQL. */
function usesOf(query: string): Use[] {
  // Grafana replaces these variables before it sends the query.
  const text = query.replaceAll(/\$(namespace|name)\b/g, "x");
  const uses: Use[] = [];
  parser.parse(text).iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`not PromQL at ${node.from}: ${text}`);
      if (node.name !== "VectorSelector") return;
      const selector = text.slice(node.from, node.to);
      const metric = /^\w+/.exec(selector)![0];
      uses.push({ metric, labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map((match) => match[1]!) });
    },
  });
  const grouped = [...text.matchAll(/\bby \(([^)]*)\)/g)].flatMap((match) =>
    match[1]!.split(",").map((each) => each.trim()),
  );
  for (const use of uses) use.labels.push(...grouped);
  return uses;
}

/** Names and labels of every series that the two programs can have, and of those that Prometheus itself adds. */
async function known(): Promise<Map<string, Set<string>>> {
  const controller = new ControllerMetrics();
  const registries: Registry[] = [controller.registry, new PluginMetrics("1").registry];
  // The constructor registers its metrics in the registry that it is given.
  expect(new OperatorMetrics(controller.registry, "1")).toBeDefined();
  expect(new PodMetrics(registries[1]!)).toBeDefined();
  expect(new StackMetrics(registries[1]!)).toBeDefined();
  const out = new Map<string, Set<string>>();
  for (const registry of registries) {
    for (const metric of registry.getMetricsAsArray() as unknown as {
      name: string;
      type: string;
      labelNames: string[];
    }[]) {
      const labels = [...metric.labelNames, "job", "node", "pod", ...(metric.type === "histogram" ? ["le"] : [])];
      const suffixes = metric.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      for (const suffix of suffixes) out.set(`${metric.name}${suffix}`, new Set(labels));
    }
  }
  return out;
}

describe("alerts and dashboard read metrics that there are", () => {
  for (const [name, query] of queries) {
    test(`${name}: ${query}`, async () => {
      const metrics = await known();
      const uses = usesOf(query);
      expect(uses.length).toBeGreaterThan(0);
      for (const { metric, labels } of uses) {
        expect([...metrics.keys()]).toContain(metric);
        for (const label of labels) expect([...metrics.get(metric)!]).toContain(label);
      }
    });
  }

  test("the check knows a wrong query, a wrong metric and a wrong label", async () => {
    expect(() => usesOf("sum by (a")).toThrow("not PromQL");
    const metrics = await known();
    expect(metrics.has("onload_operator_node")).toBe(false);
    expect(metrics.get("onload_operator_nodes")!.has("phase")).toBe(false);
  });

  test("states that a query names are states of nodes", () => {
    const named = queries.flatMap(([, query]) =>
      [...query.matchAll(/state=~"([^"]*)"/g)].flatMap((match) => match[1]!.split("|")),
    );
    expect(named.length).toBeGreaterThan(0);
    for (const state of named) expect(NODE_STATES as readonly string[]).toContain(state);
  });
});

describe("the alerts of the PTP daemon's sample", () => {
  const [, sample] = parseAllDocuments(render("samples/sfptpd-monitoring")).map((document) => document.toJS());
  const alerts: Rule[] = sample.spec.groups[0].rules;
  // Metrics of sfptpd 3.9, with the prefix of the sample's configurations.
  const metrics = ["sfptpd_in_sync", "sfptpd_is_disciplining", "sfptpd_alarms", "sfptpd_last_update_seconds"];
  for (const { alert, expr, annotations } of alerts) {
    test(`${alert}: ${expr}`, () => {
      const uses = usesOf(expr);
      expect(uses.length).toBeGreaterThan(0);
      for (const { metric, labels } of uses) {
        expect(metrics).toContain(metric);
        for (const label of labels) expect(["node", "sync"]).toContain(label);
      }
      expect(annotations.description).not.toBe("");
    });
  }

  test.each(["bond", "link-local", "system-clock"])(
    "sfptpd-%s serves metrics with that prefix, on the port of the pod",
    (name) => {
      const objects = parseAllDocuments(render(`samples/sfptpd-${name}`)).map((document) => document.toJS());
      const config: string = objects.find(({ kind }) => kind === "ConfigMap").data["sfptpd.cfg"];
      const { ports } = objects.find(({ kind }) => kind === "DaemonSet").spec.template.spec.containers[0];
      expect(config).toContain("\nopenmetrics_prefix sfptpd_\n");
      expect(config).toContain(`\nopenmetrics_tcp 0.0.0.0:${ports[0].containerPort}\n`);
    },
  );
});

describe("alerts", () => {
  test("say what is wrong and what to do, under names of their own", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { labels, annotations } of rules) {
      expect(["critical", "warning", "info"]).toContain(labels.severity);
      expect(annotations.summary).not.toBe("");
      expect(annotations.description).not.toBe("");
    }
  });
});

test("labels of pods that hold Onload are kept: else Prometheus puts those of the plugin that it asks in their place", async () => {
  const own = [...(await known())].filter(([, labels]) => labels.has("namespace")).map(([name]) => name);
  expect(own.length).toBeGreaterThan(0);
  for (const name of own) expect(name).toMatch(/^onload_(?:pod|stack)_/);
  const { podMetricsEndpoints } = objects.find(({ kind }) => kind === "PodMonitor").spec;
  expect(podMetricsEndpoints).toMatchObject([{ honorLabels: true }]);
});

describe("dashboard", () => {
  test("panels have ids and queries of their own", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  });
});
