/** What each alert is for, as the two programs tell it by their own metrics, and what the alert has to say then. */
import { ControllerMetrics } from "../../internal/controller/metrics.ts";
import { STACK_COUNTERS } from "../../internal/acceleration/stack-counters.ts";
import type { ContainerFacts } from "../../internal/acceleration/facts.ts";
import { systemClock } from "../../internal/kube/clock.ts";
import { PluginMetrics } from "../../internal/deviceplugin/metrics.ts";
import { PodMetrics } from "../../internal/deviceplugin/pod-metrics.ts";
import { StackMetrics } from "../../internal/deviceplugin/stack-metrics.ts";
import { OperatorMetrics } from "../../internal/operator/report/metrics.ts";
import type { NodePlan } from "../../internal/operator/rollout/node-plan.ts";

interface Key {
  namespace: string;
  name: string;
}

/** Resources whose operator is in none of their namespaces. All have one name. */
const [trading, research, pricing, gateway] = ["trading", "research", "pricing", "gateway"].map((namespace) => ({
  namespace,
  name: "onload",
})) as [Key, Key, Key, Key];

/** The operator's metrics. */
export class Operator {
  readonly controller = new ControllerMetrics();
  readonly metrics = new OperatorMetrics(this.controller.registry, "1.2.3");
  /** Whether it answers Prometheus. */
  up = true;

  constructor() {
    this.controller.register("onload", 1, { startTimes: [] } as never, systemClock);
    for (const key of [trading, research, pricing, gateway]) this.nodes(key, 3, 0);
  }

  nodes(key: Key, count: number, failed: number): void {
    const nodes = Array.from({ length: count }, (_, i) => ({
      state: "Ready",
      problem: i < failed ? { failed: true } : undefined,
    }));
    const status = failed > 0 ? "NodesFailed" : "AllNodesReady";
    this.metrics.planned(key, nodes as unknown as NodePlan[], { ready: failed === 0, degraded: failed > 0, status });
  }

  /** What is no reason to worry, so that every panel has something to show. */
  works(): void {
    this.metrics.step(trading, "Evict");
    this.metrics.leftState("Draining", 400);
    this.metrics.upgraded(trading, 9000);
    this.metrics.evicted(trading, "evicted");
    this.metrics.nodeFailed(trading, "ModuleLoadFailed");
    this.controller.reconciled("onload", "success");
    this.controller.queue("onload").depth(1);
    this.controller.onRequest({ code: "200", method: "PATCH", host: "10.96.0.1:443" } as never);
  }
}

/** Numbers of the stacks of each node. */
const STACKS = [3, 12] as const;

/** The metrics of one node's device plugin. A container of another namespace than the plugin's holds Onload there. */
export class Plugin {
  readonly metrics = new PluginMetrics("9.1");
  readonly node: string;
  readonly holder: { namespace: string; pod: string; container: string };
  readonly #pods = new PodMetrics(this.metrics.registry);
  readonly #stacks = new StackMetrics(this.metrics.registry);
  readonly #counted = STACKS.map(() => new Map<string, number>());

  constructor(index: number) {
    this.node = `compute-${index}`;
    this.holder = { namespace: "feeds", pod: `feed-${index}`, container: "app" };
    this.metrics.devices(100, true);
    this.metrics.streams(1);
    this.sockets(true);
    this.stacks({}, {});
  }

  /** The labels that the Prometheus operator and the relabelings of our PodMonitor give to the plugin's target. */
  get target(): Record<string, string> {
    return {
      job: "onload-operator-system/onload-operator-device-plugin",
      namespace: "trading",
      pod: `onload-onload-device-plugin-ds-${this.node}`,
      container: "device-plugin",
      endpoint: "metrics",
      instance: `${this.node}:9470`,
    };
  }

  /** What the counters of the first stack rise by, and those of the second. */
  stacks(...rises: Record<string, number>[]): void {
    const shown = rises.map((rise, i) => {
      const counted = this.#counted[i]!;
      for (const { name } of STACK_COUNTERS) counted.set(name, (counted.get(name) ?? 0) + (rise[name] ?? 0));
      return { holder: { ...this.holder, podUid: "u" }, id: STACKS[i]!, values: Object.fromEntries(counted) };
    });
    this.#stacks.show(shown, shown.length);
  }

  stacksRead(ok: boolean): void {
    this.#stacks.read(ok);
  }

  /** The container has two sockets beyond the loopback. @param accelerated whether Onload serves them */
  sockets(accelerated: boolean): void {
    const facts: ContainerFacts = {
      podUid: "u",
      container: this.holder.container,
      processes: { mapped: 1, musl: 1 },
      stacks: 1,
      stackIds: [...STACKS],
      sockets: [{ kind: "tcp", accelerated, count: 2 }],
      interfaces: [],
      interfacesCut: false,
      settings: null,
      cut: { processes: 0, descriptors: 0, tables: 0 },
    };
    this.#pods.show([{ holder: { ...this.holder, podUid: "u" }, facts }], 0);
  }

  /** What is no reason to worry, so that every panel has something to show. */
  works(): void {
    this.metrics.nics([{ driver: "sfc", numaNode: "0" }] as never);
    this.metrics.registration(true);
    this.metrics.allocation(true, 0.0004);
    this.stacksRead(true);
    const small = ["neighbour_drops", "handovers", "late_events", "lock_contentions", "wakeups", "tcp_retransmits"];
    this.stacks(Object.fromEntries(small.map((name) => [name, 1])), {});
  }
}

/** Labels of an alert, and words that its annotations must have. */
interface Firing {
  labels: Record<string, string>;
  says: (string | RegExp)[];
}

export interface Situation {
  alert: string;
  /** What happens in each minute. @param seconds how long that minute takes */
  happens: (operator: Operator, plugin: Plugin, seconds: number) => void;
  /** Ends what lasts by itself. */
  ends?: (operator: Operator, plugin: Plugin) => void;
  /** Minutes until it fires, at least. */
  firesAfter: number;
  fires: (plugin: Plugin) => Firing[];
  /** It takes from Prometheus what other situations are told by. */
  alone?: true;
}

const owner = ({ namespace, name }: Key): Record<string, string> => ({
  onload_namespace: namespace,
  onload_name: name,
});
const status = ({ namespace, name }: Key): string => `\`onloadctl status -n ${namespace} ${name}\``;
const ofNode = ({ target, node }: Plugin, severity: string): Record<string, string> => ({ severity, node, ...target });
const ofPod = (plugin: Plugin): Record<string, string> => ({ ...ofNode(plugin, "warning"), ...plugin.holder });
const logs = ({ node }: Plugin): string =>
  `\`kubectl logs -n trading onload-onload-device-plugin-ds-${node} -c device-plugin\``;
const podName = ({ holder }: Plugin): string => `pod ${holder.namespace}/${holder.pod}`;

function ofStack(plugin: Plugin, stack: number, view: string, ...says: Firing["says"]): Firing {
  const { namespace, pod } = plugin.holder;
  return {
    labels: { ...ofPod(plugin), stack: String(stack) },
    says: [podName(plugin), `\`onloadctl stack ${pod} -n ${namespace} --stack=${stack} ${view}\``, ...says],
  };
}

/** One for each alert. */
export const SITUATIONS: Situation[] = [
  {
    alert: "OnloadNodeFailed",
    happens: (operator) => {
      operator.nodes(trading, 3, 1);
      operator.nodes(research, 3, 2);
    },
    ends: (operator) => {
      operator.nodes(trading, 3, 0);
      operator.nodes(research, 3, 0);
    },
    firesAfter: 1,
    fires: () => [
      {
        labels: { severity: "critical", ...owner(trading) },
        says: [
          "A node of Onload trading/onload failed",
          status(trading),
          "`kubectl describe onload -n trading onload`",
        ],
      },
      {
        labels: { severity: "critical", ...owner(research) },
        says: ["2 nodes of Onload research/onload failed", status(research)],
      },
    ],
  },
  {
    alert: "OnloadNotReady",
    happens: (operator) => operator.metrics.untouched(pricing, "InvalidSpec"),
    ends: (operator) => operator.nodes(pricing, 3, 0),
    firesAfter: 60,
    fires: () => [
      {
        labels: { severity: "warning", ...owner(pricing) },
        says: ["Onload pricing/onload has not been ready for an hour", status(pricing)],
      },
    ],
  },
  {
    alert: "OnloadDrainRefused",
    happens: (operator) => operator.metrics.evicted(gateway, "refused"),
    firesAfter: 10,
    fires: () => [
      { labels: { severity: "warning", ...owner(gateway) }, says: ["Onload gateway/onload", status(gateway)] },
    ],
  },
  {
    alert: "OnloadOperatorDown",
    happens: (operator) => {
      operator.up = false;
    },
    ends: (operator) => {
      operator.up = true;
    },
    alone: true,
    firesAfter: 10,
    fires: () => [
      {
        labels: { severity: "warning" },
        says: ["`kubectl get pods -A -l app.kubernetes.io/part-of=onload,control-plane=controller-manager`"],
      },
    ],
  },
  {
    alert: "OnloadReconcileErrors",
    happens: (operator) => operator.controller.reconciled("onload", "error"),
    firesAfter: 15,
    fires: () => [{ labels: { severity: "warning" }, says: ["`onloadctl status`"] }],
  },
  {
    alert: "OnloadDevicesUnhealthy",
    happens: (_, plugin) => plugin.metrics.devices(100, false),
    ends: (_, plugin) => plugin.metrics.devices(100, true),
    firesAfter: 5,
    fires: (plugin) => [
      {
        labels: { ...ofNode(plugin, "critical"), health: "unhealthy" },
        says: [`Node ${plugin.node} cannot give Onload to pods`, logs(plugin)],
      },
    ],
  },
  {
    alert: "OnloadDevicePluginNotRegistered",
    happens: (_, plugin) => plugin.metrics.streams(0),
    ends: (_, plugin) => plugin.metrics.streams(1),
    firesAfter: 5,
    fires: (plugin) => [{ labels: ofNode(plugin, "critical"), says: [`node ${plugin.node}`, logs(plugin)] }],
  },
  {
    alert: "OnloadAllocationErrors",
    happens: (_, plugin) => plugin.metrics.allocation(false, 0.001),
    firesAfter: 0,
    fires: (plugin) => [
      {
        labels: { ...ofNode(plugin, "warning"), result: "error" },
        says: [`Pods on node ${plugin.node} were refused Onload`],
      },
    ],
  },
  {
    alert: "OnloadPodNotAccelerated",
    happens: (_, plugin) => plugin.sockets(false),
    ends: (_, plugin) => plugin.sockets(true),
    firesAfter: 5,
    fires: (plugin) => [
      {
        labels: ofPod(plugin),
        says: [
          `Pod ${plugin.holder.namespace}/${plugin.holder.pod} holds amd.com/onload`,
          "container app",
          `node ${plugin.node}`,
        ],
      },
    ],
  },
  {
    alert: "OnloadStackMemoryPressure",
    happens: (_, plugin) => plugin.stacks({ memory_pressure: 1 }, { memory_drops: 7 }),
    firesAfter: 0,
    fires: (plugin) =>
      STACKS.map((stack) => ofStack(plugin, stack, "lots", `stack ${stack}`, "has run out of packet buffers")),
  },
  {
    alert: "OnloadStackDrops",
    happens: (_, plugin) => plugin.stacks({ udp_overflow_drops: 2 }, { syn_drops: 1 }),
    firesAfter: 0,
    fires: (plugin) => STACKS.map((stack) => ofStack(plugin, stack, "lots", `stack ${stack}`, "drops what")),
  },
  {
    alert: "OnloadStackNoFilter",
    happens: (_, plugin) => plugin.stacks({}, { no_filter: 1 }),
    firesAfter: 0,
    fires: (plugin) => [
      ofStack(plugin, STACKS[1], "filters", "The kernel serves UDP sockets of", `node ${plugin.node}`),
    ],
  },
  {
    alert: "OnloadStackNoRoute",
    happens: (_, plugin) => plugin.stacks({ no_route: 1 }, {}),
    firesAfter: 0,
    fires: (plugin) => [ofStack(plugin, STACKS[0], "netstat", "has no accelerated route")],
  },
  {
    alert: "OnloadStackNotSpinning",
    // As often as a program that does not poll, and as one that polls for some milliseconds.
    happens: (_, plugin, seconds) =>
      plugin.stacks({ wakeups: 2000 * seconds, sleeps: 2000 * seconds }, { wakeups: 50 * seconds }),
    firesAfter: 15,
    fires: (plugin) => {
      const firing = ofStack(plugin, STACKS[0], "opts", "Threads of", /[12](\.\d+)?k times a second/);
      return [{ ...firing, labels: { ...firing.labels, severity: "info" } }];
    },
  },
  {
    alert: "OnloadStackCountersUnread",
    happens: (_, plugin) => plugin.stacksRead(false),
    firesAfter: 15,
    fires: (plugin) => [
      {
        labels: { ...ofNode(plugin, "warning"), result: "error" },
        says: [`node ${plugin.node}`, logs(plugin)],
      },
    ],
  },
];
