/**
 * What we use of prom-client. The package's index also loads what no process of ours uses (cluster, push gateway, default
 * metrics, OpenTelemetry), which costs a device plugin 1 MB and the operator 4 MB.
 */
// oxlint-disable-next-line typescript/triple-slash-reference -- Deno finds these declarations no other way
/// <reference path="./prom-client-parts.d.ts" />
export { default as Counter } from "prom-client/lib/counter.js";
export { default as Gauge } from "prom-client/lib/gauge.js";
export { default as Histogram } from "prom-client/lib/histogram.js";
export { default as Registry } from "prom-client/lib/registry.js";
export type { Metric } from "prom-client";
