/**
 * The alerts, judged by Prometheus: each fires once for what it is for, says whose it is, and goes away. What the two
 * programs serve is scraped by a real Prometheus, with the labels that the Prometheus operator gives to a target of a
 * ServiceMonitor or PodMonitor; promtool, which evaluates rules with Prometheus' own engine, then lets the time pass.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Registry } from "prom-client";
import { parseAllDocuments, stringify } from "yaml";
import { ControllerMetrics } from "../internal/controller/metrics.ts";
import { STACK_COUNTERS } from "../internal/acceleration/stack-counters.ts";
import { systemClock } from "../internal/kube/clock.ts";
import { PluginMetrics } from "../internal/deviceplugin/metrics.ts";
import { PodMetrics, type LookedInto } from "../internal/deviceplugin/pod-metrics.ts";
import { StackMetrics } from "../internal/deviceplugin/stack-metrics.ts";
import { OperatorMetrics } from "../internal/operator/report/metrics.ts";
import type { NodePlan } from "../internal/operator/rollout/plan.ts";
import { render } from "../internal/manifests/render.ts";
import { run } from "../internal/testcluster/lib/command.ts";
import { requirePackages } from "../internal/testcluster/lib/debian.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { freePorts } from "../internal/testcluster/lib/ports.ts";

const LIMIT_MS = 120_000;

/** Two resources of one name, whose operator is in neither of their namespaces. */
const RESOURCES = [
  { namespace: "trading", name: "onload" },
  { namespace: "research", name: "onload" },
];
const TARGETS = {
  operator: {
    job: "onload-operator-controller-manager-metrics-service",
    namespace: "onload-operator-system",
    service: "onload-operator-controller-manager-metrics-service",
    pod: "onload-operator-controller-manager-0",
    container: "manager",
    endpoint: "metrics",
    instance: "10.0.0.1:8080",
  },
  plugin: {
    job: "onload-operator-system/onload-operator-device-plugin",
    namespace: "trading",
    pod: "onload-onload-device-plugin-ds-x",
    container: "device-plugin",
    endpoint: "metrics",
    instance: "10.0.0.2:9470",
    node: "compute-0",
  },
};
type Program = keyof typeof TARGETS;

/** Both programs' metrics; what changes is told to the classes that the programs use. */
class Metrics {
  readonly controller = new ControllerMetrics();
  readonly operator = new OperatorMetrics(this.controller.registry, "1.2.3");
  readonly plugin = new PluginMetrics("9.1");
  readonly pods = new PodMetrics(this.plugin.registry);
  readonly #stacks = new StackMetrics(this.plugin.registry);

  constructor() {
    this.controller.register("onload", 1, { startTimes: [] } as never, systemClock);
    for (const key of RESOURCES) this.nodes(key, 3, 0);
    this.plugin.devices(100, true);
    this.plugin.streams(1);
    this.stacks({}, {});
  }

  /** Values of the first stack, and of the second; all others are 0. */
  stacks(...changes: Record<string, number>[]): void {
    const calm = Object.fromEntries(STACK_COUNTERS.map(({ name }) => [name, 0]));
    const holder = { ...HOLDER, podUid: UID };
    const shown = changes.map((values, i) => ({ holder, id: STACKS[i]!, values: { ...calm, ...values } }));
    this.#stacks.show(shown, shown.length);
  }

  stacksRead(ok: boolean): void {
    this.#stacks.read(ok);
  }

  nodes(key: (typeof RESOURCES)[number], count: number, failed: number): void {
    const nodes = Array.from({ length: count }, (_, i) => ({
      state: "Ready",
      problem: i < failed ? { failed: true } : undefined,
    }));
    const status = failed > 0 ? "NodesFailed" : "AllNodesReady";
    this.operator.planned(key, nodes as unknown as NodePlan[], { ready: failed === 0, degraded: failed > 0, status });
  }

  registry(program: Program): Registry {
    return program === "operator" ? this.controller.registry : this.plugin.registry;
  }
}

const [trading, research] = RESOURCES as [(typeof RESOURCES)[0], (typeof RESOURCES)[0]];
const status = (namespace: string): string => `\`onloadctl status -n ${namespace} onload\``;
const logs = "`kubectl logs -n trading onload-onload-device-plugin-ds-x -c device-plugin`";
const { job: _, ...pluginLabels } = TARGETS.plugin;

interface Situation {
  alert: string;
  /** What happens. Counters rise by as much each minute. */
  happens: (metrics: Metrics) => void;
  /** Whose series end meanwhile. */
  ends?: Program;
  /** Minutes until it fires, and minutes until it has gone, once what happened is over. */
  firesAfter: number;
  goesAfter: number;
  /** Labels and the words in which the annotations must say what is meant. */
  fires: { labels: Record<string, string>; says: string[] }[];
}

const owner = (key: (typeof RESOURCES)[number]): Record<string, string> => ({
  onload_namespace: key.namespace,
  onload_name: key.name,
});

/** A container of another namespace than the plugin's, and what is found in it. */
const HOLDER = { namespace: "feeds", pod: "feed-0", container: "app" };
const UID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
const STACKS = [3, 12];
const KERNEL_ONLY: LookedInto = {
  holder: { ...HOLDER, podUid: UID },
  facts: {
    podUid: UID,
    container: HOLDER.container,
    processes: { mapped: 1 },
    stacks: 0,
    stackIds: [],
    sockets: [{ kind: "tcp", accelerated: false, count: 2 }],
    interfaces: [],
    interfacesCut: false,
    cut: { processes: 0, descriptors: 0, tables: 0 },
  },
};

const ofStack = (stack: number, severity = "warning"): Record<string, string> => ({
  severity,
  job: TARGETS.plugin.job,
  ...pluginLabels,
  ...HOLDER,
  stack: String(stack),
});
const stackCommand = (stack: number, view: string): string =>
  `\`onloadctl stack feed-0 -n feeds --stack=${stack} ${view}\``;

const SITUATIONS: Situation[] = [
  {
    alert: "OnloadNodeFailed",
    happens: (metrics) => {
      metrics.nodes(trading, 3, 1);
      metrics.nodes(research, 3, 2);
    },
    firesAfter: 1,
    goesAfter: 1,
    fires: [
      {
        labels: { severity: "critical", ...owner(trading) },
        says: [
          "A node of Onload trading/onload failed",
          status("trading"),
          "`kubectl describe onload -n trading onload`",
        ],
      },
      {
        labels: { severity: "critical", ...owner(research) },
        says: ["2 nodes of Onload research/onload failed", status("research")],
      },
    ],
  },
  {
    alert: "OnloadNotReady",
    happens: (metrics) => metrics.operator.untouched(trading, "InvalidSpec"),
    firesAfter: 60,
    goesAfter: 1,
    fires: [
      {
        labels: { severity: "warning", ...owner(trading) },
        says: ["Onload trading/onload has not been ready for an hour", status("trading")],
      },
    ],
  },
  {
    alert: "OnloadDrainRefused",
    happens: (metrics) => metrics.operator.evicted(research, "refused"),
    firesAfter: 10,
    goesAfter: 11,
    fires: [
      { labels: { severity: "warning", ...owner(research) }, says: ["Onload research/onload", status("research")] },
    ],
  },
  {
    alert: "OnloadOperatorDown",
    happens: () => undefined,
    ends: "operator",
    firesAfter: 10,
    goesAfter: 1,
    fires: [
      {
        labels: { severity: "warning" },
        says: ["`kubectl get pods -A -l app.kubernetes.io/part-of=onload,control-plane=controller-manager`"],
      },
    ],
  },
  {
    alert: "OnloadReconcileErrors",
    happens: (metrics) => metrics.controller.reconciled("onload", "error"),
    firesAfter: 15,
    goesAfter: 11,
    fires: [{ labels: { severity: "warning" }, says: ["`onloadctl status`"] }],
  },
  {
    alert: "OnloadDevicesUnhealthy",
    happens: (metrics) => metrics.plugin.devices(100, false),
    firesAfter: 5,
    goesAfter: 1,
    fires: [
      {
        labels: { severity: "critical", job: TARGETS.plugin.job, ...pluginLabels, health: "unhealthy" },
        says: ["Node compute-0 cannot give Onload to pods", logs],
      },
    ],
  },
  {
    alert: "OnloadDevicePluginNotRegistered",
    happens: (metrics) => metrics.plugin.streams(0),
    firesAfter: 5,
    goesAfter: 1,
    fires: [
      {
        labels: { severity: "critical", job: TARGETS.plugin.job, ...pluginLabels },
        says: ["node compute-0", logs],
      },
    ],
  },
  {
    alert: "OnloadAllocationErrors",
    happens: (metrics) => metrics.plugin.allocation(false, 0.001),
    firesAfter: 0,
    goesAfter: 11,
    fires: [
      {
        labels: { severity: "warning", job: TARGETS.plugin.job, ...pluginLabels, result: "error" },
        says: ["Pods on node compute-0 were refused Onload"],
      },
    ],
  },
  {
    alert: "OnloadPodNotAccelerated",
    happens: (metrics) => metrics.pods.show([KERNEL_ONLY], 0),
    firesAfter: 5,
    goesAfter: 1,
    fires: [
      {
        labels: { severity: "warning", job: TARGETS.plugin.job, ...pluginLabels, ...HOLDER },
        says: ["Pod feeds/feed-0 holds amd.com/onload", "container app", "node compute-0"],
      },
    ],
  },
  {
    alert: "OnloadStackMemoryPressure",
    happens: (metrics) => metrics.stacks({ memory_pressure: 1 }, { memory_drops: 7 }),
    firesAfter: 0,
    goesAfter: 11,
    fires: [3, 12].map((stack) => ({
      labels: ofStack(stack),
      says: [`stack ${stack} of pod feeds/feed-0 has run out of packet buffers`, stackCommand(stack, "lots")],
    })),
  },
  {
    alert: "OnloadStackDrops",
    happens: (metrics) => metrics.stacks({ udp_overflow_drops: 2 }, { syn_drops: 1 }),
    firesAfter: 0,
    goesAfter: 11,
    fires: [3, 12].map((stack) => ({
      labels: ofStack(stack),
      says: [`stack ${stack} of pod feeds/feed-0 drops`, stackCommand(stack, "lots")],
    })),
  },
  {
    alert: "OnloadStackNoFilter",
    happens: (metrics) => metrics.stacks({}, { no_filter: 1 }),
    firesAfter: 0,
    goesAfter: 61,
    fires: [
      {
        labels: ofStack(12),
        says: ["The kernel serves UDP sockets of pod feeds/feed-0", "node compute-0", stackCommand(12, "filters")],
      },
    ],
  },
  {
    alert: "OnloadStackNoRoute",
    happens: (metrics) => metrics.stacks({ no_route: 1 }, {}),
    firesAfter: 0,
    goesAfter: 11,
    fires: [{ labels: ofStack(3), says: ["stack 3 of pod feeds/feed-0", stackCommand(3, "netstat")] }],
  },
  {
    alert: "OnloadStackNotSpinning",
    // As often as a busy program that does not poll: the first minute is enough to have a rate above the limit.
    happens: (metrics) => metrics.stacks({ wakeups: 120_000, sleeps: 120_000 }, { wakeups: 5000 }),
    firesAfter: 15,
    goesAfter: 11,
    fires: [
      {
        labels: ofStack(3, "info"),
        says: ["Threads of pod feeds/feed-0 sleep", "2k times a second", stackCommand(3, "opts")],
      },
    ],
  },
  {
    alert: "OnloadStackCountersUnread",
    happens: (metrics) => metrics.stacksRead(false),
    firesAfter: 15,
    goesAfter: 31,
    fires: [
      {
        labels: { severity: "warning", job: TARGETS.plugin.job, ...pluginLabels, result: "error" },
        says: ["node compute-0", logs],
      },
    ],
  },
];

const documents = parseAllDocuments(render("prometheus")).map((document) => document.toJS());
const groups = documents.find(({ kind }) => kind === "PrometheusRule").spec.groups as {
  name: string;
  rules: { alert: string; expr: string; annotations: Record<string, string> }[];
}[];
const rules = groups.flatMap((group) => group.rules);

/** Whether a program's own labels go before those of its target. */
const HONOR_LABELS: Record<Program, boolean> = {
  operator: documents.find(({ kind }) => kind === "ServiceMonitor").spec.endpoints[0].honorLabels === true,
  plugin: documents.find(({ kind }) => kind === "PodMonitor").spec.podMetricsEndpoints[0].honorLabels === true,
};

let folder: string;
let server: Server;
let prometheus: Bun.Subprocess;
/** By snapshot: every series, as Prometheus has it after a scrape, with its value. */
const scraped = new Map<string, Map<string, number>>();

/** `calm` and one snapshot for each situation, by program. */
const snapshots = new Map<string, Metrics>();

beforeAll(async () => {
  await requirePackages(["prometheus"]);
  folder = await mkdtemp(join(tmpdir(), "onloadctl-prometheus-"));
  snapshots.set("calm", new Metrics());
  for (const { alert, happens } of SITUATIONS) {
    const metrics = new Metrics();
    happens(metrics);
    snapshots.set(alert, metrics);
  }
  server = createServer((request, response) => {
    const [, snapshot = "", program = ""] = (request.url ?? "").split("/");
    const registry = snapshots.get(snapshot)!.registry(program as Program);
    void registry.metrics().then((text) => response.setHeader("content-type", registry.contentType).end(text));
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  await scrapeAll();
}, LIMIT_MS);

afterAll(async () => {
  prometheus?.kill();
  await prometheus?.exited;
  server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function scrapeAll(): Promise<void> {
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [port = 0] = await freePorts(1);
  const jobs = [...snapshots.keys()].flatMap((snapshot) =>
    Object.entries(TARGETS).map(([program, labels]) => ({
      job_name: `${snapshot} ${program}`,
      metrics_path: `/${snapshot}/${program}`,
      scrape_interval: "1s",
      scrape_timeout: "1s",
      honor_labels: HONOR_LABELS[program as Program],
      static_configs: [{ targets: [target], labels: { ...labels, snapshot } }],
    })),
  );
  const config = join(folder, "prometheus.yaml");
  await writeFile(config, stringify({ scrape_configs: jobs }));
  const flags = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  prometheus = Bun.spawn(["prometheus", ...flags], { stdout: "ignore", stderr: "ignore" });
  const read = async (): Promise<boolean> => {
    const query = encodeURIComponent('{__name__=~"onload_.*|controller_runtime_.*"}');
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${query}`);
    const { data } = (await answer.json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    scraped.clear();
    for (const { metric, value } of data.result) {
      const { snapshot = "", ...labels } = metric;
      const series = scraped.get(snapshot) ?? new Map<string, number>();
      scraped.set(snapshot, series.set(seriesText(labels), Number(value[1])));
    }
    const isWhole = (series: Map<string, number>): boolean =>
      [...series.keys()].some((text) => text.startsWith("onload_operator")) &&
      [...series.keys()].some((text) => text.startsWith("onload_deviceplugin"));
    return scraped.size === snapshots.size && [...scraped.values()].every(isWhole);
  };
  await poll(async () => read().catch(() => false), {
    what: "Prometheus having scraped everything",
    timeoutMs: LIMIT_MS,
  });
}

function seriesText({ __name__: name = "", ...labels }: Record<string, string>): string {
  return `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .join(",")}}`;
}

/** When the situation begins, and when it ends, in minutes. */
const BEGINS = 20;
const ENDS = BEGINS + 90;

/** A series over the time of a test, as promtool writes it. */
function inputOf(text: string, situation: Situation): { series: string; values: string } {
  const calm = scraped.get("calm")!.get(text);
  const then = scraped.get(situation.alert)!.get(text) ?? calm ?? 0;
  const program: Program = /^onload_(?:deviceplugin|pod|stack)/.test(text) ? "plugin" : "operator";
  const constant = (value: number, minutes: number): string => `${value}x${minutes - 1}`;
  // Of sockets that stay open, the gauge of drops only grows too.
  const isCounter = /_(total|count|sum|bucket|overflow_drops)\{/.test(text);
  const before = calm === undefined ? `_x${BEGINS}` : constant(calm, BEGINS);
  const grows = then - (calm ?? 0);
  const after = isCounter ? (calm ?? 0) + grows * (ENDS - BEGINS) : (calm ?? 0);
  const during =
    situation.ends === program
      ? `stale _x${ENDS - BEGINS - 2}`
      : isCounter && grows !== 0
        ? `${(calm ?? 0) + grows}+${grows}x${ENDS - BEGINS - 1}`
        : constant(then, ENDS - BEGINS);
  // A series that there was only meanwhile ends.
  const later = calm === undefined && !isCounter ? "stale _x58" : constant(after, 60);
  return { series: text, values: `${before} ${during} ${later}` };
}

test("no label of ours is one that a target has", () => {
  for (const series of scraped.values()) {
    expect([...series.keys()].filter((text) => text.includes("exported_"))).toEqual([]);
  }
});

test("every alert has a situation", () => {
  expect(SITUATIONS.map(({ alert }) => alert).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
});

describe("an alert fires once for what it is for, and goes away", () => {
  test.each(SITUATIONS.map((each) => [each.alert, each] as const))("%s", async (alert, situation) => {
    const all = new Set([...scraped.get("calm")!.keys(), ...scraped.get(alert)!.keys()]);
    const series = [...all].filter((text) => rules.some(({ expr }) => expr.includes(text.slice(0, text.indexOf("{")))));
    const at = (minutes: number, fires: Situation["fires"]) => ({
      eval_time: `${minutes}m`,
      alertname: alert,
      exp_alerts: fires,
    });
    const annotations = await firing(alert, situation, series);
    expect(annotations).toHaveLength(situation.fires.length);
    const expected = situation.fires.map(({ labels, says }) => {
      const found = annotations.find(({ exp_labels }) => Bun.deepEquals(exp_labels, labels));
      expect(annotations.map(({ exp_labels }) => exp_labels)).toContainEqual(labels);
      const text = Object.values(found!.exp_annotations).join("\n");
      for (const words of says) expect(text).toContain(words);
      return found!;
    });
    const others = rules.filter((rule) => rule.alert !== alert).map((rule) => rule.alert);
    const during = BEGINS + 65;
    const checks = [
      at(BEGINS - 1, []),
      at(BEGINS + situation.firesAfter - 1, []),
      { ...at(during, []), exp_alerts: expected },
      at(ENDS + situation.goesAfter, []),
      // What makes a resource fail for an hour is no other alert's business, but for the one that tells of the hour.
      ...others
        .filter((other) => !(alert === "OnloadNodeFailed" && other === "OnloadNotReady"))
        .map((other) => ({ ...at(during, []), alertname: other })),
    ];
    await judge(situation, series, checks as never);
  });
});

test("OnloadStackNoFilter tells of what has happened before the first sample of a stack, for an hour", async () => {
  const { expr } = rules.find(({ alert }) => alert === "OnloadStackNoFilter")!;
  const series = 'onload_stack_no_filter_total{stack="3"}';
  const at = (minutes: number, value?: number) => ({
    expr,
    eval_time: `${minutes}m`,
    exp_samples: value === undefined ? [] : [{ labels: '{stack="3"}', value }],
  });
  const file = join(folder, "first-sample.yaml");
  const tests = [
    {
      interval: "1m",
      input_series: [{ series, values: "_x9 2x99" }],
      promql_expr_test: [at(8), at(10, 2), at(68, 2), at(72)],
    },
  ];
  await writeFile(file, stringify({ evaluation_interval: "1m", tests }));
  const { code, stdout, stderr } = await run(["promtool", "test", "rules", file], { allowFailure: true });
  expect(code === 0 ? "" : `${stdout}\n${stderr}`).toBe("");
});

interface Check {
  eval_time: string;
  alertname: string;
  exp_alerts: { exp_labels: Record<string, string>; exp_annotations: Record<string, string> }[];
}

async function promtool(situation: Situation, series: readonly string[], checks: readonly Check[]): Promise<string> {
  await writeFile(join(folder, "rules.yaml"), stringify({ groups }));
  const tests = [
    {
      interval: "1m",
      input_series: series.map((text) => inputOf(text, situation)),
      alert_rule_test: checks,
    },
  ];
  const file = join(folder, `${situation.alert}.yaml`);
  await writeFile(file, stringify({ rule_files: ["rules.yaml"], evaluation_interval: "1m", tests }));
  const { code, stdout, stderr } = await run(["promtool", "test", "rules", file], { allowFailure: true });
  return code === 0 ? "" : `${stdout}\n${stderr}`;
}

async function judge(situation: Situation, series: readonly string[], checks: readonly Check[]): Promise<void> {
  expect(await promtool(situation, series, checks)).toBe("");
}

/** What fires in the midst of a situation: promtool prints it when it is told that nothing should. */
async function firing(alert: string, situation: Situation, series: readonly string[]): Promise<Check["exp_alerts"]> {
  const text = await promtool(situation, series, [{ eval_time: `${BEGINS + 65}m`, alertname: alert, exp_alerts: [] }]);
  const got = text.slice(text.indexOf("got:"));
  return got
    .split("Labels:")
    .slice(1)
    .map((entry) => {
      const [labels = "", annotations = ""] = entry.split("Annotations:");
      const { alertname: _name, ...exp_labels } = pairs(labels);
      return { exp_labels, exp_annotations: pairs(annotations) };
    });
}

/** `{a="b", c="d"}`, as promtool prints labels. */
function pairs(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/(\w+)=("(?:[^"\\]|\\.)*")/g)].map(([, name = "", value = ""]) => [
      name,
      JSON.parse(value) as string,
    ]),
  );
}
