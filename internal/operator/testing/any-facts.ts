/** Facts and policies of any kind, for properties. */
import fc from "fast-check";
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Policy } from "../rollout/node-plan.ts";
import { bare, holder, NOW, plugin, policy, whole } from "./facts.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };

const version = fc.constantFrom(undefined, "v1", "v2");
const failure = fc.constantFrom(undefined, { reason: NODE_REASON.ModuleLoadFailed, message: "modprobe: no" });
const mod = fc.record({
  present: fc.boolean(),
  ready: version,
  since: fc.constant(NOW - 5000),
  failure,
  lacksPod: fc.boolean(),
  labelledReady: fc.boolean(),
  image: fc.constant(undefined),
  selector: fc.constant(undefined),
});
const loadLabel = fc.record({
  value: fc.constantFrom(undefined, "on" as const, "off" as const),
  required: fc.boolean(),
  effective: fc.boolean(),
});
const usually = <T>(value: T, other: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: fc.constant(other) });

const taint = fc.oneof(
  { weight: 8, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant({ text: "dedicated:NoSchedule", passing: false }) },
  { weight: 1, arbitrary: fc.constant({ text: "node.kubernetes.io/disk-pressure:NoSchedule", passing: true }) },
);

const node: fc.Arbitrary<NodeFacts> = fc
  .record({
    ready: usually(true, false),
    readySince: fc.constant(NOW - 3000),
    cordoned: usually(false, true),
    taints: fc.record({ kmm: taint, plugin: taint }),
    want: fc.constantFrom("v2", "v2", "v1", undefined),
    mapped: usually(true, false),
    missingImages: usually<NodeFacts["missingImages"]>([], [{ image: "r/m:2", why: undefined }]),
    sfcManaged: fc.boolean(),
    labels: fc.record({ plugin: version, onload: version, sfc: version }),
    loadLabels: fc.record({ onload: loadLabel, sfc: loadLabel }),
    onload: mod,
    sfc: mod,
    plugin: fc.record({
      present: fc.boolean(),
      ready: fc.boolean(),
      current: fc.boolean(),
      version: fc.constantFrom(undefined, "v1", "v2"),
      since: fc.constant(NOW - 2000),
      failure,
    }),
    allocatable: fc.constantFrom(0, 100),
    holders: fc.constantFrom<NodeFacts["holders"]>(undefined, [], [holder({ terminating: true })]),
    stepRecord: fc.option(
      fc
        .constantFrom("Install", "LabelOnload", "LabelPlugin", "UnlabelPlugin", "Evict", "UnlabelOnload")
        .map((step) => ({
          step,
          since: NOW - 1000,
          attempt: "1",
        })),
      { nil: undefined },
    ),
    blockedBy: usually<string | undefined>(undefined, "a/b"),
    keptBy: fc.constant(undefined),
  })
  .map((changes) => bare(changes));
/** Any node, often one that serves, of either version: most rollouts consist of these. */
export const anyNode: fc.Arbitrary<NodeFacts> = fc.oneof(
  node,
  fc.constantFrom("v1", "v2").map((each) => whole(each, { readySince: 0 })),
  fc.boolean().map((ready) => whole("v2", { readySince: 0, plugin: { ...plugin(ready), current: false } })),
  fc
    .tuple(node, fc.constantFrom("v1", "v2"))
    .map(([each, own]) => ({ ...each, labels: { ...none, plugin: own, onload: own } })),
);
/** Any policy. */
export const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    maxUnavailable: fc.integer({ min: 1, max: 3 }),
    paused: usually(false, true),
    templateSeen: usually(true, false),
    kmmSkipsCordoned: fc.boolean(),
    limits: fc.record({ step: fc.constant(600_000), drain: fc.constant(300_000), force: fc.boolean() }),
  })
  .map((changes) => ({ ...policy, ...changes }));
