import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { connect } from "node:net";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { AllocateRequest, AllocateResponse } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import type { Logger } from "../cli/log.ts";
import { ACCELERATION_PATH, HEALTHZ_PATH, METRICS_PATH, READYZ_PATH } from "../api/names.ts";
import type { BindAddress } from "../probes/bind-address.ts";
import { metricsHandler } from "../probes/metrics-handler.ts";
import type { Handler } from "../probes/server.ts";
import { accelerationHandler } from "./acceleration-handler.ts";
import { allocateResponse, containerEdits, refusal, type ContainerEdits } from "./allocation.ts";
import { removeCdiSpec, writeCdiSpec } from "./cdi.ts";
import { runHostFileCollector } from "./collect-host-files.ts";
import { isPluginSocket, onHost, socketName, type PluginConfig } from "./config.ts";
import { Connection } from "./connection.ts";
import { deviceList, preferredDevices } from "./devices.ts";
import type { Health } from "./health.ts";
import { HealthMonitor } from "./health-monitor.ts";
import { isInconclusive } from "./inconclusive.ts";
import { isStillCurrent } from "./installation.ts";
import { Memory } from "./memory.ts";
import { PluginMetrics } from "./metrics.ts";
import { isUsable } from "./nics.ts";
import type { NodeView } from "./observe.ts";
import { PodMetrics } from "./pod-metrics.ts";
import { PodMonitor, type NodeKnowledge } from "./pod-monitor.ts";
import { probeHandler, serveOnNode, type Served } from "./serve-on-node.ts";
import { PluginServer } from "./server.ts";
import { StackMetrics } from "./stack-metrics.ts";
import { StackMonitor } from "./stack-monitor.ts";

export interface PluginDeps {
  log: Logger;
  /** Milliseconds since the epoch: for times that others read. */
  now: () => number;
  /** Milliseconds of a clock that does not go back: for intervals. */
  elapsed: () => number;
  /** Where metrics are served. undefined: nowhere. */
  metricsAddress: BindAddress | undefined;
  /** Where /healthz and /readyz are served. undefined: nowhere. */
  probeAddress: BindAddress | undefined;
  /** Told each port once it is listened on. */
  listening?: (what: Served, port: number) => void;
}

/**
 * Offers amd.com/onload to this node's kubelet until the signal is aborted, then gives it back.
 *
 * A missing NIC, module or kubelet does not end it: it waits for them, and health, log and probes say so.
 */
export async function runDevicePlugin(config: PluginConfig, deps: PluginDeps, signal: AbortSignal): Promise<void> {
  // The library also writes to the console what it returns as an error.
  setLogVerbosity(logVerbosity.NONE);
  await new DevicePlugin(config, deps).run(signal);
}

class DevicePlugin {
  readonly #config: PluginConfig;
  readonly #deps: PluginDeps;
  readonly #metrics: PluginMetrics;
  readonly #memory = new Memory();
  readonly #server: PluginServer;
  readonly #connection: Connection;
  readonly #monitor: HealthMonitor;
  #view: NodeView = { nics: [], installation: undefined, problems: ["Nobody has looked at the node yet"] };
  #health: Health = { healthy: false, problems: [], contradictedSince: undefined };
  #edits: ContainerEdits | undefined;
  /** The answer to a call for one container. Nearly all calls are such. */
  #answer: AllocateResponse | undefined;
  #published: string | undefined;
  #pods: PodMonitor | undefined;

  constructor(config: PluginConfig, deps: PluginDeps) {
    const { log, now, elapsed } = deps;
    this.#config = config;
    this.#deps = deps;
    this.#metrics = new PluginMetrics(config.onloadVersion);
    const endpoint = socketName(config.kubeletDir, config.podName);
    this.#server = new PluginServer(
      join(config.kubeletDir, endpoint),
      { devices: [] },
      {
        allocate: (request) => this.#allocate(request),
        preferredAllocation: ({ containerRequests }) => ({
          containerResponses: containerRequests.map((request) => ({
            deviceIDs: preferredDevices(
              request.availableDeviceIDs,
              request.mustIncludeDeviceIDs,
              request.allocationSize,
              this.#numaNodes(),
            ),
          })),
        }),
        listed: () => {
          this.#memory.used();
          this.#metrics.listed(now());
        },
        streamsChanged: (open) => {
          this.#metrics.streams(open);
          this.#connection.streamsChanged(open);
          log.info(open > 0 ? "The kubelet is listening for devices" : "The kubelet stopped listening for devices");
        },
      },
    );
    this.#connection = new Connection(config, this.#server, endpoint, {
      log,
      elapsed,
      registered: (ok) => this.#metrics.registration(ok),
    });
    this.#monitor = new HealthMonitor(config, {
      log,
      elapsed,
      seen: (view, health) => this.#seen(view, health),
      unknown: () => this.#metrics.observationError(),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, metricsAddress, probeAddress, listening } = this.#deps;
    await this.#monitor.look();
    const tasks = [
      this.#connection.run(signal),
      this.#monitor.run(signal),
      runHostFileCollector(this.#config, this.#deps, signal),
      this.#memory.run(signal),
    ];
    const serve = (what: Served, address: BindAddress | undefined, paths: Record<string, Handler>): void => {
      if (address !== undefined) tasks.push(serveOnNode({ what, address, paths, log, listening }, signal));
    };
    const paths: Record<string, Handler> = { [METRICS_PATH]: metricsHandler(this.#metrics.registry) };
    const { lookSocket, stackMetrics } = this.#config;
    if (lookSocket !== undefined) {
      const stacks = stackMetrics
        ? new StackMonitor(lookSocket, log, new StackMetrics(this.#metrics.registry))
        : undefined;
      if (stacks !== undefined) tasks.push(stacks.run(signal));
      const pods = (this.#pods = new PodMonitor(
        { ...this.#config, lookSocket, stacks },
        log,
        new PodMetrics(this.#metrics.registry),
      ));
      tasks.push(pods.run(signal));
      paths[ACCELERATION_PATH] = accelerationHandler(pods, () => this.#knowledge());
    }
    serve("metrics", metricsAddress, paths);
    serve("probes", probeAddress, {
      [HEALTHZ_PATH]: probeHandler(() => this.#unhealthy()),
      [READYZ_PATH]: probeHandler(() => this.#unready()),
    });
    await Promise.all(tasks);
    await this.#giveBack();
  }

  #seen(view: NodeView, health: Health): void {
    this.#view = view;
    this.#health = health;
    const before = this.#edits;
    this.#edits = view.installation && containerEdits(this.#config, view.installation);
    if (this.#config.strategy === "cdi" && this.#edits) this.#writeCdi(this.#edits, before);
    this.#answer = this.#edits && { containerResponses: [allocateResponse(this.#config, this.#edits)] };
    this.#metrics.nics(view.nics);
    this.#metrics.devices(this.#config.maxPods, health.healthy);
    const numaNodes = this.#numaNodes();
    const key = JSON.stringify([health.healthy, numaNodes]);
    if (key === this.#published) return;
    this.#published = key;
    this.#server.publish(deviceList({ count: this.#config.maxPods, healthy: health.healthy, numaNodes }));
  }

  /**
   * If the file cannot be written, containers cannot be given anything: calls are refused until it can. Where it cannot
   * even be told what is in it, what was written last still holds.
   */
  #writeCdi(edits: ContainerEdits, before: ContainerEdits | undefined): void {
    try {
      writeCdiSpec(onHost(this.#config, this.#config.cdiDir), edits);
    } catch (error) {
      if (isInconclusive(error) && JSON.stringify(edits) === JSON.stringify(before)) return;
      this.#edits = undefined;
      this.#view = { ...this.#view, problems: [`The CDI file cannot be written: ${(error as Error).message}`] };
    }
  }

  #removeCdi(cdiDir: string): void {
    try {
      removeCdiSpec(cdiDir);
    } catch (error) {
      this.#deps.log.warn("Cannot remove the CDI file", { cdiDir, error });
    }
  }

  #numaNodes(): number[] {
    const nodes = this.#view.nics.filter(isUsable).map((nic) => nic.numaNode);
    return [...new Set(nodes.filter((node) => node !== undefined))].sort((a, b) => a - b);
  }

  async #allocate(request: AllocateRequest): Promise<AllocateResponse> {
    const started = performance.now();
    this.#memory.used();
    let ok = false;
    try {
      // Files may have been replaced or lost since the last look, and the kubelet keeps this answer as long as the pod.
      const hostDir = onHost(this.#config, this.#config.hostOnloadPath);
      const { installation } = this.#view;
      const isOld = installation === undefined || !isStillCurrent(hostDir, installation);
      if (isOld) await this.#monitor.look();
      const edits = this.#edits;
      const problems = this.#allocationProblems(isOld);
      const ids = request.containerRequests.flatMap((container) => container.devicesIds);
      const reason = refusal(ids, this.#config.maxPods, problems);
      if (reason !== undefined || edits === undefined) throw new Error(reason);
      ok = true;
      this.#pods?.allocated();
      this.#deps.log.debug("Allocated devices", { devices: ids });
      if (request.containerRequests.length === 1 && this.#answer) return this.#answer;
      return { containerResponses: request.containerRequests.map(() => allocateResponse(this.#config, edits)) };
    } catch (error) {
      this.#deps.log.warn("Refused to allocate devices", { error });
      throw error;
    } finally {
      this.#metrics.allocation(ok, (performance.now() - started) / 1000);
    }
  }

  /** Why nothing can be allocated now; empty if it can. */
  #allocationProblems(neededLook: boolean): string[] {
    // The files have changed since the last look that found something out.
    if (neededLook && this.#monitor.lookError !== undefined) return [this.#monitor.lookError];
    return this.#edits === undefined ? this.#view.problems : this.#health.problems;
  }

  /** For programs that ask whether pods are accelerated. */
  #knowledge(): NodeKnowledge {
    const { nics, problems, controlPlane, module } = this.#view;
    return {
      healthy: this.#health.healthy,
      problems,
      controlPlane: controlPlane ?? null,
      module: { version: module?.version ?? null, acceleratesVeth: module?.acceleratesVeth ?? null },
      nics: nics.map(({ address, driver, interfaces }) => ({ address, driver: driver ?? null, interfaces })),
    };
  }

  #unready(): string | undefined {
    return this.#server.streams > 0 ? undefined : "The kubelet does not listen for devices";
  }

  #unhealthy(): string | undefined {
    const silent = this.#connection.silentMs;
    if (silent <= this.#config.kubeletTimeoutMs) return undefined;
    return `The kubelet has been out of reach for ${Math.round(silent / 1000)} s`;
  }

  /** Takes the resource from the node, unless a plugin of another pod has taken over already. */
  async #giveBack(): Promise<void> {
    const { kubeletDir, podName, strategy, cdiDir } = this.#config;
    const own = socketName(kubeletDir, podName);
    if (!(await hasSuccessor(kubeletDir, own))) {
      this.#server.publish({ devices: [] });
      if (strategy === "cdi") this.#removeCdi(onHost(this.#config, cdiDir));
    }
    await this.#server.stop();
    this.#deps.log.info("Withdrew the devices");
  }
}

/** Whether another plugin listens in the kubelet's folder, or may do so as far as this process can tell. */
async function hasSuccessor(kubeletDir: string, own: string): Promise<boolean> {
  try {
    const names = (await readdir(kubeletDir)).filter((name) => isPluginSocket(name) && name !== own);
    return (await Promise.all(names.map((name) => accepts(join(kubeletDir, name))))).includes(true);
  } catch (error) {
    return isInconclusive(error);
  }
}

/** Whether a server listens on a socket. Throws if this process cannot tell. */
function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const attempt = connect(socket);
    const done = (answer: boolean): void => {
      attempt.destroy();
      resolve(answer);
    };
    attempt.setTimeout(500, () => done(false));
    attempt.once("connect", () => done(true));
    attempt.once("error", (error) => (isInconclusive(error) ? reject(error) : done(false)));
  });
}
