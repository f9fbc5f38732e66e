/** A real Prometheus of a test's own, and time that passes faster in it. */
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { poll } from "../../internal/testcluster/lib/poll.ts";
import { freePorts } from "../../internal/testcluster/lib/ports.ts";

/** An alert, as Prometheus tells of it. `alertname` is one of its labels. */
export interface ActiveAlert {
  state: "pending" | "firing";
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** A series: its samples as Unix time in seconds and value. */
export interface Matrix {
  metric: Record<string, string>;
  values: [number, string][];
}

export class Prometheus implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  readonly #folder: string;
  readonly #url: string;

  private constructor(child: Bun.Subprocess, folder: string, url: string) {
    this.#child = child;
    this.#folder = folder;
    this.#url = url;
  }

  /** Starts one, and waits until it answers. @param config without rule_files @param groups of rules */
  static async start(config: object, groups: readonly object[]): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), "onloadctl-prometheus-"));
    const [port = 0] = await freePorts(1);
    await writeFile(join(folder, "rules.yaml"), stringify({ groups }));
    await writeFile(join(folder, "prometheus.yaml"), stringify({ ...config, rule_files: ["rules.yaml"] }));
    const log = join(folder, "log");
    const out = openSync(log, "w");
    const flags = [
      `--config.file=${folder}/prometheus.yaml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const child = Bun.spawn(["prometheus", ...flags], { stdout: "ignore", stderr: out });
    closeSync(out);
    const prometheus = new Prometheus(child, folder, `http://127.0.0.1:${port}`);
    try {
      await poll(async () => child.exitCode !== null || (await fetch(`${prometheus.#url}/-/ready`)).ok, {
        what: "Prometheus being ready",
      });
      if (child.exitCode !== null) throw new Error("Prometheus has ended");
    } catch (error) {
      const said = await readFile(log, "utf8");
      await prometheus[Symbol.asyncDispose]();
      throw new Error(`Cannot start Prometheus: ${said.slice(-2000)}`, { cause: error });
    }
    return prometheus;
  }

  /** Pending and firing alerts. */
  async alerts(): Promise<ActiveAlert[]> {
    return (await this.#get<{ alerts: ActiveAlert[] }>("alerts", {})).alerts;
  }

  /** The samples of a range selector, such as `up[5m]`. */
  async samples(selector: string): Promise<Matrix[]> {
    return (await this.#get<{ result: Matrix[] }>("query", { query: selector })).result;
  }

  /** A query at every half second from a moment, in Unix seconds, until now. */
  async range(query: string, start: number): Promise<Matrix[]> {
    const times = { start: String(start), end: String(Date.now() / 1000), step: "0.5" };
    return (await this.#get<{ result: Matrix[] }>("query_range", { query, ...times })).result;
  }

  /** Values of a label of a metric. */
  async labelValues(metric: string, label: string): Promise<string[]> {
    return this.#get(`label/${label}/values`, { "match[]": metric });
  }

  async labels(): Promise<string[]> {
    return this.#get("labels", {});
  }

  async #get<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const answer = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const { status, error, data } = (await answer.json()) as { status: string; error?: string; data: T };
    if (status !== "success") throw new Error(`Prometheus refuses ${JSON.stringify(parameters)}: ${error}`);
    return data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#child.exited;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const UNITS_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 24 * 3_600_000,
  w: 7 * 24 * 3_600_000,
  y: 365 * 24 * 3_600_000,
};

const DURATION = String.raw`(?:\d+(?:ms|[smhdwy]))+`;

/**
 * Text of PromQL, or a duration alone, with every duration multiplied. A duration is one or more numbers, each with its
 * unit: `1h30m`. What stands in quotes is no duration.
 */
export function inOtherTime(text: string, factor: number): string {
  const quoted = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/.source;
  // In a name of a metric or of a label, letters and digits follow each other too.
  const durations = new RegExp(`${quoted}|(?<![\\w.:])${DURATION}(?::${DURATION})?(?!\\w)`, "g");
  return text.replaceAll(durations, (token) =>
    /^["']/.test(token)
      ? token
      : token
          .split(":")
          .map((each) => `${Math.round(milliseconds(each) * factor)}ms`)
          .join(":"),
  );
}

function milliseconds(duration: string): number {
  return [...duration.matchAll(/(\d+)(ms|[smhdwy])/g)].reduce(
    (sum, [, number, unit]) => sum + Number(number) * UNITS_MS[unit!]!,
    0,
  );
}
