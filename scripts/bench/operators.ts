/** The operators that are measured, and their processes as seen from outside. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { freePorts } from "../../internal/testcluster/lib/ports.ts";
import { poll } from "../../internal/testcluster/lib/poll.ts";
import { cpuSeconds, memoryMb, type Memory } from "./process.ts";

/** The folder of the operator's manifests. */
export const MANIFESTS = join(import.meta.dirname, "../../internal/manifests");

/** An operator to measure: how to start it, and whether its status shows when it is done. */
export interface Program {
  name: string;
  /** The command line, given a kubeconfig and the ports for health and metrics. */
  command: (kubeconfig: string, health: number, metrics: number) => string[];
  env: Record<string, string>;
  tellsReady: boolean;
  /** The ClusterRole that it runs with. */
  role: string;
}

/** The compiled executable, as the Deployment runs it. */
export function ours(executable: string): Program {
  return {
    name: "",
    command: (kubeconfig, health) => [
      executable,
      "operator",
      `--kubeconfig=${kubeconfig}`,
      "--metrics-bind-address=0",
      `--health-probe-bind-address=127.0.0.1:${health}`,
    ],
    env: runtimeOptions(),
    tellsReady: true,
    role: "onload-operator-manager-role",
  };
}

/** The options of the runtime that the operator has in its Deployment. */
export function runtimeOptions(): Record<string, string> {
  const deployment = parse(readFileSync(join(MANIFESTS, "manager/deployment.yaml"), "utf8")) as {
    spec: { template: { spec: { containers: { env: { name: string; value?: string }[] }[] } } };
  };
  const env = deployment.spec.template.spec.containers.flatMap((container) => container.env);
  return Object.fromEntries(
    env.flatMap(({ name, value }) => (/^(?:BUN|MIMALLOC)_/.test(name) && value !== undefined ? [[name, value]] : [])),
  );
}

/** The original's operator. */
export function original(executable: string): Program {
  return {
    name: ", original",
    command: (kubeconfig, health, metrics) => [
      executable,
      `--kubeconfig=${kubeconfig}`,
      `--metrics-bind-address=127.0.0.1:${metrics}`,
      `--health-probe-bind-address=127.0.0.1:${health}`,
    ],
    env: {},
    tellsReady: false,
    role: "cluster-admin",
  };
}

/** The operator's process, seen from outside. It ends with its scope, whatever went wrong there. */
export class Subject implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  readonly startSeconds: number;

  private constructor(child: Bun.Subprocess, startSeconds: number) {
    this.#child = child;
    this.startSeconds = startSeconds;
  }

  static async start(program: Program, kubeconfig: string, logFile: string): Promise<Subject> {
    const [health = 0, metrics = 0] = await freePorts(2);
    const began = performance.now();
    const child = Bun.spawn(program.command(kubeconfig, health, metrics), {
      env: { ...process.env, DEVICE_PLUGIN_IMG: "registry/onloadctl:1", ...program.env },
      stdout: "ignore",
      stderr: Bun.file(logFile),
    });
    const ready = async (): Promise<boolean> => {
      if (child.exitCode !== null) return true;
      return (await fetch(`http://127.0.0.1:${health}/readyz`)).ok;
    };
    try {
      await poll(ready, { what: "Readiness of the operator", intervalMs: 5, timeoutMs: 120_000 });
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
    if (child.exitCode !== null) throw new Error(`The operator exited: ${readFileSync(logFile, "utf8").slice(-500)}`);
    return new Subject(child, (performance.now() - began) / 1000);
  }

  cpuSeconds(): number {
    return cpuSeconds(this.#child.pid);
  }

  memoryMb(): Memory {
    return memoryMb(this.#child.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
  }
}
