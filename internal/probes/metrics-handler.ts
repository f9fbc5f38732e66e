import type { Answer, Handler } from "./server.ts";

/** Prometheus asks every 15 s or so: only a client that asks for too much gets an older text. */
const MAX_AGE_MS = 1000;

/** What renders metrics: a registry of prom-client, or something around one. */
export interface MetricsSource {
  readonly contentType: string;
  /** All metrics in Prometheus' text format. */
  metrics(): Promise<string>;
  /** A text of another version is not shown; left out: there is one. */
  version?: () => unknown;
}

/**
 * Answers with the metrics. They are rendered at most once a second, whoever asks and however often: clients that ask
 * meanwhile share a text, which may be that old.
 *
 * @param now milliseconds of a clock that never goes back
 */
export function metricsHandler(source: MetricsSource, now: () => number = () => performance.now()): Handler {
  let latest: { begunAt: number; version: unknown; answer: Promise<Answer> } | undefined;
  return () => {
    const version = source.version?.();
    if (latest !== undefined && latest.version === version && now() - latest.begunAt < MAX_AGE_MS) return latest.answer;
    const answer = source.metrics().then((body) => ({ status: 200, body, contentType: source.contentType }));
    latest = { begunAt: now(), version, answer };
    return answer;
  };
}
