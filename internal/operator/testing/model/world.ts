/**
 * What surrounds the operator: an API server and machines with kernels. What of this an API cannot show, such as which
 * driver is loaded, is here; the actors beside this file change both. What must never happen is noted as a violation.
 */
import type { DeepReadonly, Node, Pod } from "../../../api/core.ts";
import { Api, isFinished, keyOf } from "./api.ts";
import { type Driver, KMM_KERNEL, RESOURCE, versionLabel, parseKey } from "./names.ts";

/** A driver in a kernel. */
export interface Loaded {
  version: string;
  /** The image that it came from. */
  image: string;
  /** `namespace/Module` that loaded it. */
  by: string;
}

/** A machine and its kubelet. */
export interface Machine {
  name: string;
  /** As `uname -r` prints it. */
  kernel: string;
  boot: number;
  /** Whether the kubelet is there. */
  up: boolean;
  loaded: Partial<Record<Driver, Loaded>>;
}

/** What goes wrong until the history ends it. */
export interface Faults {
  /** Versions whose drivers load nowhere. */
  bad: Set<string>;
  /** Versions whose module images no registry has. */
  missing: Set<string>;
  /** Whether budgets refuse every eviction. */
  budget: boolean;
  /** Whether pods that are to end take longer than anybody waits. */
  slowPods: boolean;
  /** Whether the device plugin's image cannot be pulled. */
  pluginImage: boolean;
}

export class World {
  readonly api = new Api();
  readonly machines = new Map<string, Machine>();
  readonly faults: Faults = {
    bad: new Set(),
    missing: new Set(),
    budget: false,
    slowPods: false,
    pluginImage: false,
  };
  /** What must never happen and did. */
  readonly violations: string[] = [];
  /** Pods that KMM 1.1 itself takes away, because no schedulable node runs their kernel any more. */
  readonly lostToKmm = new Set<string>();
  /** Pods from under which KMM itself has taken onload, by node. */
  readonly #without = new Map<string, Set<string>>();
  /** Changes of selectors that a person has confirmed; see changeOf. */
  readonly confirmed = new Set<string>();
  /** The selector of which a resource's status has said last that it is held back, as JSON, by the resource's UID. */
  readonly heldBack = new Map<string, string>();

  /** By Module: where the operator knew it to be loaded when it changed it last. */
  readonly knownLoaded = new Map<string, Set<string>>();

  violate(text: string): void {
    this.violations.push(text);
  }

  addMachine(name: string, kernel: string, labels: Record<string, string>): void {
    const machine: Machine = { name, kernel, boot: 1, up: true, loaded: {} };
    this.machines.set(name, machine);
    this.api.create("nodes", {
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name,
        labels: { "kubernetes.io/os": "linux", [KMM_KERNEL]: kernelLabel(kernel), "example.com/rack": "r1", ...labels },
        annotations: { "example.com/owner": "somebody" },
      },
      spec: {},
      status: nodeStatus(machine, "0", this.api.time()),
    });
  }

  /** The kubelet is gone or back. */
  setUp(machine: Machine, up: boolean): void {
    machine.up = up;
    this.api.update("nodes", machine.name, (node) => ({
      ...node,
      status: nodeStatus(machine, amountOf(node), this.api.time()),
    }));
  }

  cordon(name: string, cordoned: boolean): void {
    this.api.update("nodes", name, (node) => {
      const { unschedulable: _, ...spec } = node.spec ?? {};
      return { ...node, spec: cordoned ? { ...spec, unschedulable: true } : spec };
    });
  }

  /** Of effect NoSchedule: pods that are there stay. */
  taint(name: string, tainted: boolean): void {
    this.api.update("nodes", name, (node) => {
      const { taints: _, ...spec } = node.spec ?? {};
      return { ...node, spec: tainted ? { ...spec, taints: [TAINT] } : spec };
    });
  }

  setLabels(name: string, labels: Record<string, string | null>): void {
    if (this.api.get("nodes", name)) this.api.mergePatch("nodes", name, { metadata: { labels } });
  }

  /** A reboot, perhaps into another kernel: nothing is loaded, no container runs. */
  reboot(machine: Machine, kernel: string): void {
    machine.boot++;
    machine.loaded = {};
    machine.kernel = kernel;
    for (const pod of this.api.podsOn(machine.name)) {
      if (isFinished(pod)) continue;
      if (pod.metadata.namespace === "apps") this.api.remove("pods", keyOf(pod));
      else this.api.update("pods", keyOf(pod), (old) => ({ ...old, status: restarted(old, this.api.time()) }));
    }
    this.api.update("nodes", machine.name, (node) => ({
      ...node,
      metadata: { ...node.metadata, labels: { ...node.metadata.labels, [KMM_KERNEL]: kernelLabel(kernel) } },
      status: nodeStatus(machine, "0", this.api.time()),
    }));
  }

  /** The Node object and all that is on it go, and another of the same name comes. */
  lose(machine: Machine, labels: Record<string, string>): void {
    for (const pod of this.api.podsOn(machine.name)) this.api.remove("pods", keyOf(pod));
    this.api.remove("nodes", machine.name);
    this.api.remove("nodemodulesconfigs", machine.name);
    this.addMachine(machine.name, machine.kernel, labels);
  }

  setAllocatable(machine: Machine, amount: string): boolean {
    const node = this.api.get("nodes", machine.name);
    if (!node || amountOf(node) === amount) return false;
    this.api.update("nodes", machine.name, (old) => ({
      ...old,
      status: nodeStatus(machine, amount, this.api.time(), old),
    }));
    return true;
  }

  labelsOf({ name }: Machine): Readonly<Record<string, string>> {
    return this.api.get("nodes", name)?.metadata.labels ?? {};
  }

  /** modprobe. Gives why it failed. */
  load(machine: Machine, driver: Driver, loaded: Loaded): string | undefined {
    const { bad } = this.faults;
    if (bad.has(loaded.version)) return "modprobe: ERROR: could not insert 'onload': Key was rejected by service";
    if (!loaded.image.endsWith(kernelLabel(machine.kernel))) return `modprobe: FATAL: Module ${driver} not found`;
    if (machine.loaded[driver]) return `modprobe: ERROR: could not insert '${driver}': Module already in kernel`;
    const { sfc, onload } = machine.loaded;
    if (driver === "sfc" && onload) return "modprobe: FATAL: Module sfc is in use";
    // Onload that comes with its own sfc finds nothing of it in the one that comes with the kernel.
    const sfcModule = parseKey(loaded.by.replace(/-module$/, "-sfcmod"));
    const wantsSfc = versionLabel(sfcModule.namespace, sfcModule.name) in this.labelsOf(machine);
    if (driver === "onload" && (sfc || wantsSfc) && sfc?.version !== loaded.version) {
      return "modprobe: ERROR: could not insert 'onload': Unknown symbol in module";
    }
    machine.loaded[driver] = loaded;
    return undefined;
  }

  /** modprobe -r. */
  unload(machine: Machine, driver: Driver, by: string, excused: boolean): void {
    if (machine.loaded[driver]?.by !== by) return;
    if (driver === "onload") {
      const losing = this.holdersOn(machine.name).map(keyOf);
      // What KMM has taken is not missed again, if the operator could not know that it is back.
      const without = this.knownLoaded.get(by)?.has(machine.name) ? undefined : this.#without.get(machine.name);
      const holders = losing.filter((pod) => !without?.has(pod));
      if (excused) this.#without.set(machine.name, new Set(losing));
      else if (holders.length > 0) this.violate(`${machine.name}: onload is unloaded under ${holders.join(", ")}`);
    }
    if (driver === "sfc" && machine.loaded.onload && !excused) {
      this.violate(`${machine.name}: sfc is unloaded under onload`);
    }
    delete machine.loaded[driver];
  }

  isInService(name: string): boolean {
    const node = this.api.get("nodes", name);
    return this.holdersOn(name).length > 0 || (node !== undefined && amountOf(node) !== "0");
  }

  /** KMM is about to load a driver anew. */
  reload(machine: Machine, driver: Driver, by: string): void {
    const { name, loaded } = machine;
    const used = driver === "sfc" ? loaded.onload !== undefined : this.isInService(name);
    if (loaded[driver] && used && this.knownLoaded.get(by)?.has(name))
      this.violate(`${name}: KMM reloads ${by} in place`);
  }

  /** Pods on a node that hold amd.com/onload: all that ask for any in any container and have not ended. */
  holdersOn(node: string): Pod[] {
    return this.api.podsOn(node).filter((pod) => !isFinished(pod) && asksForOnload(pod));
  }
}

export function asksForOnload({ spec }: DeepReadonly<Pod>): boolean {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(({ resources }) =>
    [resources?.limits?.[RESOURCE], resources?.requests?.[RESOURCE]].some(
      (amount) => amount !== undefined && !/^0+(\.0+)?\D*$/.test(String(amount)),
    ),
  );
}

export function amountOf(node: DeepReadonly<Node>): string {
  return String(node.status?.allocatable?.[RESOURCE] ?? "0");
}

/** A node for other pods, as a person taints it. Nothing but KMM 2 tolerates it here. */
const TAINT = { key: "dedicated", value: "other", effect: "NoSchedule" } as const;

export function isTainted({ spec }: DeepReadonly<Node>): boolean {
  return (spec?.taints ?? []).length > 0;
}

export function isNodeReady(node: DeepReadonly<Node>): boolean {
  return node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** KMM puts the kernel's version into a label, as far as a label can hold it. */
function kernelLabel(kernel: string): string {
  return kernel.replace(/\+$/, "").replaceAll("+", "_");
}

function nodeStatus(machine: Machine, amount: string, now: string, old?: Node): NonNullable<Node["status"]> {
  const status = machine.up ? "True" : "Unknown";
  const before = old?.status?.conditions?.[0];
  const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? now) : now;
  return {
    conditions: [{ type: "Ready", status, lastTransitionTime }],
    allocatable: { cpu: "8", [RESOURCE]: amount },
    nodeInfo: { kernelVersion: machine.kernel, bootID: `boot-${machine.name}-${machine.boot}` },
  };
}

/** What a reboot makes of a pod that its kubelet starts anew. */
function restarted(pod: Pod, now: string): NonNullable<Pod["status"]> {
  return {
    ...pod.status,
    phase: "Running",
    conditions: [{ type: "Ready", status: "False", lastTransitionTime: now }] as never,
  };
}
