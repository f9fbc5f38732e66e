import { describe, expect, test } from "bun:test";
import { bare, stepRecord, module, NOW, policy, whole } from "../testing/facts.ts";
import { planRollout } from "./plan.ts";

describe("what a missing image means", () => {
  const looking = [{ image: "r/m:2", why: undefined }];
  const failed = [{ image: "r/m:2", why: "ImagePullBackOff" }];
  test.each([
    ["still looked for", looking, undefined],
    ["is not available", failed, { reason: "ModuleImageMissing", failed: false }],
  ] as const)("a node that serves is left alone: %s", (_, missing, problem) => {
    const plan = planRollout([whole("v1", { missingImages: missing })], policy, NOW);
    expect(plan.nodes[0]).toMatchObject({ state: "Outdated", step: "None", gate: "NoModuleImage" });
    if (problem) expect(plan.nodes[0]!.problem).toMatchObject(problem);
    else expect(plan.nodes[0]!.problem).toBeUndefined();
    expect(plan.halted).toBeFalse();
  });
  test("a node that waits for it has failed, and says which and why", () => {
    const labels = { plugin: "v2", onload: "v2", sfc: undefined };
    const waiting = bare({
      labels,
      onload: module(),
      stepRecord: stepRecord("Install", 601_000),
      missingImages: failed,
    });
    const { problem } = planRollout([waiting], policy, NOW).nodes[0]!;
    expect(problem).toMatchObject({ reason: "ModuleImageMissing", failed: true });
    expect(problem!.message).toContain("Image r/m:2 is not available: ImagePullBackOff");
    const late = planRollout([{ ...waiting, missingImages: looking }], policy, NOW).nodes[0]!.problem;
    expect(late).toMatchObject({ reason: "ModuleLoadFailed", failed: true });
    expect(late!.message).toContain("KMM has not loaded onload (it still pulls or builds r/m:2) after 600 s");
  });
});
