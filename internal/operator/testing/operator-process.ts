/** The operator as a process of its own, to be started, watched and killed. */
export interface OperatorProcessOptions {
  kubeconfig: string;
  executable: string;
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Where its log goes; by default nowhere. */
  logFile?: string;
}

export class OperatorProcess {
  readonly #child: Bun.Subprocess;
  readonly health: string;
  readonly metrics: string;

  private constructor(child: Bun.Subprocess, health: string, metrics: string) {
    this.#child = child;
    this.health = health;
    this.metrics = metrics;
  }

  /** Starts it; it need not be ready yet. */
  static start(
    { kubeconfig, executable, args = [], env = {}, logFile }: OperatorProcessOptions,
    ports: [number, number],
  ): OperatorProcess {
    const [metrics, health] = ports.map((port) => `127.0.0.1:${port}`) as [string, string];
    const child = Bun.spawn(
      [
        executable,
        "operator",
        `--kubeconfig=${kubeconfig}`,
        `--metrics-bind-address=${metrics}`,
        `--health-probe-bind-address=${health}`,
        "--log-format=json",
        ...args,
      ],
      { env: { ...process.env, ...env }, stdout: "ignore", stderr: logFile ? Bun.file(logFile) : "ignore" },
    );
    return new OperatorProcess(child, `http://${health}`, `http://${metrics}/metrics`);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`${this.health}/readyz`).catch(() => undefined);
    return answer?.ok ?? false;
  }

  async readyText(): Promise<string> {
    return (await fetch(`${this.health}/readyz`)).text();
  }

  async metricsText(): Promise<string> {
    return (await fetch(this.metrics)).text();
  }

  /** Stops it where it is, as a machine without processor time does, until {@link thaw}. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  /** Whether it is the leader, as its metrics say. */
  async leads(): Promise<boolean> {
    return /^leader_election_master_status\{.*\} 1$/m.test(await this.metricsText());
  }

  /** Waits for its end; gives the exit code. */
  async ended(): Promise<number> {
    return this.#child.exited;
  }

  /** As a node does that loses power. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  /** As the kubelet does; gives the exit code. */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    return this.#child.exited;
  }
}
