import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../lib/command.ts";
import type { CommandOptions, CommandResult } from "../lib/command.ts";
import { poll } from "../lib/poll.ts";
import type { RunState, RunningProcess } from "../lib/run-state.ts";
import { tool } from "../tools/index.ts";
import type { ControlPlane } from "../control-plane.ts";
import type { NodeNetwork } from "./network.ts";

/** A real node in namespaces of its own. */
export class TestNode {
  readonly name: string;
  readonly network: NodeNetwork;
  /** HOST:PORT of the image registry, for pushes from the host and pulls by the node. */
  readonly registry: string;
  readonly #state: RunState;
  readonly #plane: ControlPlane;
  readonly #kubeconfig: string;
  readonly #services = new Map<string, RunningProcess>();
  #init: RunningProcess | undefined;

  constructor(
    state: RunState,
    plane: ControlPlane,
    network: NodeNetwork,
    name: string,
    registry: string,
    kubeconfig: string,
  ) {
    this.#state = state;
    this.#plane = plane;
    this.network = network;
    this.name = name;
    this.registry = registry;
    this.#kubeconfig = kubeconfig;
  }

  /** Starts everything on the node and waits until it is Ready. */
  async boot(labels: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void> {
    const folder = this.#state.path("node");
    this.#init = this.#state.start("node", [
      "nsenter",
      `--net=/run/netns/${this.network.namespace}`,
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      // The node ends with this process, however it ends.
      "--kill-child=SIGKILL",
      "bash",
      join(import.meta.dir, "init.sh"),
      folder,
    ]);
    const init = this.#init;
    await poll(() => existsSync(join(folder, "ready")) || !init.alive(), {
      what: "Start of containerd",
      timeoutMs: 60_000,
      signal,
    });
    if (!init.alive()) throw new Error(`Cannot start the node: ${init.logTail()}`);
    await this.#startService("kube-proxy", [await tool("kube-proxy"), "--config=/etc/kubernetes/kube-proxy.yaml"]);
    await this.startKubelet();
    await this.waitReady(signal);
    // The administrator sets them, because a kubelet may not give itself every label.
    await this.#plane.request("PATCH", `/api/v1/nodes/${this.name}`, {
      body: { metadata: { labels } },
      contentType: "merge",
    });
  }

  /**
   * Runs a program on the node, in all its namespaces, and returns when it has ended.
   * Throws with the end of its standard error if it fails, unless allowFailure is given.
   */
  exec(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run([...this.#enter(), ...command], options);
  }

  /** Starts the kubelet; returns at once. */
  async startKubelet(): Promise<void> {
    await this.#startService("kubelet", [
      await tool("kubelet"),
      "--config=/etc/kubernetes/kubelet.yaml",
      `--kubeconfig=${this.#kubeconfig}`,
      `--hostname-override=${this.name}`,
      `--node-ip=${this.network.nodeAddress}`,
    ]);
  }

  /** Ends the kubelet (SIGTERM by default); containers run on, as on any node. */
  async stopKubelet(signal: "TERM" | "KILL" = "TERM"): Promise<void> {
    await this.#endService("kubelet", signal);
  }

  /** Ends the kubelet, starts it again and waits until the API server has heard from it. */
  async restartKubelet(): Promise<void> {
    await this.stopKubelet();
    const before = Date.now();
    await this.startKubelet();
    await this.waitReady(undefined, before);
  }

  /** Waits until the node is Ready by a heartbeat later than the given time (milliseconds since 1970). */
  async waitReady(signal?: AbortSignal, since = 0): Promise<void> {
    let ended: RunningProcess | undefined;
    await poll(
      async () => {
        ended = [...this.#services.values()].find((service) => !service.alive());
        if (ended !== undefined) return true;
        const node = await this.#plane.request<NodeObject>("GET", `/api/v1/nodes/${this.name}`);
        const ready = node.status.conditions.find(({ type }) => type === "Ready");
        const clear = node.spec.taints === undefined;
        return clear && ready?.status === "True" && Date.parse(ready.lastHeartbeatTime) + 1000 > since;
      },
      { what: `Readiness of node ${this.name}`, timeoutMs: 120_000, intervalMs: 200, signal },
    );
    if (ended !== undefined) throw new Error(`${ended.name} exited: ${ended.logTail()}`);
  }

  /** What modprobe's stand-in has done on this node, in order: "load MODULE VERSION" or "unload MODULE VERSION". */
  async moduleJournal(): Promise<string[]> {
    const { stdout } = await this.exec(["sh", "-c", "cat /sys/module/.journal 2>/dev/null || true"]);
    return stdout.split("\n").filter((line) => line !== "");
  }

  /** Removes Onload's device files, as a module that is unloaded behind everybody's back does. */
  async removeDevices(): Promise<void> {
    await this.exec(["rm", "-f", "/dev/onload", "/dev/onload_epoll", "/dev/sfc_char"]);
  }

  /** Makes Onload's device files; they have the numbers of the null device. */
  async addDevices(): Promise<void> {
    for (const device of ["onload", "onload_epoll", "sfc_char"]) {
      await this.exec(["sh", "-c", `[ -e /dev/${device} ] || mknod -m 666 /dev/${device} c 1 3`]);
    }
  }

  #enter(): string[] {
    const pid = this.#init?.pid ?? 0;
    return ["nsenter", `--target=${pid}`, "--mount", "--net", `--pid=/proc/${pid}/ns/pid_for_children`, "--wd=/"];
  }

  async #startService(name: string, command: readonly string[]): Promise<void> {
    await this.exec(["rm", "-f", `/run/${name}.pid`]);
    const service = this.#state.start(name, [
      ...this.#enter(),
      "sh",
      "-c",
      `echo $$ > /run/${name}.pid; exec "$@"`,
      name,
      ...command,
    ]);
    this.#services.set(name, service);
    await poll(async () => (await this.exec(["test", "-s", `/run/${name}.pid`], { allowFailure: true })).code === 0, {
      what: `Start of ${name}`,
    });
  }

  async #endService(name: string, signal: "TERM" | "KILL"): Promise<void> {
    const script = `pid=$(cat /run/${name}.pid); kill -${signal} $pid; while [ -d /proc/$pid ]; do sleep 0.05; done`;
    await this.exec(["sh", "-c", script]);
    this.#services.delete(name);
  }
}

interface NodeObject {
  readonly spec: { readonly taints?: unknown };
  readonly status: {
    readonly conditions: { readonly type: string; readonly status: string; readonly lastHeartbeatTime: string }[];
  };
}
