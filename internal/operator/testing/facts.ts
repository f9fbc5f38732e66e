/** Facts of nodes for tests: a node that is done, with what a test changes. */
import type { LoadLabelFacts, NodeFacts, PluginFacts, Version } from "../assess/facts.ts";
import type { Holder } from "../cache/holders.ts";
import type { ModuleObservation } from "../kmm/kmm.ts";
import type { StepRecord } from "../observe/step-record.ts";
import type { Policy } from "../rollout/node-plan.ts";

export const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);

export const noModule: ModuleObservation = {
  present: false,
  lacksPod: true,
  ready: undefined,
  labelledReady: false,
  since: undefined,
  failure: undefined,
  image: undefined,
  selector: undefined,
};
export const noLoadLabel: LoadLabelFacts = { value: undefined, required: false, effective: false };
const noPlugin: PluginFacts = {
  present: false,
  ready: false,
  current: true,
  version: undefined,
  since: undefined,
  failure: undefined,
};

/** A module of which something is on the node, ready or not. */
export function module(ready?: Version): ModuleObservation {
  return { ...noModule, present: true, lacksPod: false, ready };
}

export function plugin(ready = true): PluginFacts {
  return { ...noPlugin, present: true, ready };
}

/** A pod that holds amd.com/onload and may be asked to leave. */
export function holder(changes: Partial<Holder> = {}): Holder {
  return {
    namespace: "a",
    name: "p",
    uid: "1",
    terminating: false,
    evictable: true,
    forceable: false,
    refusal: undefined,
    ...changes,
  };
}

export function stepRecord(step = "Install", ageMs = 0, attempt = "1"): StepRecord {
  return { step, since: NOW - ageMs, attempt };
}

/** A node that is to run v2, has no sfc to manage, and has nothing of ours yet. */
export function bare(changes: Partial<NodeFacts> = {}): NodeFacts {
  return {
    name: "node-1",
    ready: true,
    readySince: undefined,
    cordoned: false,
    taints: { kmm: undefined, plugin: undefined },
    want: "v2",
    kernel: "6.1.0",
    operatingSystem: "linux",
    kernelRefused: undefined,
    mapped: true,
    mappingProblem: undefined,
    mappingsTried: [],
    missingImages: [],
    sfcManaged: false,
    sfcAbandoned: false,
    sfcConflict: undefined,
    labels: { plugin: undefined, onload: undefined, sfc: undefined },
    loadLabels: { onload: noLoadLabel, sfc: noLoadLabel },
    onload: noModule,
    sfc: noModule,
    plugin: noPlugin,
    refusals: {},
    allocatable: 0,
    holders: undefined,
    stepRecord: undefined,
    failureRecord: undefined,
    reminded: false,
    blockedBy: undefined,
    keptBy: undefined,
    claimed: false,
    letGo: false,
    ownNode: false,
    ...changes,
  };
}

/** A node that runs `version` and serves pods. */
export function whole(version: Version, changes: Partial<NodeFacts> = {}): NodeFacts {
  return bare({
    labels: { plugin: version, onload: version, sfc: undefined },
    onload: module(version),
    plugin: plugin(),
    allocatable: 100,
    stepRecord: stepRecord("LabelPlugin", 3_600_000),
    ...changes,
  });
}

export const policy: Policy = {
  maxUnavailable: 1,
  letGoConfirmed: true,
  unanswered: [],
  paused: false,
  pauseKnown: true,
  limits: { step: 600_000, drain: 300_000, force: false },
  attempt: "1",
  templateSeen: true,
  pluginImageKnown: true,
  kmmSkipsCordoned: false,
  stalledSince: undefined,
  clockSetAt: undefined,
};
