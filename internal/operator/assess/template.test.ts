import { expect, test } from "bun:test";
import type { DaemonSet } from "../../api/core.ts";
import { TEMPLATE_ANNOTATION, VERSION_LABEL } from "../../api/names.ts";
import { hasSeenTemplate } from "./template.ts";

/** A DaemonSet whose third template is of v2, with what the DaemonSet controller has seen. */
function daemonSet(observedGeneration: number | undefined, version = "v2", template = "abc"): DaemonSet {
  const metadata = { labels: { [VERSION_LABEL]: version }, annotations: { [TEMPLATE_ANNOTATION]: template } };
  return {
    metadata: { name: "d", generation: 3 },
    spec: { template: { metadata, spec: {} } },
    ...(observedGeneration === undefined ? {} : { status: { observedGeneration } }),
  } as unknown as DaemonSet;
}

test.each<[string, DaemonSet | undefined, boolean]>([
  ["its controller has seen it", daemonSet(3), true],
  ["its controller has seen a later change, too", daemonSet(4), true],
  ["its controller has seen the one before", daemonSet(2), false],
  ["its controller has seen none", daemonSet(undefined), false],
  ["it is of another version", daemonSet(3, "v1"), false],
  ["it is another of the same version", daemonSet(3, "v2", "abd"), false],
  ["there is no DaemonSet", undefined, false],
])("whether the template counts as seen when %s", (_when, live, seen) => {
  expect(hasSeenTemplate(live, "v2", "abc")).toBe(seen);
});
